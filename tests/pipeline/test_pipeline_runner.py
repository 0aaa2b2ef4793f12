"""Plan and runner on a three-step study: reasons, resume, and what a crash leaves behind."""

import signal
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path

import pytest

from medcairn.audit import EventType, verify_ledger
from medcairn.core.artifacts import Zone
from medcairn.core.errors import DataError, UsageError
from medcairn.core.progress import NoProgress
from medcairn.pipeline.plan import Reason, plan
from medcairn.pipeline.runner import Action, StepContext, StepOutcome, run_steps
from medcairn.pipeline.stages import STAGES, STEP_NAMES, Step
from medcairn.pipeline.study import Study, init_study
from medcairn.pipeline.verification import verify_study

SETTINGS = """
study: {name: small}
source: {kind: files, path: source}
deid: {as_of: 2025-06-30}
"""
FIRST = Step("first", "Makes a number", (), ("number",), ("study",), ())
SECOND = Step("second", "Doubles it", ("number",), ("double",), ("training",), ())
THIRD = Step("third", "Looks at it", ("double",), (), (), (), volatile=True)
STEPS = (FIRST, SECOND, THIRD)


def first(context: StepContext) -> None:
    with context.draft("number", "lake/number", kind="test", zone=Zone.AGGREGATE) as draft:
        number = (context.study.root / "number.txt").read_text()
        (draft.folder / "number.txt").write_text(number.strip())


def second(context: StepContext) -> None:
    number = int((context.folder("number") / "number.txt").read_text())
    with context.draft("double", "lake/double", kind="test", zone=Zone.AGGREGATE) as draft:
        (draft.folder / "double.txt").write_text(str(2 * number))
        draft.facts = {"double": 2 * number}


def third(context: StepContext) -> None:
    context.summary = (context.folder("double") / "double.txt").read_text()


ACTIONS: Mapping[str, Action] = {"first": first, "second": second, "third": third}


@pytest.fixture
def study(tmp_path: Path) -> Study:
    made = init_study(tmp_path / "study", SETTINGS)
    (made.root / "number.txt").write_text("21")
    return made


def run(study: Study, actions: Mapping[str, Action] = ACTIONS, force: str | None = None) -> list[StepOutcome]:
    return run_steps(Study.open(study.root), STEPS, actions, progress=NoProgress(), force=force)


def reasons(study: Study) -> list[Reason]:
    return [planned.reason for planned in plan(Study.open(study.root), STEPS)]


def test_there_are_nine_stages_and_each_step_reads_what_an_earlier_one_writes() -> None:
    assert [stage.number for stage in STAGES] == list(range(1, 10))
    made: set[str] = set()
    for stage in STAGES:
        for step in stage.steps:
            assert set(step.reads) <= made, step.name
            made |= set(step.writes)
    assert len(set(STEP_NAMES)) == len(STEP_NAMES)


def test_a_new_study_has_everything_to_run_and_then_nothing_but_the_volatile(study: Study) -> None:
    assert reasons(study) == [Reason.NEVER_RUN, Reason.NEVER_RUN, Reason.EACH_TIME]
    assert [outcome.summary for outcome in run(study)] == ["", "", "42"]
    assert reasons(study) == [Reason.CURRENT, Reason.CURRENT, Reason.EACH_TIME]


def test_changed_settings_run_only_what_depends_on_them(study: Study) -> None:
    run(study)
    settings = study.root / "study.yaml"
    settings.write_text(SETTINGS + "training: {folds: 3}\n")
    assert reasons(study) == [Reason.CURRENT, Reason.SETTINGS_CHANGED, Reason.EACH_TIME]


def test_a_forced_step_with_the_same_result_stops_the_wave(study: Study) -> None:
    run(study)
    outcomes = run(study, force="first")
    assert [outcome.reason for outcome in outcomes] == [Reason.FORCED, Reason.CURRENT, Reason.EACH_TIME]


def test_a_changed_result_runs_what_reads_it(study: Study) -> None:
    run(study)
    (study.root / "number.txt").write_text("4")
    outcomes = run(study, force="first")
    assert [outcome.reason for outcome in outcomes] == [
        Reason.FORCED,
        Reason.INPUTS_CHANGED,
        Reason.EACH_TIME,
    ]
    assert outcomes[-1].summary == "8"


def test_a_lost_output_is_made_again(study: Study) -> None:
    run(study)
    (study.root / "lake" / "double" / "manifest.json").unlink()
    assert reasons(study)[1] is Reason.OUTPUT_MISSING
    assert run(study)[-1].summary == "42"


def test_a_failure_is_recorded_without_text_and_the_earlier_steps_stay(study: Study) -> None:
    def fails(context: StepContext) -> None:
        raise DataError("A line is not JSON", file=Path("CANARY.ndjson"), line=3)

    with pytest.raises(DataError):
        run(study, {**ACTIONS, "second": fails})
    failed = study.events(EventType.STAGE_FAILED)[0].event
    assert (failed.stage, failed.record) == ("second", {"code": "data", "line": 3})
    assert reasons(study) == [Reason.CURRENT, Reason.NEVER_RUN, Reason.EACH_TIME]


def test_of_an_unexpected_failure_only_the_kind_is_recorded(study: Study) -> None:
    def fails(context: StepContext) -> None:
        raise ValueError("CANARY")

    with pytest.raises(ValueError, match="CANARY"):
        run(study, {**ACTIONS, "first": fails})
    assert study.events(EventType.STAGE_FAILED)[0].event.record == {"code": "error", "kind": "ValueError"}


@pytest.mark.part11("11.10(f)")
def test_a_step_whose_input_was_never_made_says_what_to_do(study: Study) -> None:
    with pytest.raises(UsageError, match="Run the earlier steps first"):
        run_steps(study, [SECOND], ACTIONS, progress=NoProgress())


@pytest.mark.part11("11.10(e)")
def test_events_record_cost_inputs_and_outputs(study: Study) -> None:
    run(study)
    event = study.events(EventType.STAGE_FINISHED)[1].event
    assert [ref.name for ref in event.inputs] == ["number"]
    assert [ref.name for ref in event.outputs] == ["double"]
    assert set(event.record) == {"double", "basis", "cost", "environment", "summary"}
    cost = event.record["cost"]
    assert isinstance(cost, dict)
    assert cost["peak_bytes"] > 1_000_000


def test_one_run_at_a_time(study: Study) -> None:
    def nested(context: StepContext) -> None:
        with pytest.raises(UsageError, match="Another run"):
            run(study)

    run_steps(study, [FIRST], {"first": nested}, progress=NoProgress())


KILLED = textwrap.dedent(
    """
    import os, signal, sys
    sys.path.insert(0, sys.argv[2])
    from pathlib import Path
    import pipeline.test_pipeline_runner as t
    from medcairn.core.artifacts import Zone
    from medcairn.pipeline.study import Study

    def killed(context):
        with context.draft("double", "lake/double", kind="test", zone=Zone.AGGREGATE) as draft:
            (draft.folder / "double.txt").write_text("half")
            os.kill(os.getpid(), signal.SIGKILL)

    t.run(Study.open(Path(sys.argv[1])), {**t.ACTIONS, "second": killed})
    """
)


def test_kill_9_in_a_step_leaves_nothing_under_its_name_and_the_next_run_finishes(study: Study) -> None:
    tests = str(Path(__file__).resolve().parents[1])
    process = subprocess.run([sys.executable, "-c", KILLED, str(study.root), tests], check=False)
    assert process.returncode == -signal.SIGKILL
    assert not (study.root / "lake" / "double").exists()
    assert run(study)[-1].summary == "42"
    assert verify_ledger(study.ledger_file).findings == ()
    assert not list((study.root / "lake").glob("*.partial"))


def test_a_rerun_that_dies_after_its_first_output_is_no_tampering(study: Study) -> None:
    run(study)
    (study.root / "number.txt").write_text("4")

    def dies(context: StepContext) -> None:
        first(context)
        raise DataError("The second output could not be made")

    with pytest.raises(DataError):
        run(study, {**ACTIONS, "first": dies}, force="first")
    assert verify_study(study.root).findings == ()
    assert run(study, force="first")[-1].summary == "8"


def test_init_refuses_a_second_study_and_leaves_nothing_when_settings_are_wrong(
    study: Study, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="a study here already"):
        init_study(study.root, SETTINGS)
    with pytest.raises(UsageError):
        init_study(tmp_path / "other", SETTINGS + "colour: red\n")
    assert not (tmp_path / "other").exists()


@pytest.mark.part11("11.10(c)")
def test_secrets_and_phi_are_private(study: Study) -> None:
    for path in ("phi", "keys"):
        assert (study.root / path).stat().st_mode & 0o077 == 0
    for path in ("keys/ledger.key", "keys/pseudonym.key"):
        assert (study.root / path).stat().st_mode & 0o777 == 0o600
