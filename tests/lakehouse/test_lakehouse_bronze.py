"""Bronze: every line is loaded or quarantined, and the same input gives the same bytes."""

from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path

import pytest

from medcairn.core.artifacts import Zone, seal_folder
from medcairn.core.delta import delta_files, read_delta
from medcairn.core.errors import DataError, UsageError
from medcairn.lakehouse import bronze as bronze_module
from medcairn.lakehouse import build_bronze

from .lake import Lake

PATIENT = '{"resourceType":"Patient","id":"p1","meta":{"versionId":"3","lastUpdated":"2024-01-01T00:00:00Z"}}'


def test_a_resource_is_kept_whole_with_its_origin(lake: Lake) -> None:
    (lake.source / "Patient.000.ndjson").write_text(f"\n{PATIENT}\n")
    report = build_bronze(lake.source, lake.bronze)
    assert report.rows == {"Patient": 1}
    assert read_delta(lake.bronze / "Patient").to_pylist() == [
        {
            "id": "p1",
            "version_id": "3",
            "last_updated": "2024-01-01T00:00:00Z",
            "resource": PATIENT,
            "content_hash": hashlib.sha256(PATIENT.encode()).digest(),
            "source_file": "Patient.000.ndjson",
            "source_line": 2,
        }
    ]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"resourceType":"Patient","id":"p2"', "not_json"),
        (b'{"resourceType":"Patient","id":"p2"} x', "not_json"),
        (b"\xff\xfe", "not_json"),
        (b'{"resourceType":"Patient","id":"p2","x":"\xff"}', "not_json"),
        (b"[]", "no_resource_type"),
        (b'{"id":"p2"}', "no_resource_type"),
        (b'{"resourceType":"../x","id":"p2"}', "no_resource_type"),
        (b'{"resourceType":5,"id":"p2"}', "no_resource_type"),
        (b'{"resourceType":"Patient"}', "no_id"),
        (b'{"resourceType":"Patient","id":""}', "no_id"),
    ],
)
def test_a_line_that_is_no_resource_is_quarantined_with_its_place(
    lake: Lake, line: bytes, reason: str
) -> None:
    import pyarrow.parquet as pq

    (lake.source / "Patient.000.ndjson").write_bytes(PATIENT.encode() + b"\n" + line + b"\n")
    report = build_bronze(lake.source, lake.bronze)
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


def test_packed_files_count_like_plain_ones(lake: Lake) -> None:
    (lake.source / "Patient.000.ndjson.gz").write_bytes(gzip.compress(PATIENT.encode()))
    assert build_bronze(lake.source, lake.bronze).rows == {"Patient": 1}


def test_a_packed_file_that_is_cut_short_is_refused(lake: Lake) -> None:
    (lake.source / "Patient.000.ndjson.gz").write_bytes(gzip.compress(PATIENT.encode() * 50)[:-12])
    with pytest.raises(DataError, match="damaged or cut short"):
        build_bronze(lake.source, lake.bronze)


def test_other_files_are_passed_over(lake: Lake) -> None:
    (lake.source / "Patient.000.ndjson").write_text(PATIENT)
    for name in ("manifest.json", "quarantine.ndjson", "notes.txt", "Patient.000.ndjson.partial"):
        (lake.source / name).write_text("no resource")
    assert build_bronze(lake.source, lake.bronze).facts()["quarantined"] == {}


def test_a_folder_without_resources_is_refused(lake: Lake) -> None:
    with pytest.raises(UsageError, match="no such folder"):
        build_bronze(lake.source / "absent", lake.bronze)
    with pytest.raises(DataError, match="no resource files"):
        build_bronze(lake.source, lake.bronze)
    (lake.source / "Patient.000.ndjson").write_text("\n")
    with pytest.raises(DataError, match="hold no resource"):
        build_bronze(lake.source, lake.bronze)


def test_many_rows_fill_several_files_that_are_the_same_each_time(
    tmp_path: Path, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bronze_module, "_BATCH_BYTES", 2_000)
    monkeypatch.setattr(bronze_module, "_FILE_BYTES", 10_000)
    lines = [json.dumps({"resourceType": "Patient", "id": f"p{n}", "gender": "x" * 50}) for n in range(500)]
    (lake.source / "Patient.000.ndjson").write_text("\n".join(lines))
    digests = set()
    for name in ("one", "two"):
        out = tmp_path / name
        out.mkdir()
        report = build_bronze(lake.source, out)
        assert len(delta_files(out / "Patient")) > 3
        assert [row["id"] for row in read_delta(out / "Patient").to_pylist()] == [f"p{n}" for n in range(500)]
        digests.add(seal_folder(out, kind="bronze", zone=Zone.DEIDENTIFIED, facts=report.facts()).digest)
    assert len(digests) == 1
