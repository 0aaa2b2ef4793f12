"""The states of a model: every cell of the table, and what the table as a whole promises."""

from __future__ import annotations

import pytest

from medcairn.core.errors import GateRefused
from medcairn.registry import TRANSITIONS, LifecycleState, check_transition

S = LifecycleState

ALLOWED = {
    None: {S.CANDIDATE},
    S.CANDIDATE: {S.VALIDATED, S.RETIRED},
    S.VALIDATED: {S.APPROVED, S.RETIRED},
    S.APPROVED: {S.SHADOW, S.RETIRED},
    S.SHADOW: {S.CANARY, S.RETIRED},
    S.CANARY: {S.PRODUCTION, S.SHADOW, S.RETIRED},
    S.PRODUCTION: {S.SHADOW, S.RETIRED},
    S.RETIRED: set[LifecycleState](),
}


@pytest.mark.part11("11.10(f)")
@pytest.mark.parametrize("old", [None, *S])
@pytest.mark.parametrize("new", list(S))
def test_every_cell(old: LifecycleState | None, new: LifecycleState) -> None:
    if new in ALLOWED[old]:
        check_transition(old, new)
        return
    with pytest.raises(GateRefused) as refused:
        check_transition(old, new)
    assert refused.value.exit_code == 4


@pytest.mark.part11("11.10(f)")
def test_there_is_no_way_to_production_around_a_state() -> None:
    forward = [S.CANDIDATE, S.VALIDATED, S.APPROVED, S.SHADOW, S.CANARY, S.PRODUCTION]
    for skipped in forward[:-1]:
        reached, frontier = {None}, [None]
        while frontier:
            for state in TRANSITIONS[frontier.pop()] - {skipped}:
                if state not in reached:
                    reached.add(state)  # type: ignore[arg-type]
                    frontier.append(state)  # type: ignore[arg-type]
        assert S.PRODUCTION not in reached


def test_retired_is_final_and_open_to_every_known_model() -> None:
    assert not TRANSITIONS[S.RETIRED]
    assert all(S.RETIRED in TRANSITIONS[state] for state in S if state is not S.RETIRED)
