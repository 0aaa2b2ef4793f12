"""What a ledger is asked to record, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from medcairn.audit.events import Event, EventType
from medcairn.audit.leaf import LeafParts
from medcairn.core.artifacts import ArtifactRef
from medcairn.core.canonical import JSON
from medcairn.core.errors import TransientError


@dataclass(frozen=True)
class Proposal:
    """An event that is to be recorded; its id and time are the ledger's to give.

    What cannot be recorded is refused here, and not in the thread that writes.
    """

    type: EventType
    actor: str
    record: Mapping[str, JSON] = field(default_factory=dict)
    run_id: str | None = None
    stage: str | None = None
    inputs: tuple[ArtifactRef, ...] = ()
    outputs: tuple[ArtifactRef, ...] = ()
    parts: LeafParts = field(init=False, repr=False)

    def __post_init__(self) -> None:
        parts = LeafParts.of(
            self.type,
            actor=self.actor,
            run_id=self.run_id,
            stage=self.stage,
            inputs=self.inputs,
            outputs=self.outputs,
            record=self.record,
        )
        object.__setattr__(self, "parts", parts)

    def event(self, event_id: str, recorded_at: str) -> Event:
        """The event as it is recorded."""
        return Event(
            id=event_id,
            type=self.type,
            recorded_at=recorded_at,
            actor=self.actor,
            run_id=self.run_id,
            stage=self.stage,
            inputs=self.inputs,
            outputs=self.outputs,
            record=self.record,
        )


@dataclass(frozen=True)
class Appended:
    """Where an event came to stand."""

    index: int
    leaf_hash: bytes
    event: Event


class Overtaken(TransientError):
    """Another writer recorded an event of the kind first, so what was decided may hold no more."""

    code = "overtaken"


__all__ = ["Appended", "Overtaken", "Proposal"]
