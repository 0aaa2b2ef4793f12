"""Landed files: every resource is written or listed as set aside."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medcairn.core.errors import DataError, UsageError
from medcairn.core.progress import NoProgress
from medcairn.export import ExportReport, Fault, export_files

from .simulator import resource

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data"


@pytest.fixture
def landed(tmp_path: Path) -> Path:
    folder = tmp_path / "landed"
    folder.mkdir()
    return folder


def run(folder: Path, out: Path) -> ExportReport:
    return export_files(folder, out, progress=NoProgress())


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
        {"request": {"method": "DELETE", "url": "Patient/1"}},
        {"resource": {"resourceType": "Patient"}},
    ]
    (landed / "b.json").write_bytes(bundle(*entries))
    assert run(landed, out).resources == {"Patient": 1}
    assert quarantined(out) == [
        ("b.json", 2, Fault.NO_RESOURCE.value),
        ("b.json", 3, Fault.NO_ID.value),
    ]


@pytest.mark.parametrize("kind", ["collection", "transaction", "batch", "searchset", "document"])
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
        ("a.json", bundle({"resource": {}}, kind="history"), 0, Fault.BUNDLE_TYPE),
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
    (landed / "b.ndjson.gz").write_bytes(gzip.compress(b"\n\n"))
    (landed / "c.json").write_bytes(b" ")
    with pytest.raises(DataError, match="empty") as caught:
        run(landed, out)
    assert caught.value.fields["files"] == 3


@pytest.mark.parametrize("content", [b"no gzip", gzip.compress(b"x" * 9999)[:-20]])
def test_a_damaged_gzip_file(landed: Path, out: Path, content: bytes) -> None:
    (landed / "a.ndjson.gz").write_bytes(content)
    with pytest.raises(DataError, match="decompressed") as caught:
        run(landed, out)
    assert caught.value.__context__ is None


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


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared data sets are not on this machine")
@pytest.mark.parametrize("name", ["synthea", "synthea-uscore"])
def test_every_resource_of_the_shared_data(name: str, out: Path) -> None:
    listed = json.loads((SHARED / name / "counts.json").read_bytes())["files"]
    report = run(SHARED / name, out)
    assert report.resources == {file.split(".")[0]: facts["count"] for file, facts in listed.items()}
    assert report.quarantined == {}
    assert report.size == sum(facts["bytes_uncompressed"] for facts in listed.values())
