"""The rules that an increment is made of: whose a resource is, which line counts, what a deletion says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medcairn.core.canonical import JSON
from medcairn.core.clock import SystemClock
from medcairn.core.errors import DataError
from medcairn.core.progress import NoProgress
from medcairn.export import BulkRequest
from medcairn.export.bulkdata.http import HttpClient
from medcairn.export.bulkdata.origins import origin_of
from medcairn.export.bulkdata.waiting import Patience
from medcairn.export.incremental.deletions import deleted_keys
from medcairn.export.incremental.members import members_listed
from medcairn.export.incremental.merge import Base, Merge
from medcairn.export.incremental.report import FullBecause
from medcairn.export.merging.files import TypeSequence
from medcairn.export.merging.lines import key_of, nanoseconds, patients_of
from medcairn.export.merging.newest import Newest

from .changing_hospital import GROUP, Exporter
from .conftest import FakeTime
from .scripted_server import Answer, ScriptedServer, fhir
from .simulator import SimFile, Simulator, ndjson

ALL = BulkRequest()

# --- whose a resource is --------------------------------------------------------------------------------

A: JSON = {"reference": "Patient/a"}
B: JSON = {"reference": "https://ehr.example.org/fhir/Patient/b/_history/3"}


@pytest.mark.parametrize(
    ("item", "patients"),
    [
        ({"resourceType": "Patient", "id": "a"}, {"a"}),
        ({"resourceType": "Condition", "subject": A, "recorder": B}, {"a"}),
        ({"resourceType": "Immunization", "patient": B}, {"b"}),
        ({"resourceType": "Observation", "subject": {"reference": "urn:uuid:a"}}, {"a"}),
        ({"resourceType": "Coverage", "beneficiary": A}, {"a"}),
        ({"resourceType": "ResearchSubject", "individual": A}, {"a"}),
        ({"resourceType": "Task", "for": A}, {"a"}),
        ({"resourceType": "Binary", "securityContext": A}, {"a"}),
        ({"resourceType": "Account", "subject": [A, B]}, {"a", "b"}),
        ({"resourceType": "Appointment", "participant": [{"actor": A}, {"actor": B}]}, {"a", "b"}),
        ({"resourceType": "AuditEvent", "entity": [{"what": A}]}, {"a"}),
        ({"resourceType": "Provenance", "target": [A, {"reference": "Condition/c"}]}, {"a"}),
        ({"resourceType": "Observation", "subject": {"reference": "Group/a"}}, set()),
        ({"resourceType": "Goal", "subject": A, "target": [{"measure": {}}]}, {"a"}),
        ({"resourceType": "Practitioner", "id": "a"}, set()),
        ({"resourceType": "Condition", "subject": "Patient/a", "patient": [1], "entity": {}}, set()),
    ],
)
def test_a_resource_belongs_to_whom_it_is_about(item: dict[str, JSON], patients: set[str]) -> None:
    assert patients_of(json.dumps(item).encode()) == patients


@given(st.datetimes(), st.integers(0, 999_999_999), st.sampled_from(["Z", "+00:00", "+05:30", "-08:00"]))
def test_instants_compare_whatever_their_zone_and_digits(moment: object, fraction: int, zone: str) -> None:
    text = str(moment)[:19].replace(" ", "T")
    whole = nanoseconds(f"{text}{zone}")
    assert whole is not None
    assert nanoseconds(f"{text}.{fraction:09}{zone}") == whole + fraction
    hours = {"+05:30": -5.5, "-08:00": 8.0}.get(zone, 0.0)
    assert nanoseconds(f"{text}Z") == whole - int(hours * 3600) * 10**9


@pytest.mark.parametrize(
    "text", ["", "2025", "2025-01-31", "2025-13-01T00:00:00Z", "2025-01-31T00:00:00", "\n"]
)
def test_what_is_no_instant_is_none(text: str) -> None:
    assert nanoseconds(text) is None


# --- which line counts ----------------------------------------------------------------------------------


def _file(path: Path, *items: dict[str, JSON]) -> Path:
    path.write_text("".join(json.dumps(item) + "\n" for item in items))
    return path


def _at(name: str, time: str | None, **more: JSON) -> dict[str, JSON]:
    meta: dict[str, JSON] = {"meta": {"lastUpdated": time}} if time else {}
    return {"resourceType": "Patient", "id": name, **meta, **more}


EARLY, LATE = "2025-01-01T00:00:00.5Z", "2025-01-01T01:00:00.0+00:00"


@pytest.mark.parametrize(
    ("first", "second", "winner"),
    [
        (EARLY, LATE, 1),
        (LATE, EARLY, 0),
        (EARLY, EARLY, 1),
        (None, EARLY, 1),
        (EARLY, None, 0),
        (None, None, 1),
        ("2025-01-01T00:00:00+01:00", "2024-12-31T23:30:00Z", 1),
    ],
)
def test_the_newest_line_counts_and_between_equals_the_later_file(
    tmp_path: Path, first: str | None, second: str | None, winner: int
) -> None:
    newest = Newest(tmp_path / "index")
    newest.add(_file(tmp_path / "0", _at("p", first, n=0)))
    newest.add(_file(tmp_path / "1", _at("p", second, n=1)))
    found = [json.loads(line)["n"] for number in (0, 1) for _, line in newest.winners(number)]
    newest.close()
    assert found == [winner]


def test_in_one_file_the_later_of_equals_counts(tmp_path: Path) -> None:
    newest = Newest(tmp_path / "index")
    newest.add(_file(tmp_path / "0", _at("p", EARLY, n=0), _at("q", EARLY), _at("p", EARLY, n=1)))
    assert [json.loads(line).get("n") for _, line in newest.winners(0)] == [None, 1]
    assert (newest.lines, newest.present) == (3, 2)
    newest.close()


def test_what_is_present_cannot_be_forgotten(tmp_path: Path) -> None:
    """A resource that was deleted and made again is there."""
    newest = Newest(tmp_path / "index")
    newest.add(_file(tmp_path / "0", _at("p", EARLY)))
    newest.forget([key_of("Patient", "p"), key_of("Patient", "q")])
    fates = [newest.fate(key_of("Patient", name)) for name in ("p", "q", "r")]
    newest.close()
    assert fates == [False, True, None]


def test_a_line_without_id_is_named_and_not_quoted(tmp_path: Path) -> None:
    newest = Newest(tmp_path / "index")
    with pytest.raises(DataError) as caught:
        newest.add(_file(tmp_path / "0", _at("p", EARLY), {"resourceType": "Patient", "name": "CANARY"}))
    newest.close()
    assert caught.value.fields["line"] == 2
    assert "CANARY" not in str(caught.value)
    assert caught.value.__context__ is None


def test_full_files_are_followed_by_further_ones(tmp_path: Path) -> None:
    """The file under way grows until it is full; files in the middle keep their bounds."""
    previous, out = tmp_path / "previous", tmp_path / "out"
    previous.mkdir()
    out.mkdir()
    sequence = TypeSequence(previous, "Patient", full_bytes=200)
    for number in range(6):
        sequence.write(json.dumps(_at(f"p{number}", EARLY)).encode())
    sequence.end()
    assert [file.lines for file in sequence.finished] == [3, 3]
    newest = Newest(tmp_path / "index")
    newest.add(_file(tmp_path / "0", _at("p0", LATE), _at("p7", LATE)))
    merge = Merge(Base(previous, sequence.finished), newest, out, NoProgress(), full_bytes=200)
    files = merge.run()
    newest.close()
    assert [(str(file.name), file.lines) for file in files] == [
        ("Patient.000.ndjson", 2),
        ("Patient.001.ndjson", 3),
        ("Patient.002.ndjson", 2),
    ]
    assert (out / "Patient.001.ndjson").samefile(previous / "Patient.001.ndjson")
    assert merge.replaced == 1


# --- what a deletion says -------------------------------------------------------------------------------


def _deletion(*urls: JSON, method: str = "DELETE") -> bytes:
    entries: list[JSON] = [{"request": {"method": method, "url": url}} for url in urls]
    return json.dumps({"resourceType": "Bundle", "type": "transaction", "entry": entries}).encode() + b"\n"


@pytest.mark.parametrize(
    "line",
    [
        _deletion("Patient/p"),
        _deletion("https://ehr.example.org/fhir/Patient/p"),
        _deletion("/fhir/Patient/p"),
        _deletion("/Patient/p"),
    ],
)
def test_a_deletion_names_type_and_id(tmp_path: Path, line: bytes) -> None:
    (tmp_path / "d").write_bytes(line)
    assert list(deleted_keys([tmp_path / "d"])) == [key_of("Patient", "p")]


@pytest.mark.parametrize(
    "line",
    [
        _deletion("Patient?identifier=x"),
        _deletion("Patient/p/_history/2"),
        _deletion("Nonsense/p"),
        _deletion("Patient/p", method="PUT"),
        _deletion(None),
        b'{"resourceType":"Bundle","entry":[{}]}\n',
        b'{"resourceType":"Patient","id":"p"}\n',
        b"{\n",
    ],
)
def test_a_deletion_that_cannot_be_applied_with_certainty_is_none(tmp_path: Path, line: bytes) -> None:
    (tmp_path / "d").write_bytes(line)
    assert list(deleted_keys([tmp_path / "d"])) == [None]


def test_an_unreadable_deletion_makes_a_full_export(tmp_path: Path, fake_time: FakeTime) -> None:
    with Simulator([ndjson("Patient", 3)]) as simulator:
        export = _exporter(simulator, tmp_path, fake_time)
        first, _ = export(None, ALL)
        simulator.deleted = [SimFile("Bundle", _deletion("Patient?identifier=x"))]
        _, report = export(first, ALL)
        assert report.full_because is FullBecause.DELETION_UNREADABLE
        simulator.deleted = [SimFile("Bundle", _deletion("Patient/patient-0"))]
        simulator.files = []
        folder, report = export(first, ALL)
    assert (report.full_because, report.deleted) == (None, 1)
    assert (folder / "Patient.000.ndjson").read_bytes().count(b"\n") == 2


def test_a_group_that_the_server_does_not_show_is_known_by_its_patients(
    tmp_path: Path, fake_time: FakeTime
) -> None:
    """Then an export of the Patient resources alone tells who is in it."""
    with Simulator([ndjson("Patient", 2)]) as simulator:
        export = _exporter(simulator, tmp_path, fake_time)
        first, _ = export(None, GROUP)
        simulator.files = [ndjson("Patient", 3)]
        _, report = export(first, GROUP)
    assert (report.full_because, report.joined, report.departed) == (None, 1, 0)
    asked = [(seen.method, sorted(seen.query)) for seen in simulator.seen if seen.path.endswith("$export")]
    assert asked == [("GET", []), ("GET", ["_type"]), ("GET", ["_since"]), ("POST", [])]


def _exporter(simulator: Simulator, root: Path, time: FakeTime) -> Exporter:
    return Exporter(simulator, root, time.sleep, time.monotonic)  # type: ignore[arg-type]


# --- who is in a group ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("group", "members"),
    [
        ({"member": [{"entity": A}, {"entity": B}]}, {"a", "b"}),
        ({"quantity": 1, "member": [{"entity": A}]}, {"a"}),
        ({"member": [{"entity": A}, {"entity": B, "inactive": True}]}, {"a"}),
        ({"quantity": 0}, set()),
        ({"quantity": 3, "member": [{"entity": A}]}, None),
        ({"actual": False, "characteristic": []}, None),
        ({"member": [{"entity": {"reference": "Group/other"}}]}, None),
        ({"member": [{"entity": {"identifier": {"value": "x"}}}]}, None),
    ],
)
def test_members_are_those_that_are_listed_for_certain(
    group: dict[str, JSON], members: set[str] | None, fake_time: FakeTime
) -> None:
    with ScriptedServer(lambda _: fhir({"resourceType": "Group", "id": "g", **group})) as server:
        assert _listed(server, fake_time) == (None if members is None else frozenset(members))


@pytest.mark.parametrize("answer", [Answer(status=403), Answer(b"<html>"), fhir({"resourceType": "Patient"})])
def test_a_server_that_does_not_show_the_group_tells_no_members(answer: Answer, fake_time: FakeTime) -> None:
    with ScriptedServer(lambda _: answer) as server:
        assert _listed(server, fake_time) is None


def _listed(server: ScriptedServer, time: FakeTime) -> frozenset[str] | None:
    home = origin_of(server.base_url)
    assert home is not None
    patience = Patience(SystemClock(), time.sleep, time.monotonic, 3600)
    with HttpClient(home, patience) as client:
        return members_listed(client, server.base_url, "g")
