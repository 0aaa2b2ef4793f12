"""``medcairn export`` with each way to get at resources, as people call it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from medcairn.cli.main import run
from medcairn.core.artifacts import changed_parts, read_manifest
from medcairn.synthetic.server import HospitalServer

from .changing_hospital import ids, lines_of, resource, write_hospital


@pytest.fixture
def server(tmp_path: Path) -> Iterator[HospitalServer]:
    people = [resource("Patient", name) for name in ("p1", "p2", "p3")]
    facts = [resource("Condition", f"c{n}", f"p{n}") for n in (1, 2, 3)]
    note = resource(
        "DocumentReference", "d1", "p1", content=[{"attachment": {"url": "Binary/b1", "size": 5}}]
    )
    binary = {**resource("Binary", "b1"), "contentType": "text/plain", "data": "aGVsbG8="}
    folder = write_hospital(tmp_path / "hospital", [*people, *facts, note, binary])
    with HospitalServer(folder, open_access=True, polls=0) as running:
        running.add_member("study", "p1")
        running.add_member("study", "p2")
        yield running


def test_incremental_brings_changes_deletions_and_new_members(
    server: HospitalServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    command = ["export", server.base_url, "--out", str(out), "--group", "study", "--incremental"]
    assert run(command) == 0
    assert "there is no previous export" in capsys.readouterr().out
    assert ids(out, "Patient") == ["p1", "p2"]

    server.put(resource("Condition", "c1", "p1", note=[{"text": "new"}]))
    server.delete("Condition", "c2")
    server.add_member("study", "p3")
    assert run(command) == 0
    assert "1 changed, 1 deleted, 1 members joined, 0 left" in capsys.readouterr().out
    assert ids(out, "Patient") == ["p1", "p2", "p3"]
    assert ids(out, "Condition") == ["c1", "c3"]
    assert b'"new"' in b"".join(lines_of(out))
    assert changed_parts(out, read_manifest(out)) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["hospital", "out"], "no work left behind"


def test_search_for_a_server_without_bulk_data(
    server: HospitalServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    types = ["--types", "Patient,Condition"]
    assert run(["export", server.base_url, "--out", str(out), "--search", *types, "--page-size", "2"]) == 0
    assert (ids(out, "Patient"), ids(out, "Condition")) == (["p1", "p2", "p3"], ["c1", "c2", "c3"])
    assert not any("$export" in asked.path for asked in server.requests)
    capsys.readouterr()
    assert run(["export", server.base_url, "--out", str(tmp_path / "x"), "--search"]) == 2
    assert run(["export", server.base_url, "--out", str(tmp_path / "x"), "--search", *types, "--post"]) == 2


def test_attachments_are_fetched_on_request(
    server: HospitalServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    types = ["--types", "Patient,DocumentReference"]
    assert run(["export", server.base_url, "--out", str(out), *types, "--attachments", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["attachments"]["kept"] == 1
    contents = [path.read_bytes() for path in (out / "attachments").iterdir() if len(path.name) == 64]
    assert contents == [b"hello"]


def test_the_event_log_lies_beside_the_data(server: HospitalServer, tmp_path: Path) -> None:
    assert run(["export", server.base_url, "--out", str(tmp_path / "out")]) == 0
    events = [
        json.loads(line)["eventId"] for line in (tmp_path / "out" / "log.ndjson").read_text().splitlines()
    ]
    assert events[0] == "kickoff"
    assert events[-1] == "export_complete"


def test_patients_of_a_file_are_asked_for_by_post(server: HospitalServer, tmp_path: Path) -> None:
    (tmp_path / "ids").write_text("p1\nPatient/p3\n")
    out = tmp_path / "out"
    assert run(["export", server.base_url, "--out", str(out), "--patients-file", str(tmp_path / "ids")]) == 0
    assert ids(out, "Patient") == ["p1", "p3"]
    assert [asked.method for asked in server.requests if "$export" in asked.path] == ["POST"]
    assert run(["export", server.base_url, "--out", str(tmp_path / "x"), "--patients-file", "none"]) == 2


def test_an_object_store_of_files(server: HospitalServer, tmp_path: Path) -> None:
    address = (tmp_path / "hospital").as_uri()
    assert run(["export", address, "--out", str(tmp_path / "out")]) == 0
    assert ids(tmp_path / "out", "Patient") == ["p1", "p2", "p3"]
    assert run(["export", address, "--out", str(tmp_path / "x"), "--types", "Patient"]) == 2


def test_nested_folders_are_read_when_asked(tmp_path: Path) -> None:
    inner = tmp_path / "landed" / "2025"
    inner.mkdir(parents=True)
    (inner / "Patient.ndjson").write_text('{"resourceType":"Patient","id":"p1"}\n')
    assert run(["export", str(tmp_path / "landed"), "--out", str(tmp_path / "x")]) != 0
    assert run(["export", str(tmp_path / "landed"), "--out", str(tmp_path / "out"), "--nested"]) == 0
    assert ids(tmp_path / "out", "Patient") == ["p1"]


@pytest.mark.parametrize(
    "options",
    [
        ["--drop-departed"],
        ["--attachment-origin", "https://files.example.org"],
        ["--search", "--types", "Patient", "--incremental"],
        ["--nested"],
        ["--anonymous"],
        ["--group", "study", "--patient-level"],
        ["--client-secret-file", "secret"],
        ["--client-id", "me"],
        ["--type-filter", "nonsense"],
        ["--since", "2025-02-01", "--until", "2025-01-01"],
    ],
)
def test_options_that_do_not_fit_end_with_a_hint(
    server: HospitalServer, tmp_path: Path, options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["export", server.base_url, "--out", str(tmp_path / "out"), *options]) == 2
    assert "Traceback" not in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
