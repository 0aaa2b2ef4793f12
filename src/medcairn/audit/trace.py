"""From any id back to the export: which event made a thing, from what, and what made that."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
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
    origins: dict[str, list[StoredEvent]] = {}
    for stored in history:
        for digest in _originates(stored.event):
            origins.setdefault(digest, []).append(stored)
    for stored in reversed(history):
        artifact = _named(stored.event, identifier)
        if artifact is not None or identifier in _ids(stored.event):
            return _trace(stored, artifact, origins)
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


def _originates(event: Event) -> Iterator[str]:
    """The digests that this event is the origin of: what it made, or the record that it signed."""
    for ref in event.outputs:
        yield ref.digest
    signature = event.record.get("signature")
    if event.type is EventType.RECORD_SIGNED and isinstance(signature, Mapping):
        yield str(signature["record"])


def _trace(
    stored: StoredEvent, artifact: ArtifactRef | None, origins: Mapping[str, list[StoredEvent]]
) -> Trace:
    def before(digest: str) -> list[StoredEvent]:
        return [origin for origin in origins.get(digest, []) if origin.index < stored.index]

    sources = [_trace(made[-1], ref, origins) for ref in stored.event.inputs if (made := before(ref.digest))]
    # Every signature over what was approved is a source, not only the last.
    signed = before(str(stored.event.record.get("approval_digest", "")))
    sources += [Trace(signature.index, signature.event, None, ()) for signature in signed]
    return Trace(stored.index, stored.event, artifact, tuple(sources))


def reaches(origin: Trace, event_type: EventType, stage: str) -> bool:
    """Whether the trail leads back to an event of this type and stage."""
    return any(step.event.type is event_type and step.event.stage == stage for step in origin.walk())


__all__ = ["Trace", "reaches", "trace"]
