"""`medcairn audit trace`, `record` and `export` on a study: what they print, write and refuse."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from audit.trail_history import MLFLOW_RUN, PACKAGE_DIGEST, RUN
from audit.trail_history import study as history
from medcairn.audit import EventType
from medcairn.cli.main import run
from medcairn.pipeline.study import Study, init_study

SETTINGS = """
study: {name: demo}
source: {kind: files, path: source}
deid: {as_of: 2025-06-30}
"""


@pytest.fixture
def study(tmp_path: Path) -> Study:
    """A study whose ledger holds the history of the road to monitoring."""
    made = init_study(tmp_path / "study", SETTINGS)
    with made.ledger() as ledger:
        for stored in history().events[1:]:
            event = stored.event
            ledger.append(
                event.type,
                actor=event.actor,
                run_id=event.run_id,
                stage=event.stage,
                inputs=event.inputs,
                outputs=event.outputs,
                record=event.record,
            )
        ledger.checkpoint()
    return made


def out(capsys: pytest.CaptureFixture[str], study: Study, *arguments: str) -> str:
    capsys.readouterr()
    assert run(["audit", *arguments, "--study", str(study.root)]) == 0
    return capsys.readouterr().out


def test_trace_shows_both_ways(study: Study, capsys: pytest.CaptureFixture[str]) -> None:
    shown = out(capsys, study, "trace", MLFLOW_RUN)
    assert "Made from (4 entries)" in shown
    assert "└─ gold" in shown
    assert "6 × prediction.made" in shown


@pytest.mark.parametrize(
    ("direction", "there", "not_there"),
    [("back", "Made from (", "Made from it"), ("forward", "Made from it", "Made from (")],
)
def test_trace_shows_one_way(
    study: Study, capsys: pytest.CaptureFixture[str], direction: str, there: str, not_there: str
) -> None:
    shown = out(capsys, study, "trace", MLFLOW_RUN, "--direction", direction)
    assert there in shown
    assert not_there not in shown


def test_trace_draws_and_prints_json(
    study: Study, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    picture = tmp_path / "trail.svg"
    value = json.loads(out(capsys, study, "trace", PACKAGE_DIGEST, "--picture", str(picture), "--json"))
    assert value["folded"][0]["count"] == 6
    first = picture.read_bytes()
    assert first.startswith(b"<svg ")
    out(capsys, study, "trace", PACKAGE_DIGEST, "--picture", str(picture))
    assert picture.read_bytes() == first


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("trace", "nothing"), "Nothing in the ledger has this id"),
        (("trace", RUN, "--direction", "up"), "no such direction"),
        (("record", "nothing"), "Nothing in the ledger has this id"),
        (("export", "{tmp}", "--form", "csv"), "no such form"),
        (("export", "{study}", "--form", "fhir"), "something under this name already"),
    ],
)
def test_what_cannot_be_is_refused(
    study: Study,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    arguments: tuple[str, ...],
    told: str,
) -> None:
    filled = [text.format(tmp=tmp_path / "new", study=study.root) for text in arguments]
    assert run(["audit", *filled, "--study", str(study.root)]) == 2
    assert told in capsys.readouterr().err


def test_record_prints_the_nine_stages(study: Study, capsys: pytest.CaptureFixture[str]) -> None:
    shown = out(capsys, study, "record", RUN)
    assert all(f"\n{number}  " in shown for number in range(1, 10))
    assert "hyperparameters          unknown: " in shown
    value = json.loads(out(capsys, study, "record", RUN, "--json"))
    assert value["unknown"] == shown.count("unknown: ")


def test_export_as_fhir_and_openlineage(
    study: Study, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    counts = json.loads(out(capsys, study, "export", str(tmp_path / "fhir"), "--form", "fhir", "--json"))
    events = len(study.events())
    assert counts["AuditEvent"] == events
    bundle = json.loads((tmp_path / "fhir" / "AuditEvent.0001.json").read_bytes())
    assert len(bundle["entry"]) == events
    out(capsys, study, "export", str(tmp_path / "lineage"), "--form", "openlineage")
    assert b'"schemaURL"' in (tmp_path / "lineage" / "openlineage.jsonl").read_bytes()


def test_looking_at_the_trail_adds_nothing_to_it(
    study: Study, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    before = len(study.events())
    out(capsys, study, "trace", RUN)
    out(capsys, study, "record", RUN)
    out(capsys, study, "export", str(tmp_path / "fhir"), "--form", "fhir")
    assert len(study.events()) == before


def test_the_package_s_own_verifier_agrees(
    study: Study, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Run by a Python that cannot see medcairn, on the package as exported and with one entry edited."""
    for name in ("one", "two"):
        out(capsys, study, "export", str(tmp_path / name))
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()
    command = [sys.executable, "-I", "verify_audit.py", "."]
    # The history's artifacts were never on disk; the verifier is asked about the ledger alone.
    (tmp_path / "one" / "artifacts.json").unlink()
    (tmp_path / "two" / "artifacts.json").unlink()
    entries = tmp_path / "two" / "entries.jsonl"
    entries.write_bytes(entries.read_bytes().replace(b'"purpose":"care"', b'"purpose":"none"', 1))
    edited = subprocess.run(command, cwd=tmp_path / "two", capture_output=True, text=True, check=False)
    assert edited.returncode == 5
    assert "edit" in edited.stdout


def test_no_subject_is_named_in_what_is_exported(
    study: Study, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A pseudonym that is asked for shows up in the answer and nowhere else."""
    pseudonym = "f" * 32
    assert run(["audit", "trace", pseudonym, "--study", str(study.root)]) == 2
    assert pseudonym not in capsys.readouterr().err
    out(capsys, study, "export", str(tmp_path / "fhir"), "--form", "fhir")
    assert all(pseudonym.encode() not in path.read_bytes() for path in (tmp_path / "fhir").iterdir())
    assert all(stored.event.type is not EventType.SUBJECT_REIDENTIFIED for stored in study.events())
