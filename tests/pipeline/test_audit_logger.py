"""Notes of somebody's own pipeline in the ledger: what they may hold, and that every reader knows them."""

from __future__ import annotations

import doctest
import json
import threading
from collections.abc import Mapping
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.r4_check import problems
from audit.standalone import standalone_findings
from medcairn.audit import Attack, EventType, read_events, read_receipt
from medcairn.cli.main import run
from medcairn.core.artifacts import Zone, draft_artifact, read_manifest
from medcairn.core.digests import digest_bytes
from medcairn.core.errors import DataError, MedcairnError, SettingsError, UsageError
from medcairn.core.labels import Label
from medcairn.pipeline import audit_logger
from medcairn.pipeline.audit_logger import AuditLogger
from medcairn.pipeline.runner import StepContext, run_steps
from medcairn.pipeline.stages import Step
from medcairn.pipeline.study import Study, init_study

SETTINGS = """
study: {name: small}
source: {kind: files, path: source}
deid: {as_of: 2025-06-30}
"""
MANY_FACTS: Mapping[str, audit_logger.Fact] = {
    "rows": 120,
    "auroc": 0.8125,
    "complete": True,
    "site": Label("north"),
    "protocol": digest_bytes(b"protocol"),
    "np_float": np.float64(0.5),
}


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return init_study(tmp_path / "study", SETTINGS)


def test_the_example_runs(study: Study) -> None:
    found = doctest.DocTestFinder(recurse=True).find(
        AuditLogger, "AuditLogger", extraglobs={"AuditLogger": AuditLogger, "study": study.root}
    )
    results = [doctest.DocTestRunner().run(example) for example in found]
    assert sum(result.attempted for result in results) == 2
    assert sum(result.failed for result in results) == 0


def test_a_note_is_an_entry_with_a_receipt_and_a_trail(study: Study) -> None:
    with AuditLogger(study.root) as log:
        done = log.log("model.compared", actor="service:compare", facts=MANY_FACTS)
        assert log.receipt(done).holds() and log.receipt(done.index).entry == done.index
        assert [stored.event.id for stored in log.events(EventType.NOTE_RECORDED)] == [done.event.id]
        assert log.trace(done.event.id).starts == (done.index,)
        assert log.verify().findings == ()
        with pytest.raises(UsageError):
            log.receipt(99)
    assert done.event.record == {"kind": "model.compared", "facts": dict(MANY_FACTS)}


REFUSED: tuple[tuple[dict[str, object], str], ...] = (
    ({"facts": {"patient": "Jane"}}, "no number, truth value, Label or Digest"),
    ({"facts": {"note": "fell from a ladder on Monday"}}, "no number, truth value, Label or Digest"),
    ({"facts": {"born": date(1960, 5, 17)}}, "no number"),
    ({"facts": {"names": ["Jane"]}}, "no number"),
    ({"facts": {"nested": {"a": 1}}}, "no number"),
    ({"facts": {"nothing": None}}, "no number"),
    ({"facts": {"auroc": float("nan")}}, "JSON does not have"),
    ({"facts": {"auroc": float("inf")}}, "JSON does not have"),
    ({"facts": {"large": 2**60}}, "canonical JSON"),
    ({"facts": {"Jane Doe": 1}}, "no spaces"),
    ({"kind": "Jane Doe was here"}, "no spaces"),
    ({"kind": ""}, "no spaces"),
    ({"actor": "Dr Jane Doe"}, "no spaces"),
)


@pytest.mark.parametrize(("words", "message"), REFUSED)
def test_what_a_note_may_not_hold(study: Study, words: dict[str, object], message: str) -> None:
    with AuditLogger(study.root) as log, pytest.raises(DataError, match=message) as raised:
        log.log(**{"kind": "a.note", "actor": "person:ada", **words})  # type: ignore[arg-type]
    assert "Jane" not in str(raised.value) and "ladder" not in str(raised.value)
    assert study.events(EventType.NOTE_RECORDED) == []


@given(st.text())
def test_no_text_gets_into_a_note_by_itself(text: str) -> None:
    with pytest.raises(MedcairnError):
        audit_logger._checked({"fact": text})  # type: ignore[dict-item]


def test_leaving_the_block_seals_and_an_error_does_not(study: Study) -> None:
    with AuditLogger(study.root) as log:
        done = log.log("a.note", actor="person:ada")
    assert read_receipt(study.ledger_address, done.index).holds()
    with pytest.raises(ZeroDivisionError), AuditLogger(study.root) as log:
        log.log("a.note", actor="person:ada")
        raise ZeroDivisionError
    assert [stored.index for stored in study.events(EventType.NOTE_RECORDED)] == [2, 3]


def test_threads_share_one(study: Study) -> None:
    with AuditLogger(study.root) as log:

        def work() -> None:
            for number in range(20):
                log.log("a.note", actor="service:x", facts={"number": number})

        threads = [threading.Thread(target=work) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(log.events(EventType.NOTE_RECORDED)) == 100
        assert log.verify().findings == ()


def test_there_must_be_a_study(tmp_path: Path) -> None:
    with pytest.raises(SettingsError):
        AuditLogger(tmp_path)


# ── with what the study made, and in every export ────────────────────────────────────────────────────


@pytest.fixture
def noted(study: Study) -> Study:
    """A study with one artifact of a step, and notes that stand on it; one of them made something."""
    step = Step("export", "Makes a number", (), ("number",), (), ())

    def make(context: StepContext) -> None:
        with context.draft("number", "lake/number", kind="number", zone=Zone.AGGREGATE) as draft:
            (draft.folder / "number.txt").write_text("21")

    from medcairn.core.progress import NoProgress

    run_steps(study, [step], {"export": make}, progress=NoProgress())
    with draft_artifact(study.root / "lake" / "ours", kind="ours", zone=Zone.AGGREGATE) as draft:
        (draft.folder / "ours.txt").write_text("42")
    manifest = read_manifest(study.root / "lake" / "ours")
    with AuditLogger(study.root) as log:
        number = log.artifacts()["number"]
        ours = type(number)(
            Label("ours"), manifest.kind, manifest.zone, manifest.digest, manifest.seal, "lake/ours"
        )
        log.log("number.doubled", actor="service:ours", inputs=[number], outputs=[ours])
        for kind in ("seen", "seen", "seen", "seen", "seen", "liked"):
            log.log(kind, actor="person:ada", inputs=[ours])
    return study


def test_a_trail_leads_through_notes(noted: Study, capsys: pytest.CaptureFixture[str]) -> None:
    made = next(s for s in noted.events(EventType.NOTE_RECORDED) if s.event.outputs)
    with AuditLogger(noted.root) as log:
        trail = log.trace(made.event.outputs[0].digest)
    assert {trail.entries[place].event.type for place in trail.back} == {EventType.STAGE_FINISHED}
    assert [fold.count for fold in trail.folds] == [5]  # of one kind alone
    capsys.readouterr()
    assert run(["audit", "trace", made.event.id, "--study", str(noted.root)]) == 0
    shown = capsys.readouterr().out
    assert "number.doubled" in shown and "liked" in shown


def test_every_export_knows_notes(noted: Study, tmp_path: Path) -> None:
    for form in ("fhir", "openlineage", "package"):
        words = ["audit", "export", str(tmp_path / form), "--form", form, "--study", str(noted.root)]
        assert run(words) == 0
    for bundle in (tmp_path / "fhir").rglob("*.json"):
        assert problems(json.loads(bundle.read_bytes())) == []
    lines = (tmp_path / "fhir").rglob("*.json")
    assert any("note.recorded" in path.read_text() for path in lines)
    summary = json.loads((tmp_path / "package" / "summary.json").read_bytes())
    assert summary["by_type"]["note.recorded"] == 7
    run_id = str(next(read_events(noted.ledger_address, EventType.RUN_STARTED)).event.run_id)
    assert run(["audit", "record", run_id, "--study", str(noted.root)]) == 0


def test_what_a_note_made_is_verified_by_us_and_by_the_verifier_that_goes_along(
    noted: Study, tmp_path: Path
) -> None:
    with AuditLogger(noted.root) as log:
        assert log.verify().findings == () and log.verify().artifacts == 2
        manifest = noted.root / "lake" / "ours" / "manifest.json"
        manifest.write_text(manifest.read_text() + " ")
        check = log.verify()
    assert check.ledger.attack is Attack.SWAPPED_ARTIFACT
    words = ["audit", "export", str(tmp_path / "package"), "--study", str(noted.root)]
    assert run(words) == 0
    assert standalone_findings(tmp_path / "package") == [("swapped artifact", check.ledger.first_bad_entry)]
