"""Landed files: every resource is written or listed as set aside."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medcairn.core.errors import DataError, UsageError
from medcairn.core.progress import NoProgress
from medcairn.export import Fault, export_files
from medcairn.export.sources import files
from medcairn.export.sources.archives import ArchiveLimits
from medcairn.export.sources.landed_report import LandedReport

from .object_stores import loopback_store
from .packing import COMPRESSIONS, PACKINGS, bundle_of, resource_line, zstd_compressed
from .simulator import resource

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data"


@pytest.fixture
def landed(tmp_path: Path) -> Path:
    folder = tmp_path / "landed"
    folder.mkdir()
    return folder


def run(
    folder: Path, out: Path, *, nested: bool = False, limits: ArchiveLimits | None = None
) -> LandedReport:
    return export_files(folder, out, progress=NoProgress(), nested=nested, limits=limits)


def quarantined(out: Path) -> list[tuple[str, int, str]]:
    lines = (out / "quarantine.ndjson").read_bytes().splitlines()
    return [(item["file"], item["line"], item["reason"]) for item in map(json.loads, lines)]


def bundle(*entries: object, kind: str = "transaction") -> bytes:
    return json.dumps({"resourceType": "Bundle", "type": kind, "entry": entries}, indent=2).encode()


def test_lines_keep_their_bytes_and_are_grouped_by_type(landed: Path, out: Path) -> None:
    odd = b'{ "resourceType" : "Patient", "id":"p2", "value": 1.50, "text":"a\xe2\x80\xa8b" }'
    (landed / "b.ndjson").write_bytes(odd + b"\n\n" + resource("Claim", 1))
    (landed / "a.ndjson.gz").write_bytes(gzip.compress(resource("Patient", 1).rstrip(b"\n")))
    (landed / "README.md").write_text("about")
    (landed / ".hidden.ndjson").write_text("no")

    report = run(landed, out)

    assert (out / "Patient.000.ndjson").read_bytes() == resource("Patient", 1) + odd + b"\n"
    assert (out / "Claim.000.ndjson").read_bytes() == resource("Claim", 1)
    assert report.resources == {"Claim": 1, "Patient": 2}
    assert (report.files_read, report.files_ignored) == (2, 1)
    assert report.quarantined == {}
    assert not (out / "quarantine.ndjson").exists()


def test_bad_lines_are_set_aside_with_place_and_reason(landed: Path, out: Path) -> None:
    lines = [
        resource("Patient", 1),
        b'{"resourceType":"Patient","id":"CANARY"\n',
        b'{"resourceType":"Patient"}\n',
        b'{"id":"CANARY"}\n',
        b"[]\n",
        b'{"resourceType":"CANARY","id":"x"}\n',
        resource("Patient", 2),
    ]
    (landed / "x.ndjson").write_bytes(b"".join(lines))
    report = run(landed, out)
    assert report.resources == {"Patient": 2}
    assert quarantined(out) == [
        ("x.ndjson", 2, "not_json"),
        ("x.ndjson", 3, "no_id"),
        ("x.ndjson", 4, "no_resource_type"),
        ("x.ndjson", 5, "not_an_object"),
        ("x.ndjson", 6, "unknown_resource_type"),
    ]
    assert report.quarantined_count == 5
    assert report.first_quarantined is not None
    assert report.first_quarantined.line == 2
    assert b"CANARY" not in (out / "quarantine.ndjson").read_bytes()
    assert "CANARY" not in json.dumps(report.facts())


def test_bundles_are_taken_apart_and_their_references_resolved(landed: Path, out: Path) -> None:
    patient = {"resourceType": "Patient", "id": "p1", "note": 'say "reference":"urn:uuid:1"'}
    claim = {
        "resourceType": "Claim",
        "id": "c1",
        "patient": {"reference": "urn:uuid:1"},
        "insurer": {"reference": "urn:uuid:unknown"},
        "provider": {"reference": "Practitioner?identifier=x|1"},
        "facility": {"reference": "http://else/Location/1"},
        "total": {"value": 0},
    }
    text = bundle({"fullUrl": "urn:uuid:1", "resource": patient}, {"resource": claim}, kind="collection")
    (landed / "one.json").write_bytes(text.replace(b'"value": 0', b'"value": 1.50'))

    report = run(landed, out)

    assert report.resources == {"Claim": 1, "Patient": 1}
    written = (out / "Claim.000.ndjson").read_bytes()
    assert written.count(b"\n") == 1
    assert b'"value":1.50' in written
    references = {key: v["reference"] for key, v in json.loads(written).items() if "reference" in str(v)}
    assert references == {
        "patient": "Patient/p1",
        "insurer": "urn:uuid:unknown",
        "provider": "Practitioner?identifier=x|1",
        "facility": "http://else/Location/1",
    }
    assert json.loads((out / "Patient.000.ndjson").read_bytes()) == patient


def test_entries_that_cannot_be_used_are_set_aside_by_their_number(landed: Path, out: Path) -> None:
    entries = [
        {"resource": {"resourceType": "Patient", "id": "p"}},
        {"request": {"method": "PUT", "url": "Patient/1"}},
        {"resource": {"resourceType": "Patient"}},
    ]
    (landed / "b.json").write_bytes(bundle(*entries))
    assert run(landed, out).resources == {"Patient": 1}
    assert quarantined(out) == [
        ("b.json", 2, Fault.NO_RESOURCE.value),
        ("b.json", 3, Fault.NO_ID.value),
    ]


@pytest.mark.parametrize("kind", ["collection", "transaction", "batch", "searchset", "history", "document"])
def test_bundle_types_that_hold_resources(landed: Path, out: Path, kind: str) -> None:
    (landed / "b.json").write_bytes(bundle({"resource": {"resourceType": "Patient", "id": "p"}}, kind=kind))
    assert run(landed, out).resource_count == 1


def test_json_files_that_are_no_bundle(landed: Path, out: Path) -> None:
    (landed / "counts.json").write_text('{"patients": 3}')
    (landed / "one.json").write_text(json.dumps({"resourceType": "Patient", "id": "p"}, indent=1))
    (landed / "lines.json").write_bytes(resource("Claim", 1) + resource("Claim", 2))
    report = run(landed, out)
    assert report.resources == {"Claim": 2, "Patient": 1}
    assert (report.files_read, report.files_ignored) == (2, 1)


@pytest.mark.parametrize(
    ("name", "content", "line", "reason"),
    [
        ("a.ndjson", b"\n{oops\n{oops\n", 2, Fault.NOT_JSON),
        ("a.ndjson", b'{"resourceType":"Patient"}\n', 1, Fault.NO_ID),
        ("a.json", b'{\n "resourceType": "Bundle",\n "type" "x"\n}', 3, Fault.NOT_JSON),
        ("a.json", bundle({"resource": {}}, kind="message"), 0, Fault.BUNDLE_TYPE),
        ("a.json", b'{"resourceType":"Bundle","type":"batch","entry":{}}', 0, Fault.WRONG_MEMBERS),
        ("a.json", b"[{}]", 1, Fault.NOT_AN_OBJECT),
    ],
)
def test_a_file_with_nothing_usable_stops_the_export(
    landed: Path, out: Path, name: str, content: bytes, line: int, reason: Fault
) -> None:
    (landed / name).write_bytes(content)
    (landed / "b.ndjson").write_bytes(resource("Patient", 1))
    with pytest.raises(DataError) as caught:
        run(landed, out)
    assert caught.value.fields == {"file": landed / name, "line": line, "reason": reason}
    assert not (out / "Patient.000.ndjson").exists()


def test_a_missing_folder_and_one_without_data(tmp_path: Path, landed: Path, out: Path) -> None:
    with pytest.raises(UsageError, match="no such folder"):
        run(tmp_path / "nowhere", out)
    with pytest.raises(DataError, match="no FHIR files"):
        run(landed, out)
    (landed / "a.ndjson").write_bytes(b"")
    (landed / "b.ndjson.gz").write_bytes(gzip.compress(b"\n\n", mtime=0))
    (landed / "c.json").write_bytes(b" ")
    with pytest.raises(DataError, match="empty") as caught:
        run(landed, out)
    assert caught.value.fields["files"] == 3


# --- compressed files ------------------------------------------------------------------------------------

_GZIP, _ZSTD = gzip.compress(b"x" * 9999, mtime=0), zstd_compressed(b"x" * 9999)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.ndjson.gz", b"no gzip"),
        ("a.ndjson.gz", b""),
        ("a.ndjson.gz", _GZIP[:-20]),
        ("a.ndjson.gz", _GZIP[:-8] + bytes(8)),
        ("a.ndjson.gz", _GZIP + b"more"),
        ("a.ndjson", _GZIP[:9]),
        ("a.ndjson.zst", b"no zstd"),
        ("a.ndjson.zst", _ZSTD[:-3]),
        ("a.ndjson.zst", _ZSTD[:-4] + bytes(4)),
        ("a.json.zstd", _ZSTD + b"more"),
    ],
)
def test_a_damaged_compressed_file(landed: Path, out: Path, name: str, content: bytes) -> None:
    (landed / name).write_bytes(content)
    with pytest.raises(DataError, match="decompressed") as caught:
        run(landed, out)
    assert caught.value.fields == {"file": landed / name}
    assert caught.value.__context__ is None


@pytest.mark.parametrize("compress", [gzip.compress, zstd_compressed])
@pytest.mark.parametrize("suffix", ["ndjson", "json"])
def test_members_one_after_the_other_are_one_file(
    landed: Path, out: Path, compress: Callable[[bytes], bytes], suffix: str
) -> None:
    """Parts that were compressed by themselves and put together, as ``cat`` and some servers do."""
    whole = b"".join(resource("Patient", n) for n in range(9))
    ending = "gz" if compress is gzip.compress else "zst"
    (landed / f"a.{suffix}.{ending}").write_bytes(
        b"".join(compress(whole[n : n + 50]) for n in range(0, len(whole), 50))
    )
    run(landed, out)
    assert (out / "Patient.000.ndjson").read_bytes() == whole


def test_compressed_content_under_a_plain_name(landed: Path, out: Path) -> None:
    (landed / "a.ndjson").write_bytes(gzip.compress(resource("Patient", 1), mtime=0))
    (landed / "b.json").write_bytes(
        zstd_compressed(bundle({"resource": {"resourceType": "Claim", "id": "c"}}))
    )
    assert run(landed, out).resources == {"Claim": 1, "Patient": 1}


@pytest.mark.parametrize("name", ["a.ndjson.gz", "a.json.zst"])
def test_a_bomb_is_refused_until_the_limit_is_raised(landed: Path, out: Path, name: str) -> None:
    """In NDJSON as a line of spaces, in a Bundle as spaces between two entries."""
    spaces, pair = b" " * (100 << 20), [resource_line("Patient", "1"), resource_line("Patient", "2")]
    data = (b"\n" + spaces + b"\n").join(pair)
    if name == "a.json.zst":
        data = bundle_of(pair).replace(b',{"resource"', b"," + spaces + b'{"resource"')
    (landed / name).write_bytes((gzip.compress if name.endswith("gz") else zstd_compressed)(data))
    for limits in (ArchiveLimits(), ArchiveLimits(expanded_bytes=50 << 20, ratio=1 << 20)):
        with pytest.raises(DataError, match="expands") as caught:
            run(landed, out, limits=limits)
        assert caught.value.fields["limit_ratio"] == limits.ratio
        assert not (out / "Patient.000.ndjson").exists()
    assert run(landed, out, limits=ArchiveLimits(ratio=1 << 20)).resource_count == 2


@pytest.mark.parametrize("wrong", [{"ratio": 0}, {"expanded_bytes": -1}])
def test_limits_are_positive(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="positive"):
        ArchiveLimits(**wrong)


# --- folders and links -----------------------------------------------------------------------------------


def test_sub_folders_are_read_on_request(landed: Path, out: Path) -> None:
    for name in (
        "a.ndjson",
        "2026/01/b.ndjson",
        ".hidden/c.ndjson",
        "_temporary/d.ndjson",
        "2026/quarantine.ndjson",
    ):
        (landed / name).parent.mkdir(parents=True, exist_ok=True)
        (landed / name).write_bytes(resource("Patient", len(name)) + b"{\n")
    assert run(landed, out).resource_count == 1
    report = run(landed, out, nested=True)
    assert (report.resource_count, report.files_ignored) == (2, 1)
    assert [name for name, _, _ in quarantined(out)] == ["2026/01/b.ndjson", "a.ndjson"]


def test_links_that_stay_inside_are_followed_to_files_only(landed: Path, out: Path) -> None:
    (landed / "deep").mkdir()
    (landed / "deep" / "a.ndjson").write_bytes(resource("Patient", 1))
    (landed / "b.ndjson").symlink_to(landed / "deep" / "a.ndjson")
    (landed / "deep" / "round").symlink_to(landed)
    report = run(landed, out, nested=True)
    assert (report.resource_count, report.duplicates) == (2, 1)


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("target", ["../secret.ndjson", "/etc/hostname", "nowhere.ndjson", "a.ndjson"])
def test_a_link_that_leads_out_or_nowhere_is_refused(
    landed: Path, out: Path, target: str, nested: bool
) -> None:
    (landed.parent / "secret.ndjson").write_bytes(resource("Patient", 1))
    (landed / "a.ndjson").symlink_to(target)
    with pytest.raises(UsageError, match="link") as caught:
        run(landed, out, nested=nested)
    assert caught.value.fields == {"file": landed / "a.ndjson"}


def test_a_link_to_a_folder_elsewhere_is_refused(tmp_path: Path, landed: Path, out: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (landed / "a.ndjson").write_bytes(resource("Patient", 1))
    (landed / "deep").symlink_to(tmp_path / "elsewhere")
    assert run(landed, out).resource_count == 1
    with pytest.raises(UsageError, match="link"):
        run(landed, out, nested=True)


def test_the_output_is_not_among_what_is_read(landed: Path) -> None:
    (landed / "Patient.000.ndjson").write_bytes(resource("Patient", 1))
    (landed / "out").mkdir()
    for out, nested in ((landed, False), (landed / "out", True)):
        with pytest.raises(UsageError, match="output folder"):
            run(landed, out, nested=nested)
    assert (landed / "Patient.000.ndjson").read_bytes() == resource("Patient", 1)
    assert run(landed, landed / "out").resource_count == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every folder")
def test_a_sub_folder_that_may_not_be_read(landed: Path, out: Path) -> None:
    (landed / "deep").mkdir(mode=0)
    with pytest.raises(UsageError, match="may not be read"):
        run(landed, out, nested=True)


# --- lines -----------------------------------------------------------------------------------------------


def test_windows_line_ends_and_a_mark_are_no_content(landed: Path, out: Path) -> None:
    first, second = resource("Patient", 1).rstrip(), resource("Patient", 2).rstrip()
    (landed / "a.ndjson").write_bytes(b"\xef\xbb\xbf" + first + b"\r\n\r\n" + second + b"\r\n")
    report = run(landed, out)
    assert (out / "Patient.000.ndjson").read_bytes() == first + b"\n" + second + b"\n"
    assert report.quarantined == {}


def test_bundles_as_lines_with_and_without_an_id(landed: Path, out: Path) -> None:
    plain = bundle_of([resource_line("Claim", "1"), b"{}"])
    named = b'{"id":"x",' + bundle_of([resource_line("Claim", "2")])[1:]
    (landed / "a.ndjson").write_bytes(resource("Patient", 1) + plain + b"\n" + named + b"\n")
    report = run(landed, out)
    assert report.resources == {"Claim": 2, "Patient": 1}
    assert quarantined(out) == [("a.ndjson", 2, Fault.NO_RESOURCE_TYPE.value)]


def test_resources_with_the_same_type_and_id_are_counted_and_kept(landed: Path, out: Path) -> None:
    again = b"".join(resource("Patient", n) for n in (1, 2, 1, 1)) + resource_line("Claim", "patient-1")
    (landed / "a.ndjson").write_bytes(again)
    (landed / "b.json").write_bytes(bundle_of([resource("Patient", 2).rstrip()]))
    report = run(landed, out)
    assert (report.resource_count, report.duplicates) == (6, 3)
    assert report.facts()["duplicates"] == 3


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_that_may_not_be_read(landed: Path, out: Path) -> None:
    (landed / "a.ndjson").write_bytes(b"{}")
    (landed / "a.ndjson").chmod(0)
    with pytest.raises(UsageError, match="may not be read"):
        run(landed, out)


def test_an_earlier_attempt_leaves_nothing(landed: Path, out: Path) -> None:
    (out / "Observation.000.ndjson").write_text("old")
    (out / "Claim.000.ndjson.partial").write_text("old")
    (landed / "a.ndjson").write_bytes(resource("Patient", 1))
    run(landed, out)
    assert [path.name for path in out.iterdir()] == ["Patient.000.ndjson"]


_ids = st.text("abc123-.", min_size=1, max_size=8)
_lines = st.lists(
    st.one_of(
        st.builds(
            lambda t, i: json.dumps({"resourceType": t, "id": i}), st.sampled_from(["Patient", "Claim"]), _ids
        ),
        st.sampled_from(["{", "[]", '{"id":"x"}', '{"resourceType":"Patient"}']),
    ),
    max_size=12,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_lines)
def test_nothing_is_lost(tmp_path_factory: pytest.TempPathFactory, lines: list[str]) -> None:
    """Every line comes out as it went in, or is counted as set aside."""
    folder, out = tmp_path_factory.mktemp("in"), tmp_path_factory.mktemp("out")
    good = '{"resourceType":"Patient","id":"first"}'
    (folder / "a.ndjson").write_text("\n".join([good, *lines]) + "\n")
    report = run(folder, out)
    assert report.resource_count + report.quarantined_count == len(lines) + 1
    written = [line for path in out.glob("[A-Z]*.ndjson") for line in path.read_text().splitlines()]
    assert sorted(written) == sorted(
        line for line in [good, *lines] if '"id"' in line and "resourceType" in line
    )


_MORE = st.sampled_from(
    [
        "",
        '"value":1.50',
        '"value":1E5',
        '"t":"a\u2028b"',
        '"t":"\\u00e9\\/"',
        '"deep":{"a":[{"b":-0.0}]}',
        '"t":"é, 李"',
    ]
)
_RESOURCES = st.lists(
    st.builds(
        resource_line,
        st.sampled_from(["Patient", "Claim", "Observation"]),
        st.text("ab1.-", min_size=1, max_size=4),
        _MORE,
    ),
    min_size=1,
    max_size=12,
)


@st.composite
def _packed(draw: st.DrawFn) -> tuple[list[bytes], dict[str, bytes]]:
    """Resources, and files that hold each of them once: any packing, compression and sub-folder."""
    resources = draw(_RESOURCES)
    files: dict[str, bytes] = {}
    rest = resources
    while rest:
        size = draw(st.integers(1, len(rest)))
        packing = draw(st.sampled_from(sorted(PACKINGS)))
        compression = draw(st.sampled_from(sorted(COMPRESSIONS)))
        folder = draw(st.sampled_from(["", "deep/", "deep/er/"]))
        data = COMPRESSIONS[compression](PACKINGS[packing](rest[:size]))
        files[f"{folder}{len(files)}-{packing}{compression}"] = data
        rest = rest[size:]
    return resources, files


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_packed(), st.sampled_from(["memory", "file"]), st.sampled_from([10, 32 << 20]))
def test_however_resources_are_packed_they_come_out_the_same(
    tmp_path_factory: pytest.TempPathFactory,
    packed: tuple[list[bytes], dict[str, bytes]],
    kind: str,
    in_memory: int,
) -> None:
    """From a folder or a store, at once or as a stream: the lines are those that went in, to the byte."""
    resources, files_in = packed
    base = tmp_path_factory.mktemp("packed")
    folder, from_folder, from_store = base / "in", base / "folder", base / "store"
    from_folder.mkdir()
    from_store.mkdir()
    for name, data in files_in.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    store = loopback_store(kind, "", base, "")
    store.put_all(files_in)
    with pytest.MonkeyPatch.context() as patch:
        if not any("misnamed" in name for name in files_in):  # its first line must fit
            patch.setattr(files, "IN_MEMORY_BYTES", in_memory)
        report = run(folder, from_folder, nested=True)
        store.export(from_store)
    assert report.quarantined == {}
    assert report.duplicates == len(resources) - len({_identity(line) for line in resources})
    for out in (from_folder, from_store):
        written = [line for path in out.glob("*.ndjson") for line in path.read_bytes().split(b"\n")[:-1]]
        assert sorted(written) == sorted(resources)


def _identity(line: bytes) -> tuple[str, str]:
    value = json.loads(line)
    return value["resourceType"], value["id"]


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared data sets are not on this machine")
@pytest.mark.parametrize("name", ["synthea", "synthea-uscore"])
def test_every_resource_of_the_shared_data(name: str, out: Path) -> None:
    listed = json.loads((SHARED / name / "counts.json").read_bytes())["files"]
    report = run(SHARED / name, out)
    assert report.resources == {file.split(".")[0]: facts["count"] for file, facts in listed.items()}
    assert report.quarantined == {}
    assert report.size == sum(facts["bytes_uncompressed"] for facts in listed.values())
