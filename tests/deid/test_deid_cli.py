"""``medcairn deid run`` and ``medcairn deid scan`` as a person meets them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer

from medcairn.cli import deid as command
from medcairn.cli.main import run
from medcairn.core.artifacts import Zone, read_manifest
from medcairn.deid.keys import Pseudonyms

from .clinic import Clinic, observation, patient


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    """A good key."""
    file = tmp_path / "pseudonym.key"
    file.write_text("ab" * 32)
    file.chmod(0o600)
    return file


@pytest.fixture
def ready(clinic: Clinic) -> Clinic:
    """A clinic with something to release."""
    jane = patient("patient-0001", name=[{"family": "Roekampf", "given": ["Janette"]}])
    return clinic.add(jane, observation("observation-0001", "2020-02-03T10:00:00Z", "patient-0001"))


def test_run_writes_a_sealed_folder(
    ready: Clinic, key_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "deid"
    arguments = ["deid", "run", str(ready.source), str(out), "--key-file", str(key_file)]
    assert run([*arguments, "--as-of", "2025-06-30", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["deid"]["resources_left"] == 2
    assert result["scan"]["hits"] == 0
    manifest = read_manifest(out)
    assert manifest.zone is Zone.DEIDENTIFIED
    assert manifest.facts["leak_scan"] == result["scan"]
    assert run([*arguments, "--as-of", "2025-06-30"]) == 0
    assert read_manifest(out).digest == manifest.digest
    assert "Leak scan: none of" in capsys.readouterr().out
    assert run(["deid", "scan", str(ready.source), str(out)]) == 0


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--as-of", "yesterday"],
        ["--as-of", "2025-06-30", "--mode", "limited-shifted"],
        ["--as-of", "2025-06-30", "--mode", "ms-compat"],
        ["--as-of", "2025-06-30", "--processes", "0"],
    ],
)
def test_run_refuses_what_it_cannot_do(
    ready: Clinic, key_file: Path, tmp_path: Path, options: list[str]
) -> None:
    out = tmp_path / "deid"
    assert run(["deid", "run", str(ready.source), str(out), "--key-file", str(key_file), *options]) == 2
    assert not out.exists()


def test_run_does_not_replace_other_files(ready: Clinic, key_file: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("years of work")
    arguments = ["deid", "run", str(ready.source), str(mine), "--key-file", str(key_file)]
    assert run([*arguments, "--as-of", "2025-06-30"]) == 2
    assert (mine / "thesis.txt").read_text() == "years of work"


def test_a_leak_stops_the_run_and_leaves_nothing(
    ready: Clinic,
    key_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(Pseudonyms, "family", lambda self, resource_type: lambda source_id: source_id)
    out = tmp_path / "deid"
    arguments = ["deid", "run", str(ready.source), str(out), "--key-file", str(key_file)]
    assert run([*arguments, "--as-of", "2025-06-30"]) == 4
    assert not out.exists()
    assert not list(tmp_path.glob("deid*"))
    shown = capsys.readouterr().err
    assert "Patient.ndjson line 1 Patient.id: resource_id" in shown
    assert "patient-0001" not in shown


def test_scan_exits_4_on_a_hit_and_names_places_only(
    ready: Clinic, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    leaky = tmp_path / "leaky"
    leaky.mkdir()
    (leaky / "notes.json").write_text('{"note":"Janette came"}')
    assert run(["deid", "scan", str(ready.source), str(leaky), "--json"]) == 4
    captured = capsys.readouterr()
    result = json.loads(captured.out)
    assert result["places"] == [{"file": "notes.json", "line": 1, "path": "line.note", "class": "name"}]
    assert "Janette" not in captured.out + captured.err


def test_help_shows_examples() -> None:
    app = typer.Typer()
    command.register(app)
    for function in (command.stage, command.run, command.scan_command):
        assert "Example: medcairn deid" in (function.__doc__ or "")
