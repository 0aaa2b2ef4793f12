"""From any id back to the export: which event made a thing, from what, and what made that."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from medcairn.audit.events import Event, EventType, StoredEvent
from medcairn.core.artifacts import ArtifactRef
from medcairn.core.canonical import JSON
from medcairn.core.errors import UsageError

_ID_KEYS = ("prediction_id", "mlflow_run_id", "model_version", "package_digest", "record_digest")
_SHORTEST_PREFIX = 8


@dataclass(frozen=True)
class Trace:
    """An event, the artifact of it that the consumer used (None at the start), and where that came from."""

    index: int
    event: Event
    artifact: ArtifactRef | None
    sources: tuple[Trace, ...]

    def as_json(self) -> dict[str, JSON]:
        return {
            "entry": self.index,
            "type": self.event.type.value,
            "stage": self.event.stage,
            "recorded_at": self.event.recorded_at,
            "actor": self.event.actor,
            "artifact": self.artifact.as_json() if self.artifact else None,
            "record": self.event.record,
            "sources": [source.as_json() for source in self.sources],
        }

    def walk(self) -> Iterator[Trace]:
        """This one and everything behind it, nearest first; a shared source comes once for each use."""
        yield self
        for source in self.sources:
            yield from source.walk()


def trace(events: Iterable[StoredEvent], identifier: str) -> Trace:
    """The origin of what ``identifier`` names.

    An identifier is an event id, a digest (or 8 or more of its hex digits), a prediction id, an MLflow run
    id or a model version. Raises :class:`UsageError` when nothing in the ledger has it.
    """
    history = list(events)
    makers: dict[str, list[StoredEvent]] = {}
    for stored in history:
        for ref in stored.event.outputs:
            makers.setdefault(ref.digest, []).append(stored)
    for stored in reversed(history):
        artifact = _named(stored.event, identifier)
        if artifact is not None or identifier in _ids(stored.event):
            return _trace(stored, artifact, makers)
    raise UsageError(
        "Nothing in the ledger has this id", hint="`medcairn audit show` lists the events with their ids"
    )


def _ids(event: Event) -> set[str]:
    return {event.id} | {str(event.record[key]) for key in _ID_KEYS if key in event.record}


def _named(event: Event, identifier: str) -> ArtifactRef | None:
    prefix = identifier.removeprefix("sha256:")
    if len(prefix) < _SHORTEST_PREFIX:
        return None
    return next((ref for ref in event.outputs if ref.digest.hex.startswith(prefix)), None)


def _trace(stored: StoredEvent, artifact: ArtifactRef | None, makers: dict[str, list[StoredEvent]]) -> Trace:
    sources = []
    for ref in stored.event.inputs:
        earlier = [maker for maker in makers.get(ref.digest, []) if maker.index < stored.index]
        if earlier:
            sources.append(_trace(earlier[-1], ref, makers))
    return Trace(stored.index, stored.event, artifact, tuple(sources))


def reaches(origin: Trace, event_type: EventType, stage: str) -> bool:
    """Whether the trail leads back to an event of this type and stage."""
    return any(step.event.type is event_type and step.event.stage == stage for step in origin.walk())


__all__ = ["Trace", "reaches", "trace"]
