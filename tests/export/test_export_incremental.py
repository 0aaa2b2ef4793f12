"""An export that builds on the last one: what changed is merged, and nothing is asked for that is here."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from medcairn.core.canonical import JSON
from medcairn.core.errors import ExternalError, UsageError
from medcairn.export import BulkRequest
from medcairn.export.incremental import STATE_FILE, FullBecause, read_state
from medcairn.synthetic.server import Faults, HospitalServer, KickOffBy

from .changing_hospital import GROUP, START, Exporter, ids, lines_of, resource, write_hospital
from .conftest import FakeTime

Served = Callable[..., Exporter]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Four patients with three conditions each, and two practitioners."""
    patients = [resource("Patient", f"p{n}") for n in range(4)]
    conditions = [resource("Condition", f"c{n}", f"p{n % 4}") for n in range(12)]
    doctors = [resource("Practitioner", f"d{n}") for n in range(2)]
    return write_hospital(tmp_path / "data", [*patients, *conditions, *doctors])


@pytest.fixture
def served(data: Path, tmp_path: Path, fake_time: FakeTime) -> Iterator[Served]:
    """Exports of an open server with faults, whose group "study" has the patients p0 and p1."""
    with ExitStack() as servers:

        def serve(**faults: object) -> Exporter:
            server = HospitalServer(data, open_access=True, polls=0, faults=Faults(**faults))  # type: ignore[arg-type]
            servers.enter_context(server)
            server.add_member("study", "p0")
            server.add_member("study", "p1")
            return Exporter(server, tmp_path, fake_time.sleep, fake_time.monotonic)

        yield serve


@pytest.fixture
def export(served: Served) -> Exporter:
    return served()


def test_the_first_export_is_full_and_leaves_its_state(export: Exporter) -> None:
    folder, report = export()
    state = read_state(folder)
    assert report.full_because is FullBecause.FIRST
    assert report.export.resources == {"Condition": 6, "Patient": 2, "Practitioner": 2}
    assert state is not None
    assert state[0].transaction_time == report.export.transaction_time == export.server.transaction_time
    assert state[0].members == frozenset({"p0", "p1"})
    assert (folder / STATE_FILE).stat().st_mode & 0o077 == 0, "ids of patients are for their owner alone"
    assert not list(folder.glob("*.work")), "the work folder is gone"


def test_only_what_changed_is_asked_for_and_merged(export: Exporter) -> None:
    first, _ = export()
    since = export.server.transaction_time
    export.server.put(resource("Condition", "c0", "p0", note="worse"))
    export.server.put(resource("Condition", "c99", "p1"))
    export.server.delete("Condition", "c1")
    second, report = export(first)
    full, _ = export()
    assert report.full_because is None
    assert (report.changed, report.replaced, report.deleted) == (2, 1, 1)
    assert lines_of(second) == lines_of(full)
    assert export.kick_offs()[1] == f"GET ?_since={since.replace(':', '%3A')}"


def test_nothing_changed_takes_every_file_over(export: Exporter) -> None:
    first, _ = export()
    second, report = export(first)
    assert (report.changed, report.replaced, report.deleted) == (0, 0, 0)
    for path in first.glob("[A-Z]*.ndjson"):
        assert (second / path.name).samefile(path), "a hard link costs no space"


def test_files_without_a_change_are_taken_over_byte_for_byte(export: Exporter) -> None:
    first, _ = export()
    export.server.put(resource("Condition", "c0", "p0", note="worse"))
    second, _ = export(first)
    assert (second / "Patient.000.ndjson").samefile(first / "Patient.000.ndjson")
    assert (second / "Practitioner.000.ndjson").samefile(first / "Practitioner.000.ndjson")
    assert not (second / "Condition.000.ndjson").samefile(first / "Condition.000.ndjson")


def test_where_there_are_no_links_files_are_copied(export: Exporter, monkeypatch: pytest.MonkeyPatch) -> None:
    first, _ = export()

    def refuse(*_: object, **__: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    second, _ = export(first)
    assert lines_of(second) == lines_of(first)
    assert not (second / "Patient.000.ndjson").samefile(first / "Patient.000.ndjson")


def test_the_previous_export_is_only_read(export: Exporter) -> None:
    first, _ = export()
    before = {path.name: path.read_bytes() for path in first.iterdir()}
    export.server.put(resource("Condition", "c0", "p0", note="worse"))
    export(first)
    assert {path.name: path.read_bytes() for path in first.iterdir()} == before


def test_a_chain_of_increments_stays_equal_to_a_full_export(export: Exporter) -> None:
    folder, _ = export()
    for number in range(4):
        export.server.put(resource("Condition", f"c{4 * number}", "p0", note=str(number)))
        export.server.put(resource("Condition", f"new-{number}", "p1"))
        folder, _ = export(folder)
    full, _ = export()
    assert lines_of(folder) == lines_of(full)
    assert sorted(path.name for path in folder.glob("Condition*")) == ["Condition.000.ndjson"]


def test_the_bytes_of_kept_lines_stay(export: Exporter, data: Path) -> None:
    first, _ = export()
    export.server.delete("Condition", "c4")
    second, _ = export(first)
    kept = (second / "Condition.000.ndjson").read_bytes()
    source = (first / "Condition.000.ndjson").read_bytes()
    assert kept == b"".join(line for line in source.splitlines(keepends=True) if b'"c4"' not in line)


def test_a_type_that_becomes_empty_has_no_file(export: Exporter) -> None:
    first, _ = export()
    for number in (0, 1, 4, 5, 8, 9):
        export.server.delete("Condition", f"c{number}")
    second, report = export(first)
    assert not list(second.glob("Condition*"))
    assert report.deleted == 6


# --- groups ---------------------------------------------------------------------------------------------


def test_who_joined_is_fetched_in_full(export: Exporter) -> None:
    first, _ = export()
    export.server.add_member("study", "p2")
    second, report = export(first)
    full, _ = export()
    assert lines_of(second) == lines_of(full)
    assert (report.joined, report.full_because) == (1, None)
    assert export.kick_offs()[2] == "POST ", "patients are named in the body, never in an address"


def test_who_left_stays_unless_dropped(export: Exporter) -> None:
    first, _ = export()
    export.server.remove_member("study", "p0")
    kept, report = export(first)
    assert (report.departed, report.kept_departed, report.dropped) == (1, 1, 0)
    assert ids(kept, "Patient") == ["p0", "p1"]
    dropped, report = export(first, drop_departed=True)
    full, _ = export()
    assert (report.departed, report.kept_departed, report.dropped) == (1, 0, 4)
    assert lines_of(dropped) == lines_of(full)


def test_who_left_before_can_be_dropped_later(export: Exporter) -> None:
    first, _ = export()
    export.server.remove_member("study", "p0")
    second, _ = export(first)
    third, report = export(second, drop_departed=True)
    assert (report.departed, report.dropped) == (0, 4)
    assert ids(third, "Patient") == ["p1"]


def test_who_came_back_is_as_the_server_has_them_now(export: Exporter) -> None:
    """What was deleted while somebody was away was deleted nowhere else."""
    first, _ = export()
    export.server.remove_member("study", "p0")
    second, _ = export(first)
    export.server.delete("Condition", "c0")
    third, _ = export(second)
    export.server.add_member("study", "p0")
    fourth, _ = export(third)
    full, _ = export()
    assert lines_of(fourth) == lines_of(full)
    state = read_state(fourth)
    assert state is not None
    assert state[0].departed == frozenset()


def test_a_provenance_goes_with_what_it_is_about(export: Exporter) -> None:
    target: JSON = [{"reference": "Condition/c0"}]
    export.server.put({"resourceType": "Provenance", "id": "v", "target": target, "recorded": START})
    first, _ = export()
    assert ids(first, "Provenance") == ["v"]
    export.server.remove_member("study", "p0")
    second, _ = export(first, drop_departed=True)
    assert ids(second, "Provenance") == []


def test_a_resource_that_comes_twice_counts_once(export: Exporter) -> None:
    """In the increment, because it changed, and in the backfill, because its patient joined."""
    first, _ = export()
    export.server.add_member("study", "p2")
    export.server.put(resource("Condition", "c2", "p2", note="new"))
    second, report = export(first)
    full, _ = export()
    assert report.repeated == 1
    assert lines_of(second) == lines_of(full)


def test_a_server_that_cannot_export_single_patients_exports_all(served: Served) -> None:
    export = served(kick_off=KickOffBy.GET)
    first, _ = export()
    export.server.add_member("study", "p2")
    second, report = export(first)
    full, _ = export()
    assert report.full_because is FullBecause.BACKFILL_REFUSED
    assert lines_of(second) == lines_of(full)


def test_a_server_that_knows_no_since_exports_all(served: Served) -> None:
    export = served(unsupported=frozenset({"_since"}))
    first, _ = export(None, BulkRequest())
    second, report = export(first, BulkRequest())
    assert report.full_because is FullBecause.SINCE_REFUSED
    assert lines_of(second) == lines_of(first)


# --- what may not be built on ---------------------------------------------------------------------------


def _without_state(folder: Path) -> None:
    (folder / STATE_FILE).unlink()


def _with_broken_state(folder: Path) -> None:
    (folder / STATE_FILE).write_bytes(b'{"format":1,')


def _with_state_of_another_version(folder: Path) -> None:
    _edit_state(folder, format=2)


def _with_hostile_file_name(folder: Path) -> None:
    file: JSON = {"name": "../../secret", "lines": 1, "size": 1, "digest": "sha256:" + "0" * 64}
    _edit_state(folder, files=[file])


def _with_changed_line(folder: Path) -> None:
    path = folder / "Condition.000.ndjson"
    path.write_bytes(path.read_bytes().replace(b'"c0"', b'"cX"'))


def _with_missing_file(folder: Path) -> None:
    (folder / "Condition.000.ndjson").unlink()


def _with_added_file(folder: Path) -> None:
    (folder / "Goal.000.ndjson").write_text("{}\n")


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (_without_state, FullBecause.NO_STATE),
        (_with_broken_state, FullBecause.NO_STATE),
        (_with_state_of_another_version, FullBecause.NO_STATE),
        (_with_hostile_file_name, FullBecause.NO_STATE),
        (_with_changed_line, FullBecause.PREVIOUS_CHANGED),
        (_with_missing_file, FullBecause.PREVIOUS_CHANGED),
        (_with_added_file, FullBecause.PREVIOUS_CHANGED),
    ],
)
def test_a_previous_export_that_is_not_as_it_was_is_not_built_on(
    export: Exporter, spoil: Callable[[Path], None], reason: FullBecause
) -> None:
    first, _ = export()
    lines = lines_of(first)
    spoil(first)
    second, report = export(first)
    assert report.full_because is reason
    assert lines_of(second) == lines


@pytest.mark.parametrize(
    "request_now",
    [
        BulkRequest(level="group", group="study", types=("Patient",)),
        BulkRequest(),
        BulkRequest(level="patient"),
    ],
)
def test_another_request_is_a_full_export(export: Exporter, request_now: BulkRequest) -> None:
    first, _ = export()
    _, report = export(first, request_now)
    assert report.full_because is FullBecause.REQUEST_CHANGED


def test_a_filtered_request_is_always_full(export: Exporter) -> None:
    """A condition that is no longer active is not listed as deleted."""
    request = BulkRequest(types=("Condition",), type_filters=("Condition?clinical-status=active",))
    active: Mapping[str, JSON] = {"clinicalStatus": {"coding": [{"code": "active"}]}}
    export.server.put(resource("Condition", "c0", "p0", **active))
    first, _ = export(None, request)
    _, report = export(first, request)
    assert report.full_because is FullBecause.REQUEST_FILTERED


def test_a_server_whose_time_went_back_is_exported_in_full(export: Exporter) -> None:
    """It was restored from a backup: what it says of changes since then cannot be relied on."""
    first, _ = export()
    _edit_state(first, transaction_time="2030-01-01T00:00:00Z")
    second, report = export(first)
    assert report.full_because is FullBecause.TIME_WENT_BACK
    assert report.export.transaction_time == export.server.transaction_time
    assert lines_of(second) == lines_of(first)


def test_a_folder_that_is_not_there_is_an_error(export: Exporter, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no previous export"):
        export(tmp_path / "nowhere")


def test_an_export_is_not_written_over_the_one_it_builds_on(export: Exporter) -> None:
    first, _ = export()
    with pytest.raises(UsageError, match="written over"):
        export(first, out=first)


# --- what fails -----------------------------------------------------------------------------------------


def test_a_partial_export_is_refused_and_when_accepted_the_next_is_full(served: Served) -> None:
    export = served(partial_failure=frozenset({"Condition"}))
    with pytest.raises(ExternalError, match="could not export everything"):
        export()
    folder, report = export(allow_partial=True)
    assert not report.complete
    assert export(folder, allow_partial=True)[1].full_because is FullBecause.PREVIOUS_PARTIAL


def test_a_partial_increment_that_is_accepted_moves_neither_time_nor_members(
    export: Exporter, served: Served
) -> None:
    first, _ = export()
    broken = served(partial_failure=frozenset({"Condition"}))
    _move(first, broken)
    broken.server.add_member("study", "p2")
    second, report = broken(first, allow_partial=True)
    before, after = read_state(first), read_state(second)
    assert before is not None
    assert after is not None
    assert (report.full_because, report.complete, report.joined) == (None, False, 1)
    assert (after[0].transaction_time, after[0].members) == (before[0].transaction_time, before[0].members)
    assert ids(second, "Patient") == ["p0", "p1", "p2"], "what came is kept"
    assert list((second / "errors").iterdir()), "and so is why the rest did not"


def test_a_failed_increment_leaves_the_previous_export_and_can_be_repeated(
    export: Exporter, served: Served, tmp_path: Path
) -> None:
    first, _ = export()
    broken = served(failing_jobs=1)
    _move(first, broken)
    before = {path.name: path.read_bytes() for path in first.iterdir()}
    with pytest.raises(ExternalError):
        broken(first, out=tmp_path / "second")
    assert {path.name: path.read_bytes() for path in first.iterdir()} == before
    second, report = broken(first, out=tmp_path / "second")
    assert report.full_because is None
    assert lines_of(second) == lines_of(first)


def test_a_finished_export_is_not_asked_for_again(export: Exporter, tmp_path: Path) -> None:
    """A crash between the end and the artifact's rename costs no second export."""
    first, _ = export()
    export.server.put(resource("Condition", "c0", "p0", note="worse"))
    export.server.add_member("study", "p2")
    work = tmp_path / "work"
    second, report = export(first, work_dir=work)
    asked = len(export.kick_offs())
    again, report_again = export(first, work_dir=work)
    assert len(export.kick_offs()) == asked
    assert (lines_of(again), report_again.facts()) == (lines_of(second), report.facts())


def test_a_work_folder_that_holds_something_else_is_left_alone(export: Exporter, tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "letter").write_text("mine")
    with pytest.raises(UsageError, match="something else"):
        export(work_dir=tmp_path / "work")
    assert (tmp_path / "work" / "letter").read_text() == "mine"


def test_neither_report_nor_log_nor_work_names_a_patient_elsewhere(export: Exporter) -> None:
    export.server.put(resource("Patient", "CANARY-p"))
    export.server.add_member("study", "CANARY-p")
    first, _ = export()
    export.server.remove_member("study", "CANARY-p")
    second, report = export(first)
    assert "CANARY" not in str(report.facts())
    assert "CANARY" not in (second / "log.ndjson").read_text()
    assert not [path for path in second.rglob("*") if "CANARY" in path.name]


def _edit_state(folder: Path, **members: JSON) -> None:
    state = json.loads((folder / STATE_FILE).read_bytes())
    (folder / STATE_FILE).write_text(json.dumps({**state, **members}))


def _move(folder: Path, export: Exporter) -> None:
    """Let the export be one of another server, which is the same hospital with other faults."""
    _edit_state(folder, request=str(GROUP.digest_at(export.server.base_url)))
