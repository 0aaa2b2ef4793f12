"""A trail: what an id names, everything that it was made from, and everything that was made from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from medcairn.audit.events import Event, EventType, StoredEvent
from medcairn.audit.signed import signature_of
from medcairn.core.artifacts import ArtifactRef
from medcairn.core.canonical import JSON


class Direction(StrEnum):
    """Which way to follow."""

    BACK = "back"
    FORWARD = "forward"
    BOTH = "both"


@dataclass(frozen=True)
class Use:
    """That an entry stands on the entry ``source``: on an artifact that it made, or on what it states."""

    source: int
    artifact: ArtifactRef | None

    def as_json(self) -> dict[str, JSON]:
        return {"entry": self.source, "artifact": self.artifact.as_json() if self.artifact else None}


@dataclass(frozen=True)
class Fold:
    """Many entries of one kind that stand on the same and of which nothing was made, told as one.

    A service makes a hundred thousand predictions with one package; ``first`` and ``last`` bound them.
    """

    sources: tuple[Use, ...]
    count: int
    first: StoredEvent
    last: StoredEvent

    @property
    def index(self) -> int:
        """Its place among the entries: that of the first."""
        return self.first.index

    @property
    def type(self) -> EventType:
        return self.first.event.type

    def as_json(self) -> dict[str, JSON]:
        return {
            "type": self.type.value,
            "stage": self.first.event.stage,
            "actor": self.first.event.actor,
            "count": self.count,
            "first_entry": self.first.index,
            "last_entry": self.last.index,
            "first_recorded_at": self.first.event.recorded_at,
            "last_recorded_at": self.last.event.recorded_at,
            "from": [use.as_json() for use in self.sources],
        }


@dataclass(frozen=True)
class Trail:
    """The entries on a trail and the edges between them.

    ``starts`` are the entries that the id names (several for a run), ``artifact`` the one that a digest
    named. ``back`` and ``forward`` are the entries that each way reaches, without the starts. ``sources``
    has for each entry what it stands on, as far as that is on the trail.
    """

    identifier: str
    starts: tuple[int, ...]
    artifact: ArtifactRef | None
    entries: Mapping[int, StoredEvent]
    sources: Mapping[int, tuple[Use, ...]]
    back: frozenset[int]
    forward: frozenset[int]
    folds: tuple[Fold, ...]

    @property
    def forward_count(self) -> int:
        """How many entries were made from the start, the folded ones counted one by one."""
        return len(self.forward) + sum(fold.count for fold in self.folds)

    def users(self, index: int) -> list[StoredEvent | Fold]:
        """What stands on the entry ``index`` and lies on the trail, in the ledger's order."""
        direct = [
            self.entries[place]
            for place, uses in self.sources.items()
            if any(use.source == index for use in uses)
        ]
        folded = [fold for fold in self.folds if any(use.source == index for use in fold.sources)]
        return sorted([*direct, *folded], key=lambda item: item.index)

    def as_json(self) -> dict[str, JSON]:
        """The graph: entries in the ledger's order, each with what it stands on."""
        return {
            "identifier": self.identifier,
            "starts": list(self.starts),
            "artifact": self.artifact.as_json() if self.artifact else None,
            "back": len(self.back),
            "forward": self.forward_count,
            "entries": [self._entry(index) for index in sorted(self.entries)],
            "folded": [fold.as_json() for fold in self.folds],
        }

    def _entry(self, index: int) -> dict[str, JSON]:
        event = self.entries[index].event
        way = "start" if index in self.starts else "back" if index in self.back else "forward"
        return {
            "entry": index,
            "way": way,
            **{key: value for key, value in event.as_json().items() if key != "inputs"},
            "from": [use.as_json() for use in self.sources.get(index, ())],
        }


def summary_of(event: Event) -> str:
    """What an event says of itself in a few words: a step's summary, who signed what, a model's move."""
    record = event.record
    if (signed := signature_of(event)) is not None:
        return f"{signed.meaning} by {signed.printed_name}"
    if event.type is EventType.MODEL_TRANSITIONED and "state" in record:
        return f"{record.get('model', 'model')} version {record.get('version', '?')} became {record['state']}"
    if event.type is EventType.PREDICTION_MADE:
        return str(record.get("purpose", ""))
    if event.type is EventType.NOTE_RECORDED:
        return str(record.get("kind", ""))
    return str(record.get("summary", ""))


def counted(number: int) -> str:
    """``nothing``, ``1 entry``, ``2,000 entries``."""
    return "nothing" if number == 0 else "1 entry" if number == 1 else f"{number:,} entries"


__all__ = ["Direction", "Fold", "Trail", "Use", "counted", "summary_of"]
