"""The states of a model's versions, as the ledger's events tell: the one account that counts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from medcairn.audit import StoredEvent
from medcairn.core.canonical import JSON
from medcairn.core.lifecycle import LifecycleState

BY_SIGNATURE, BY_PLAN = "signature", "change_control_plan"
"""What a move or a release rests on, apart from the pipeline's own checks."""

_RELEASED = frozenset(
    {LifecycleState.APPROVED, LifecycleState.SHADOW, LifecycleState.CANARY, LifecycleState.PRODUCTION}
)


@dataclass(frozen=True)
class Move:
    """One version comes from a state into another."""

    version: str
    previous: LifecycleState | None
    state: LifecycleState

    def as_json(self) -> dict[str, JSON]:
        previous = self.previous.value if self.previous else None
        return {"version": self.version, "previous": previous, "state": self.state.value}


@dataclass(frozen=True)
class Transition:
    """What one ``model.transitioned`` event says.

    ``authority`` is what the move rests on: the pipeline's own checks, an e-signature over the record whose
    digest is ``signed``, or a change control plan. ``beside`` are moves of other versions in the same act.
    """

    entry: int
    recorded_at: str
    actor: str
    model: str
    move: Move
    reason: str = ""
    authority: str = "pipeline"
    signed: str | None = None
    package: str | None = None
    beside: tuple[Move, ...] = ()

    @property
    def moves(self) -> tuple[Move, ...]:
        return (self.move, *self.beside)

    def as_json(self) -> dict[str, JSON]:
        return {
            "entry": self.entry,
            "recorded_at": self.recorded_at,
            "actor": self.actor,
            "model": self.model,
            **self.move.as_json(),
            "reason": self.reason,
            "authority": self.authority,
            "signed": self.signed,
            "package": self.package,
            "beside": [move.as_json() for move in self.beside],
        }


def transition_of(stored: StoredEvent) -> Transition:
    """The transition in a ``model.transitioned`` event."""
    event, record = stored.event, stored.event.record
    beside = record.get("beside")
    others = beside if isinstance(beside, Sequence) and not isinstance(beside, str) else ()
    return Transition(
        entry=stored.index,
        recorded_at=event.recorded_at,
        actor=event.actor,
        model=str(record["model"]),
        move=_move(record),
        reason=str(record.get("reason") or ""),
        authority=str(record.get("authority", "pipeline")),
        signed=_text(record.get("signed")),
        package=_text(record.get("package")),
        beside=tuple(_move(other) for other in others if isinstance(other, Mapping)),
    )


def _move(record: Mapping[str, JSON]) -> Move:
    previous = _text(record.get("previous"))
    return Move(
        str(record["version"]),
        LifecycleState(previous) if previous else None,
        LifecycleState(str(record["state"])),
    )


def _text(value: JSON) -> str | None:
    return None if value is None else str(value)


@dataclass(frozen=True)
class ModelHistory:
    """Every transition of one model, in the ledger's order."""

    model: str
    transitions: tuple[Transition, ...]

    @classmethod
    def of(cls, model: str, events: Iterable[StoredEvent]) -> ModelHistory:
        """From the ``model.transitioned`` events of a ledger."""
        found = (transition_of(stored) for stored in events)
        return cls(model, tuple(transition for transition in found if transition.model == model))

    @property
    def last_entry(self) -> int:
        """The entry of the last transition; -1 when there was none."""
        return self.transitions[-1].entry if self.transitions else -1

    @property
    def states(self) -> dict[str, LifecycleState]:
        """The present state of each version."""
        return {move.version: move.state for transition in self.transitions for move in transition.moves}

    def since(self, version: str) -> int:
        """The entry by which ``version`` came into its present state; -1 when it has none."""
        return self._last(version).entry if version in self.states else -1

    def of_version(self, version: str) -> tuple[Transition, ...]:
        """The transitions that moved ``version``, beside another one too."""
        return tuple(t for t in self.transitions if any(move.version == version for move in t.moves))

    def in_production(self) -> str | None:
        """The version in production, if one is."""
        return next((v for v, state in self.states.items() if state is LifecycleState.PRODUCTION), None)

    def replaced_by(self, version: str) -> str | None:
        """The version that stepped down for ``version`` in production, if it still waits in shadow."""
        for transition in reversed(self.of_version(version)):
            if transition.move == Move(version, transition.move.previous, LifecycleState.PRODUCTION):
                waiting = (move.version for move in transition.beside)
                return next((v for v in waiting if self.states[v] is LifecycleState.SHADOW), None)
        return None

    def before(self, entry: int) -> ModelHistory:
        """What there was before ``entry``."""
        return ModelHistory(self.model, tuple(t for t in self.transitions if t.entry < entry))

    def by_plan(self, *, since: int = 0) -> tuple[str, ...]:
        """The versions that a change control plan brought forward from the entry ``since`` on, in order."""
        found = (t.move.version for t in self.transitions if t.entry >= since and t.authority == BY_PLAN)
        return tuple(dict.fromkeys(found))

    def signed_before(self, version: str) -> str | None:
        """The version that people signed last, other than ``version``.

        One that came forward under a plan was not signed, and is no baseline for the next.
        """
        passed = {version, *self.by_plan()}
        signed = (t.move.version for t in reversed(self.transitions) if t.move.state in _RELEASED)
        return next((one for one in signed if one not in passed), None)

    def _last(self, version: str) -> Transition:
        return self.of_version(version)[-1]


__all__ = ["BY_PLAN", "BY_SIGNATURE", "ModelHistory", "Move", "Transition", "transition_of"]
