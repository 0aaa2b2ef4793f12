"""From any id back to the export, as a tree: which event made a thing, from what, and what made that."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from medcairn.audit.events import Event, EventType, StoredEvent
from medcairn.audit.trace.index import follow
from medcairn.audit.trace.trail import Direction, Trail
from medcairn.core.artifacts import ArtifactRef


@dataclass(frozen=True)
class Trace:
    """An event, the artifact of it that the consumer used (None at the start), and where that came from."""

    index: int
    event: Event
    artifact: ArtifactRef | None
    sources: tuple[Trace, ...]

    def walk(self) -> Iterator[Trace]:
        """This one and everything behind it, nearest first; what is shared comes once."""
        seen: set[int] = set()
        ahead = [self]
        while ahead:
            step = ahead.pop()
            if step.index not in seen:
                seen.add(step.index)
                yield step
                ahead.extend(reversed(step.sources))


def trace(events: Iterable[StoredEvent], identifier: str) -> Trace:
    """The origin of what ``identifier`` names; ids and errors are those of :func:`follow`."""
    trail = follow(events, identifier, direction=Direction.BACK)
    return _tree(trail, trail.starts[-1], trail.artifact, {})


def _tree(
    trail: Trail, index: int, artifact: ArtifactRef | None, built: dict[int, tuple[Trace, ...]]
) -> Trace:
    if index not in built:
        built[index] = ()  # no entry stands on itself; a damaged ledger that says so must not hang us
        uses = trail.sources.get(index, ())
        built[index] = tuple(_tree(trail, use.source, use.artifact, built) for use in uses)
    return Trace(index, trail.entries[index].event, artifact, built[index])


def reaches(origin: Trace, event_type: EventType, stage: str) -> bool:
    """Whether the trail leads back to an event of this type and stage."""
    return any(step.event.type is event_type and step.event.stage == stage for step in origin.walk())


__all__ = ["Trace", "reaches", "trace"]
