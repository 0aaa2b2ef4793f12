"""The states of a deployed model and the moves between them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from medcairn.core.errors import GateRefused


class DeploymentState(StrEnum):
    """How far answers reach: nobody sees them, some see them, all see them, none are given."""

    SHADOW = "shadow"
    CANARY = "canary"
    PRODUCTION = "production"
    RETIRED = "retired"


TRANSITIONS: Mapping[DeploymentState | None, frozenset[DeploymentState]] = {
    None: frozenset({DeploymentState.SHADOW}),
    DeploymentState.SHADOW: frozenset({DeploymentState.CANARY, DeploymentState.RETIRED}),
    DeploymentState.CANARY: frozenset(
        {DeploymentState.PRODUCTION, DeploymentState.SHADOW, DeploymentState.RETIRED}
    ),
    DeploymentState.PRODUCTION: frozenset({DeploymentState.CANARY, DeploymentState.RETIRED}),
    DeploymentState.RETIRED: frozenset(),
}
"""From each state (None: not deployed yet) the states that may come next. One step at a time."""


def check_transition(previous: DeploymentState | None, state: DeploymentState) -> None:
    """Pass when ``state`` may follow ``previous``; raise :class:`GateRefused` otherwise."""
    if state in TRANSITIONS[previous]:
        return
    hint = "A model goes through shadow and canary to production, one step at a time"
    if previous is None:
        raise GateRefused("A model is deployed in shadow first", hint=hint, state=state)
    raise GateRefused("This state may not follow that one", hint=hint, previous=previous, state=state)


__all__ = ["TRANSITIONS", "DeploymentState", "check_transition"]
