"""The states of a model and the moves between them, as data."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from medcairn.core.errors import GateRefused


class LifecycleState(StrEnum):
    """How far a model version has come."""

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
    _S.PRODUCTION: frozenset({_S.CANARY, _S.RETIRED}),
    _S.RETIRED: frozenset(),
}
"""From each state (None: not known yet) the states that may come next.

Forward one step at a time. A deployed model may be taken back one step (production → canary → shadow), and
every model may be retired, which is final.
"""


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


__all__ = ["TRANSITIONS", "LifecycleState", "check_transition"]
