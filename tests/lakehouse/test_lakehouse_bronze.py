"""Bronze: every line is loaded or quarantined, every version kept, and what is known is not loaded again."""

from __future__ import annotations

import gzip
import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from medcairn.core.delta import delta_version, open_delta, read_delta
from medcairn.core.errors import DataError, IntegrityError, UsageError
from medcairn.lakehouse.bronze import build_bronze, changed_since, several_versions, version_key
from medcairn.lakehouse.views.lines import object_text

from .bronze_folder import FIRST_DAY, BronzeFolder, deletion, patient

LINE = '{"resourceType":"Patient","id":"p1","meta":{"versionId":"3","lastUpdated":"2024-01-01T00:00:00Z"}}'


@pytest.fixture
def lake(tmp_path: Path) -> BronzeFolder:
    lake = BronzeFolder(tmp_path)
    lake.source.mkdir()
    return lake


def test_a_resource_is_kept_whole_with_its_origin(lake: BronzeFolder) -> None:
    lake.write("Patient.000.ndjson", "")
    lake.write("Patient.000.ndjson", LINE)
    report = lake.again()
    assert report.rows == report.new == {"Patient": 1}
    assert read_delta(lake.bronze / "Patient").to_pylist() == [
        {
            "id": "p1",
            "version_id": "3",
            "last_updated": "2024-01-01T00:00:00Z",
            "deleted": False,
            "life": 1,
            "sequence": 1,
            "load": 1,
            "resource": LINE,
            "content_hash": hashlib.sha256(LINE.encode()).digest(),
            "source_file": "Patient.000.ndjson",
            "source_line": 2,
            "ingested_at": FIRST_DAY,
            "ingested": FIRST_DAY.date(),
        }
    ]


def test_tables_are_partitioned_by_the_date_and_refuse_to_lose_rows(lake: BronzeFolder) -> None:
    lake.load(patient("a"))
    lake.load(patient("a"), patient("b"))
    table = open_delta(lake.bronze / "Patient")
    assert table.metadata().partition_columns == ["ingested"]
    assert table.metadata().configuration["delta.appendOnly"] == "true"
    assert "resource" not in table.metadata().configuration["delta.dataSkippingStatsColumns"]
    folders = sorted(path.name for path in (lake.bronze / "Patient").iterdir())
    assert folders == ["_delta_log", "ingested=2026-03-01", "ingested=2026-03-02"]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"resourceType":"Patient","id":"p2"', "not_json"),
        (b'{"resourceType":"Patient","id":"p2"} x', "not_json"),
        (b'{"resourceType":"Patient","id":"p2"}{"resourceType":"Patient","id":"p3"}', "not_json"),
        (b"\xff\xfe", "not_json"),
        (b'{"resourceType":"Patient","id":"p2","x":"\xff"}', "not_json"),
        (b" ", "not_json"),
        (b"[]", "no_resource_type"),
        (b'{"id":"p2"}', "no_resource_type"),
        (b'{"resourceType":5,"id":"p2"}', "no_resource_type"),
        (b'{"resourceType":"../x","id":"p2"}', "other_resource_type"),
        (b'{"resourceType":"Observation","id":"p2"}', "other_resource_type"),
        (b'{"resourceType":"Patient"}', "no_id"),
        (b'{"resourceType":"Patient","id":""}', "no_id"),
        (b'{"resourceType":"Patient","id":7}', "no_id"),
    ],
)
def test_a_line_that_is_no_resource_is_quarantined_with_its_place(
    lake: BronzeFolder, line: bytes, reason: str
) -> None:
    lake.write("Patient.000.ndjson", LINE)
    lake.write("Patient.000.ndjson", line)
    report = lake.again()
    assert report.rows == {"Patient": 1}
    assert report.quarantined == {reason: 1}
    assert pq.read_table(lake.bronze / "quarantine.parquet").to_pylist() == [
        {
            "table": "bronze",
            "reason": reason,
            "resource_type": None,
            "source_file": "Patient.000.ndjson",
            "source_line": 2,
        }
    ]


@pytest.mark.parametrize(
    "line",
    [
        b'{"resourceType":"Patient","id":"p1","meta":{"versionId":3,"lastUpdated":[]}}',
        b'{"resourceType":"Patient","id":"p1","meta":[]}',
        b'{"resourceType":"Patient","id":"p1","meta":null}',
    ],
)
def test_a_member_of_another_kind_is_absent(lake: BronzeFolder, line: bytes) -> None:
    lake.write("Patient.000.ndjson", line)
    assert lake.again().quarantined == {}
    assert lake.history("p1") == ["1.1.-"]


@pytest.mark.parametrize(
    "tail",
    [
        b'"x":NaN}',
        b'"x":-Infinity}',
        b'"x":01}',
        b'"x":1,}',
        b'"x":[1,]}',
        b'"x":"\\ud800"}',
        b'"x":"\\ud83d\\ude00"}',
        b'"x":"\x01"}',
        b'"x":"\xed\xa0\x80"}',
        b'"x":1 /* no */}',
        b"'x':1}",
        b'"x":1e999}',
        b'"resourceType":5,"x":}',
        b'"x":' + b"[" * 5000 + b"]" * 5000 + b"}",
        b'"x":' + b"[" * 100 + b"]" * 100 + b"}",
        b'"x":"\\u0000"}',
    ],
)
def test_what_is_loaded_is_what_views_can_read(lake: BronzeFolder, tail: bytes) -> None:
    line = b'{"resourceType":"Patient","id":"p1",' + tail
    lake.write("Patient.000.ndjson", LINE.replace("p1", "p2"))
    lake.write("Patient.000.ndjson", line)
    report = lake.again()
    if object_text(line) is None:
        assert report.quarantined == {"not_json": 1}
    else:
        assert report.quarantined == {}
        assert lake.table().column("resource").to_pylist()[1].encode() == line


@pytest.mark.parametrize("ending", [b"", b"\n", b"\r\n"])
def test_line_ends_and_a_byte_order_mark_are_no_part_of_a_text(lake: BronzeFolder, ending: bytes) -> None:
    other = LINE.replace("p1", "p2é")
    (lake.source / "Patient.ndjson").write_bytes(
        b"\xef\xbb\xbf" + LINE.encode() + (ending or b"\n") + other.encode() + ending
    )
    lake.again()
    assert lake.table().column("resource").to_pylist() == [LINE, other]
    assert lake.table().column("source_line").to_pylist() == [1, 2]


def test_packed_files_count_like_plain_ones(lake: BronzeFolder) -> None:
    (lake.source / "Patient.000.ndjson.gz").write_bytes(gzip.compress(LINE.encode()))
    (lake.source / "deletions").mkdir()
    bundle = json.dumps(deletion("Patient/p1")).encode()
    (lake.source / "deletions" / "0.ndjson.gz").write_bytes(gzip.compress(bundle))
    assert lake.again().new == {"Patient": 1}
    (lake.source / "deletions" / "0.ndjson.gz").write_bytes(gzip.compress(bundle * 9)[:-9])
    with pytest.raises(DataError, match="damaged or cut short"):
        lake.again()
    assert lake.table().column("source_file").to_pylist() == ["Patient.000.ndjson.gz"]


def test_a_packed_file_that_is_cut_short_is_refused(lake: BronzeFolder) -> None:
    (lake.source / "Patient.000.ndjson.gz").write_bytes(gzip.compress(LINE.encode() * 50)[:-12])
    with pytest.raises(DataError, match="damaged or cut short"):
        lake.again()
    assert lake.files() == {}


def test_other_files_are_passed_over(lake: BronzeFolder) -> None:
    lake.write("Patient.000.ndjson", LINE)
    for name in ("manifest.json", "quarantine.ndjson", "notes.txt", "Patient.000.ndjson.partial"):
        lake.write(name, "no resource")
    assert lake.again().quarantined == {}


def test_a_folder_without_resources_is_refused(lake: BronzeFolder, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such folder"):
        build_bronze(tmp_path / "absent", lake.bronze, ingested_at=FIRST_DAY)
    with pytest.raises(DataError, match="no resource files"):
        lake.again()
    lake.write("Patient.000.ndjson", "")
    with pytest.raises(DataError, match="hold no resource"):
        lake.again()


def test_a_folder_whose_lines_are_all_at_fault_deletes_nothing(lake: BronzeFolder) -> None:
    lake.load(patient("a"))
    (lake.source / "Patient.000.ndjson").write_text("{")
    with pytest.raises(DataError, match="hold no resource"):
        lake.again()
    with pytest.raises(DataError, match="hold no resource"):
        lake.load(deleted=[deletion("Patient/b")])
    assert lake.history("a") == ["1.1.-"]


def test_a_time_without_zone_is_refused(lake: BronzeFolder) -> None:
    with pytest.raises(UsageError, match="time zone"):
        build_bronze(lake.source, lake.bronze, ingested_at=datetime(2026, 1, 1))  # noqa: DTZ001


# Loading again.


def test_the_same_folder_again_changes_nothing(lake: BronzeFolder) -> None:
    resources = [patient(f"p{n}", version="1") for n in range(20)]
    first = lake.load(*resources, {"resourceType": "Encounter", "id": "e"})
    lake.write("Patient.000.ndjson", "broken")
    before = lake.again(), lake.files()
    again = lake.again(), lake.files()
    assert before == again
    assert again[0].facts() == {**first.facts(), "quarantined": {"not_json": 1}}
    assert again[0].unchanged == {"Encounter": 1, "Patient": 20}
    assert not (again[0].new or again[0].changed or again[0].deleted)


def test_what_is_new_and_what_is_changed_is_appended(lake: BronzeFolder) -> None:
    lake.load(patient("a", version="1"), patient("b", version="1"))
    report = lake.load(
        patient("a", version="1"), patient("b", version="2", active=True), patient("c", version="1")
    )
    assert (report.new, report.changed, report.unchanged) == ({"Patient": 1}, {"Patient": 1}, {"Patient": 1})
    assert report.rows == {"Patient": 4}
    assert lake.history("a") == ["1.1.1"]
    assert lake.history("b") == ["1.1.1", "2.1.2"]
    assert lake.history("c") == ["2.1.1"]


def test_a_repeated_line_is_loaded_once(lake: BronzeFolder) -> None:
    report = lake.load(patient("a", version="1"), patient("a", version="1"))
    assert (report.rows, report.unchanged, report.quarantined) == ({"Patient": 1}, {"Patient": 1}, {})


def test_versions_with_numbers_are_all_kept_in_their_order(lake: BronzeFolder) -> None:
    folder = [patient("a", version=version) for version in ("10", "9", "2")]
    lake.load(*folder)
    assert lake.history("a") == ["1.1.2", "1.1.9", "1.1.10"]
    assert lake.load(*folder).unchanged == {"Patient": 3}


def test_of_lines_without_version_number_the_newest_counts(lake: BronzeFolder) -> None:
    older, newer = "2024-01-01T23:00:00-05:00", "2024-01-02T04:30:00Z"
    folder = [
        patient("a", updated=newer, active=True),
        patient("a", updated=older),
        patient("b", version="W/x"),
        patient("b", version="W/y"),
    ]
    report = lake.load(*folder)
    assert report.quarantined == {"superseded": 2}
    kept = {row["id"]: json.loads(row["resource"]) for row in lake.table().to_pylist()}
    assert kept == {"a": folder[0], "b": folder[3]}
    places = pq.read_table(lake.bronze / "quarantine.parquet").to_pylist()
    assert [(row["resource_type"], row["source_line"]) for row in places] == [("Patient", 2), ("Patient", 3)]
    assert lake.again().unchanged == {"Patient": 2}


@pytest.mark.parametrize("version", [None, "1", "W/abc"])
def test_content_that_comes_back_under_the_same_version_is_a_change(
    lake: BronzeFolder, version: str | None
) -> None:
    first, second = patient("a", version=version), patient("a", version=version, active=True)
    for number, resource in enumerate([first, second, first, first], start=1):
        lake.load(resource)
        assert len(lake.history("a")) == min(number, 3)
    assert json.loads(lake.table().to_pylist()[-1]["resource"]) == first


def test_a_late_older_version_is_kept_and_does_not_come_back(lake: BronzeFolder) -> None:
    old, new = patient("a", version="1"), patient("a", version="2", active=True)
    lake.load(new)
    lake.load(old, complete=False)
    assert lake.load(old, complete=False).unchanged == {"Patient": 1}
    rows = lake.table().to_pylist()
    fields = ("life", "deleted", "version_id", "last_updated", "sequence")
    newest = max(rows, key=lambda row: version_key(*(row[field] for field in fields)))
    assert json.loads(newest["resource"]) == new
    assert lake.history("a") == ["1.1.2", "2.1.1"]


# Deletions.


def test_what_a_complete_folder_lacks_is_gone_and_may_come_back(lake: BronzeFolder) -> None:
    a, b = patient("a", version="1"), patient("b", version="1")
    lake.load(a, b)
    assert lake.load(b).deleted == {"Patient": 1}
    assert lake.load(b).deleted == {}
    assert lake.load(a, b).changed == {"Patient": 1}
    assert lake.load(a, b).changed == {}
    lake.load(b)
    assert lake.history("a") == ["1.1.1", "2.1.gone", "3.2.1", "4.2.gone"]
    gone = next(row for row in lake.table().to_pylist() if row["deleted"])
    assert all(
        gone[name] is None
        for name in ("version_id", "last_updated", "resource", "content_hash", "source_file", "source_line")
    )
    assert gone["ingested_at"] == FIRST_DAY.replace(day=2)


def test_a_type_that_is_gone_altogether_is_deleted(lake: BronzeFolder) -> None:
    lake.load(patient("a"), {"resourceType": "Encounter", "id": "e"})
    assert lake.load(patient("a")).deleted == {"Encounter": 1}
    assert lake.history("e", "Encounter") == ["1.1.-", "2.1.gone"]


def test_of_a_folder_of_additions_only_what_is_said_to_be_deleted_goes(lake: BronzeFolder) -> None:
    lake.load(patient("a"), patient("b"), patient("c"))
    time = "2026-02-03T04:05:06+01:00"
    report = lake.load(
        patient("d"),
        deleted=[
            deletion("Patient/a", time=time),
            deletion("https://ehr.example/fhir/Patient/c"),
            deletion("Patient/never-seen", time=time),
        ],
        complete=False,
    )
    assert (report.new, report.deleted, report.quarantined) == ({"Patient": 1}, {"Patient": 2}, {})
    gone = {row["id"]: row for row in lake.table().to_pylist() if row["deleted"]}
    assert {key: row["last_updated"] for key, row in gone.items()} == {"a": time, "c": None}
    assert (gone["a"]["source_file"], gone["a"]["source_line"]) == ("deletions/0.ndjson", 1)
    assert lake.again(complete=False).deleted == {}


def test_a_complete_folder_takes_the_time_of_a_deletion_from_what_is_said(lake: BronzeFolder) -> None:
    lake.load(patient("a"), patient("b"), patient("c"))
    said = [
        {**deletion("Patient/a"), "timestamp": "2026-02-01T00:00:00Z"},
        deletion("Patient/c", time="2026-01-01"),
    ]
    lake.load(patient("c"), deleted=said)
    times = {row["id"]: row["last_updated"] for row in lake.table().to_pylist() if row["deleted"]}
    assert times == {"a": "2026-02-01T00:00:00Z", "b": None}


def test_a_deletion_after_the_last_change_counts_against_a_line_of_the_same_folder(
    lake: BronzeFolder,
) -> None:
    a = patient("a", version="1", updated="2026-01-01T00:00:00Z")
    b = patient("b", version="1", updated="2026-01-03T00:00:00Z")
    lake.load(a, b)
    said = [deletion(f"Patient/{name}", time="2026-01-02T00:00:00Z") for name in ("a", "b")]
    report = lake.load(a, b, deleted=said, complete=False)
    assert (report.deleted, report.quarantined) == ({"Patient": 1}, {"superseded": 1})
    again = lake.again(complete=False)
    assert (again.deleted, again.changed) == ({}, {})
    assert lake.history("a") == ["1.1.1", "2.1.gone"]
    assert lake.history("b") == ["1.1.1"]


@pytest.mark.parametrize(
    "bundle",
    [
        deletion("Patient?identifier=1"),
        deletion("Patient/a/_history/2"),
        deletion("Patient/a", method="PUT"),
        {"resourceType": "Bundle", "entry": [{}]},
        {"resourceType": "Patient", "id": "a"},
        {"resourceType": "Bundle", "entry": 5},
    ],
)
def test_what_names_no_resource_with_certainty_deletes_nothing(
    lake: BronzeFolder, bundle: dict[str, object]
) -> None:
    lake.load(patient("a"))
    report = lake.load(deleted=[bundle], complete=False)
    assert (report.deleted, report.quarantined) == ({}, {"not_a_deletion": 1})


def test_quarantine_of_additions_joins_what_was_there(lake: BronzeFolder) -> None:
    lake.load(patient("a"))
    lake.write("Patient.001.ndjson", "{")
    lake.again()
    lake.load(patient("b"), complete=False)
    lake.write("Patient.002.ndjson", "[]")
    assert lake.again(complete=False).quarantined == {"no_resource_type": 1, "not_json": 1}
    assert lake.load(patient("a")).quarantined == {}
    assert not (lake.bronze / "quarantine.parquet").exists()


# What silver asks.


def test_ids_that_changed_and_ids_with_several_rows(lake: BronzeFolder) -> None:
    lake.load(patient("a", version="1"), patient("b", version="1"), patient("c", version="1"))
    lake.load(patient("c", version="1"), patient("b", version="2"), patient("a", version="1"))
    lake.load(patient("b", version="2"), patient("a", version="1"), patient("d", version="1"))

    def ids(load: int) -> list[str]:
        return list(map(str, changed_since(lake.bronze, "Patient", load).to_pylist()))

    assert [ids(load) for load in range(4)] == [["a", "b", "c", "d"], ["b", "c", "d"], ["c", "d"], []]
    assert several_versions(lake.bronze, "Patient").to_pylist() == ["b", "c"]
    assert several_versions(lake.bronze, "Encounter").to_pylist() == []


def test_the_digest_knows_the_versions_and_not_how_they_came(tmp_path: Path) -> None:
    one, two = BronzeFolder(tmp_path / "one"), BronzeFolder(tmp_path / "two")
    a, b, b2, c = (
        patient("a", version="1"),
        patient("b", version="1"),
        patient("b", version="2"),
        patient("c"),
    )
    first = one.load(a, b)
    assert first.content_digest != one.load(a, b2, c).content_digest
    two.load(c, complete=False)
    two.load(b2, b, complete=False)
    assert two.load(a, b, b2, c).content_digest == one.again().content_digest
    assert two.load(a, c).content_digest != one.again().content_digest
    assert one.load(a, c).content_digest == two.again().content_digest


def test_versions_are_committed_one_a_load(lake: BronzeFolder) -> None:
    lake.load(patient("a"))
    lake.load(patient("b"))
    lake.load(patient("b"))
    assert delta_version(lake.bronze / "Patient") == 1
    assert lake.table(version=0).column("id").to_pylist() == ["a"]


@pytest.mark.parametrize("first", [8, 20, -8])
def test_a_damaged_table_is_named_and_left_alone(lake: BronzeFolder, first: int) -> None:
    lake.load(*(patient(f"p{n}") for n in range(50)))
    file = next((lake.bronze / "Patient").rglob("*.parquet"))
    data = bytearray(file.read_bytes())
    for place in range(first % len(data), min(first % len(data) + 40, len(data))):
        data[place] ^= 0x5A
    file.write_bytes(data)
    before = lake.files()
    with pytest.raises(IntegrityError, match="cannot be read") as caught:
        lake.load(patient("b"))
    assert caught.value.fields == {"file": file}
    assert lake.files() == before


@pytest.mark.parametrize(
    ("text", "expected"),
    [("9", 9), ("0012", 12), ("", -1), ("1a", -1), ("-1", -1), ("٣", -1), (None, -1), ("9" * 19, -1)],
)
def test_version_numbers(text: str | None, expected: int) -> None:
    assert version_key(1, False, text, None, 1)[2] == expected


def test_the_order_of_versions() -> None:
    rows = [
        (1, False, None, None, 2),
        (1, False, None, "2024-01-01T00:00:00+01:00", 3),
        (1, False, None, "2024-01-01T00:00:00Z", 1),
        (1, False, "2", "2020-01-01T00:00:00Z", 4),
        (1, False, "10", None, 5),
        (1, True, None, None, 6),
        (2, False, "1", None, 7),
    ]
    assert sorted(rows, key=lambda row: version_key(*row)) == rows
    assert version_key(1, False, None, "2024-01-01T00:00:00", 1) == version_key(1, False, None, None, 1)
    assert datetime.fromtimestamp(version_key(*rows[2])[3] / 1e6, UTC) == datetime(2024, 1, 1, tzinfo=UTC)
