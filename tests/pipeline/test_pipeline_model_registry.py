"""The states of a model's versions: who may move what from where, and what the ledger tells of it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from access.conftest import CHEAP
from medcairn.access import Meaning, Passwords, Role, is_allowed
from medcairn.access.roles import Action
from medcairn.audit import EventType
from medcairn.core.clock import FixedClock
from medcairn.core.errors import GateRefused, PolicyError, UsageError
from medcairn.core.lifecycle import TRANSITIONS, LifecycleState
from medcairn.pipeline.model_registry import ModelRegistry, check_servable
from medcairn.pipeline.signing import sign_record
from medcairn.pipeline.study import Study
from medcairn.pipeline.verification import verify_study
from medcairn.registry import Check
from pipeline.governed import PEOPLE, WORDS, add_version, governed_study, recorded
from pipeline.races import Act, approve_in_race, promote_in_race, raced

S = LifecycleState


@pytest.fixture(autouse=True, scope="module")
def cheap() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("medcairn.access.people.Passwords", lambda: Passwords(CHEAP))
        yield


@pytest.fixture(scope="module")
def new_study(tmp_path_factory: pytest.TempPathFactory, cheap: None) -> Callable[[Path], Study]:
    """Copies of one study, because to add six people takes a while."""
    made = tmp_path_factory.mktemp("governed") / "study"
    governed_study(made)

    def copy(root: Path) -> Study:
        shutil.copytree(made, root)
        return Study.open(root)

    return copy


@pytest.fixture
def study(tmp_path: Path, new_study: Callable[[Path], Study]) -> Study:
    return new_study(tmp_path / "study")


def states(study: Study) -> dict[str, LifecycleState]:
    return ModelRegistry(study).history().states


def promote(study: Study, version: str, to: LifecycleState, *, by: str = "oscar") -> None:
    ModelRegistry(study).promote(version, to, by=by, password=WORDS, reason="It did well")


Made = tuple[Action, Callable[[ModelRegistry, str], object], dict[LifecycleState, LifecycleState]]

MOVES: dict[str, Made] = {
    "to canary": (
        Action.PROMOTE_MODEL,
        lambda models, by: models.promote("1", S.CANARY, by=by, password=WORDS, reason="why"),
        {S.SHADOW: S.CANARY},
    ),
    "to production": (
        Action.PROMOTE_MODEL,
        lambda models, by: models.promote("1", S.PRODUCTION, by=by, password=WORDS, reason="why"),
        {S.CANARY: S.PRODUCTION},
    ),
    "roll back": (
        Action.ROLL_BACK_MODEL,
        lambda models, by: models.roll_back("1", by=by, password=WORDS, reason="why"),
        {S.CANARY: S.SHADOW, S.PRODUCTION: S.SHADOW},
    ),
    "retire": (
        Action.RETIRE_MODEL,
        lambda models, by: models.retire("1", by=by, password=WORDS, reason="why"),
        {state: S.RETIRED for state in S if S.RETIRED in TRANSITIONS[state]},
    ),
}


@pytest.mark.part11("11.10(f)", "11.10(g)")
@pytest.mark.parametrize("move", MOVES)
@pytest.mark.parametrize("reached", [state for state in S if state is not S.RETIRED])
def test_every_move_from_every_state_by_every_role(
    tmp_path: Path,
    new_study: Callable[[Path], Study],
    move: str,
    reached: LifecycleState,
    subtests: pytest.Subtests,
) -> None:
    """A move happens when the role may do it, may sign, and the table of states has it; else nothing does."""
    action, make, table = MOVES[move]
    denied = new_study(tmp_path / "denied")  # nothing happens in it, so one serves all who are refused
    add_version(denied, "1", reached=reached)
    for name, role in PEOPLE.items():
        with subtests.test(role.value):
            may = is_allowed([role], action) and is_allowed([role], Action.SIGN_RESPONSIBILITY)
            if not may or reached not in table:
                refusals = refused_events(denied)
                with pytest.raises(PolicyError):
                    make(ModelRegistry(denied), name)
                assert states(denied) == {"1": reached}
                assert refused_events(denied) > refusals, "every attempt is an event"
                continue
            study = new_study(tmp_path / name)
            add_version(study, "1", reached=reached)
            before = len(recorded(study, EventType.MODEL_TRANSITIONED))
            make(ModelRegistry(study), name)
            assert states(study) == {"1": table[reached]}
            (told,) = ModelRegistry(study).history().transitions[before:]
            assert (told.actor, told.reason, told.authority) == (f"person:{name}", "why", "signature")
            assert told.move.previous is reached
            signed = recorded(study, EventType.RECORD_SIGNED)[-1].event.record["signature"]
            assert isinstance(signed, dict)
            assert signed["record"] == told.signed


def refused_events(study: Study) -> int:
    kinds = (EventType.GATE_REFUSED, EventType.ACCESS_DENIED, EventType.SIGNING_REFUSED)
    return sum(len(recorded(study, kind)) for kind in kinds)


@pytest.mark.part11("11.10(a)", "11.10(f)")
@pytest.mark.parametrize("name", PEOPLE)
@pytest.mark.parametrize("to", [S.CANARY, S.PRODUCTION])
def test_a_model_that_failed_validation_is_promoted_by_nobody(
    study: Study, name: str, to: LifecycleState
) -> None:
    add_version(study, "1", reached=S.CANDIDATE, passed=False)
    with pytest.raises(PolicyError):
        promote(study, "1", to, by=name)
    assert states(study) == {"1": S.CANDIDATE}
    assert refused_events(study) > 0


def test_one_that_came_to_shadow_and_then_failed_goes_no_further(study: Study) -> None:
    add_version(study, "1", reached=S.SHADOW)
    add_version(study, "1", reached=None, passed=False, approvers=())
    with pytest.raises(GateRefused) as refusal:
        promote(study, "1", S.CANARY)
    assert refusal.value.fields["check"] is Check.VALIDATION_PASSED
    (told,) = recorded(study, EventType.GATE_REFUSED)
    assert told.event.actor == "person:oscar"
    assert told.event.record["check"] == "validation_passed"
    assert (told.event.record["version"], told.event.record["gate"]) == ("1", "canary")


def test_the_one_in_production_steps_down_and_comes_back_when_its_successor_is_rolled_back(
    study: Study,
) -> None:
    add_version(study, "1", reached=S.PRODUCTION)
    add_version(study, "2", reached=S.CANARY)
    promote(study, "2", S.PRODUCTION)
    assert states(study) == {"1": S.SHADOW, "2": S.PRODUCTION}
    moves = ModelRegistry(study).roll_back("2", by="oscar", password=WORDS, reason="Alerts doubled")
    assert states(study) == {"1": S.PRODUCTION, "2": S.SHADOW}
    assert [(move.version, move.state) for move in moves] == [("2", S.SHADOW), ("1", S.PRODUCTION)]
    assert not verify_study(study.root).ledger.findings


def test_a_predecessor_whose_approvals_are_too_old_does_not_come_back(study: Study) -> None:
    add_version(study, "1", reached=S.PRODUCTION)
    later = replace(study, clock=FixedClock(datetime.now(UTC) + timedelta(days=200)))
    add_version(later, "2", reached=S.CANARY)
    promote(later, "2", S.PRODUCTION)
    latest = replace(study, clock=FixedClock(datetime.now(UTC) + timedelta(days=400)))
    ModelRegistry(latest).roll_back("2", by="oscar", password=WORDS, reason="Alerts doubled")
    assert states(study) == {"1": S.SHADOW, "2": S.SHADOW}


@pytest.mark.part11("11.10(g)")
def test_approvals_expire_and_can_be_given_again(study: Study) -> None:
    add_version(study, "1", reached=S.SHADOW)
    later = replace(study, clock=FixedClock(datetime.now(UTC) + timedelta(days=366)))
    with pytest.raises(GateRefused) as refusal:
        promote(later, "1", S.CANARY)
    assert refusal.value.fields["check"] is Check.APPROVALS_CURRENT
    for name in ("ada", "bea"):
        record = {"form": "medcairn-approval-1", "version": "1"}
        sign_record(later, name, WORDS, signed=record, meaning=Meaning.APPROVED)
    promote(later, "1", S.CANARY)
    assert states(study) == {"1": S.CANARY}


@pytest.mark.part11("11.10(g)")
@pytest.mark.parametrize(
    ("author", "approvers", "check"),
    [
        ("oscar", ("ada", "bea"), Check.MOVER_IS_NOT_AUTHOR),
        ("OSCAR", ("ada", "bea"), Check.MOVER_IS_NOT_AUTHOR),
        ("dan", ("ada",), Check.APPROVALS_CURRENT),
    ],
)
def test_who_made_a_model_does_not_move_it(
    study: Study, author: str, approvers: tuple[str, ...], check: Check
) -> None:
    add_version(study, "1", reached=S.SHADOW, author=author, approvers=approvers)
    with pytest.raises(GateRefused) as refusal:
        promote(study, "1", S.CANARY)
    assert refusal.value.fields["check"] is check


@pytest.mark.parametrize(
    "reason", ["", "   ", "two\nlines", "x" * 201, "Patient: Jane Doe fell", "See MRN 4471120"]
)
def test_a_move_needs_a_reason(study: Study, reason: str) -> None:
    add_version(study, "1", reached=S.SHADOW)
    with pytest.raises(UsageError):
        ModelRegistry(study).promote("1", S.CANARY, by="oscar", password=WORDS, reason=reason)


@pytest.mark.parametrize("state", list(S))
def test_what_is_served(study: Study, state: LifecycleState) -> None:
    add_version(study, "1", reached=S.SHADOW if state is S.RETIRED else state)
    if state is S.RETIRED:
        ModelRegistry(study).retire("1", by="oscar", password=WORDS, reason="Replaced")
    if state in (S.CANDIDATE, S.VALIDATED, S.RETIRED):
        with pytest.raises(GateRefused):
            check_servable(study, "1")
    else:
        check_servable(study, "1")


def test_there_is_no_such_version(study: Study) -> None:
    add_version(study, "1", reached=S.SHADOW)
    with pytest.raises(UsageError) as refusal:
        promote(study, "7", S.CANARY)
    assert "Versions: 1" in str(refusal.value)


@pytest.mark.parametrize(
    ("act", "refused"), [(approve_in_race, {"usage"}), (promote_in_race, {"overtaken", "gate_refused"})]
)
def test_of_processes_that_decide_at_once_one_does(study: Study, act: Act, refused: set[str]) -> None:
    add_version(study, "1", reached=S.SHADOW)
    signed, moved = count(study, EventType.RECORD_SIGNED), count(study, EventType.MODEL_TRANSITIONED)
    outcomes = raced(act, study.root, 3)
    assert outcomes.count("done") == 1
    assert set(outcomes) - {"done"} <= refused
    assert count(study, EventType.RECORD_SIGNED) == signed + 1
    assert count(study, EventType.MODEL_TRANSITIONED) == moved + (act is promote_in_race)
    assert not verify_study(study.root).ledger.findings


def count(study: Study, kind: EventType) -> int:
    return len(recorded(study, kind))


def test_roles_are_those_of_the_people_here() -> None:
    assert set(PEOPLE.values()) == set(Role)
