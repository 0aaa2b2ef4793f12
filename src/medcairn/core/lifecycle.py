"""The states of a model version and the moves between them, as data."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from itertools import pairwise

from medcairn.core.errors import GateRefused


class LifecycleState(StrEnum):
    """How far a model version has come.

    In shadow it answers and nobody acts on it, in canary some do, in production all do.
    """

    CANDIDATE = "candidate"
    VALIDATED = "validated"
    APPROVED = "approved"
    SHADOW = "shadow"
    CANARY = "canary"
    PRODUCTION = "production"
    RETIRED = "retired"


_S = LifecycleState

TRANSITIONS: Mapping[LifecycleState | None, frozenset[LifecycleState]] = {
    None: frozenset({_S.CANDIDATE}),
    _S.CANDIDATE: frozenset({_S.VALIDATED, _S.RETIRED}),
    _S.VALIDATED: frozenset({_S.APPROVED, _S.RETIRED}),
    _S.APPROVED: frozenset({_S.SHADOW, _S.RETIRED}),
    _S.SHADOW: frozenset({_S.CANARY, _S.RETIRED}),
    _S.CANARY: frozenset({_S.PRODUCTION, _S.SHADOW, _S.RETIRED}),
    _S.PRODUCTION: frozenset({_S.SHADOW, _S.RETIRED}),
    _S.RETIRED: frozenset(),
}
"""From each state (None: not known yet) the states that may come next.

Forward one step at a time. A canary or a model in production is rolled back into shadow, and every model may
be retired, which is final. From shadow straight to production a version comes in one way only: it was in
production, another version took its place, and that one is rolled back.
"""

SERVABLE = frozenset({_S.APPROVED, _S.SHADOW, _S.CANARY, _S.PRODUCTION})
"""States in which a version may be asked: approved too, because the smoke test comes before shadow."""


WAY = (_S.CANDIDATE, _S.VALIDATED, _S.APPROVED, _S.SHADOW, _S.CANARY, _S.PRODUCTION)
"""The way of a model that does well."""


def state_after(state: LifecycleState | None) -> LifecycleState | None:
    """The next state on the way; None at its end and for what was retired."""
    if state is None:
        return WAY[0]
    return dict(pairwise(WAY)).get(state)


def check_transition(old: LifecycleState | None, new: LifecycleState) -> None:
    """Pass when ``new`` may follow ``old`` (None: a model not seen before).

    Raises :class:`GateRefused`.
    """
    if new in TRANSITIONS[old]:
        return
    hint = "A model moves candidate, validated, approved, shadow, canary, production, one step at a time"
    if old is None:
        raise GateRefused("A model begins as a candidate", hint=hint, state=new)
    raise GateRefused("A model may not move between these states", hint=hint, previous=old, state=new)


__all__ = ["SERVABLE", "TRANSITIONS", "WAY", "LifecycleState", "check_transition", "state_after"]
