"""A trail as lines for a terminal: a tree of what it was made from, and one of what was made from it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from medcairn.audit.events import StoredEvent
from medcairn.audit.trace.subjects import SubjectTrail
from medcairn.audit.trace.trail import Direction, Fold, Trail, counted, summary_of
from medcairn.core.artifacts import ArtifactRef


@dataclass(frozen=True)
class _Branch:
    """A line and what hangs below it: an entry (with the artifact of it that was used) or a fold."""

    item: StoredEvent | Fold
    artifact: ArtifactRef | None


def trail_text(trail: Trail, direction: Direction = Direction.BOTH) -> Iterator[str]:
    """The lines. What hangs in several places is told in the first of them."""
    for start in trail.starts:
        yield _line(_Branch(trail.entries[start], trail.artifact))
    if direction is not Direction.FORWARD:
        yield ""
        yield f"Made from ({counted(len(trail.back))})"
        yield from _Tree(lambda branch: _sources(trail, branch)).lines(trail)
    if direction is not Direction.BACK:
        yield ""
        yield f"Made from it ({counted(trail.forward_count)})"
        yield from _Tree(lambda branch: _users(trail, branch)).lines(trail)


def holdings_text(found: SubjectTrail) -> Iterator[str]:
    """What the tables hold of a subject, and which predictions were made from the subject's features."""
    yield ""
    yield "What the tables hold of this subject"
    for holding in found.holdings:
        name = f"{holding.artifact.name} {holding.artifact.digest.short}"
        if holding.rows is None:
            yield f"   {name}  replaced since; what it held cannot be asked"
            continue
        rows = ", ".join(f"{table} {count:,}" for table, count in holding.rows.items() if count)
        by_split = ", ".join(f"{split} {count:,}" for split, count in holding.splits.items())
        yield f"   {name}  {rows}" + (f"  (by split: {by_split})" if by_split else "")
    splits = Counter[str]()
    for holding in found.holdings:
        splits.update(holding.splits)
    if splits:
        yield f"   Models were trained on this subject: {'yes' if splits['train'] else 'no'}"
    yield ""
    yield f"Predictions from exactly this subject's features: {len(found.predictions)}"
    yield from (f"   {prediction}" for prediction in found.predictions)


@dataclass
class _Tree:
    below: Callable[[_Branch], Sequence[_Branch]]
    seen: set[int] = field(default_factory=set)

    def lines(self, trail: Trail) -> Iterator[str]:
        self.seen |= set(trail.starts)
        below = [
            branch for start in trail.starts for branch in self.below(_Branch(trail.entries[start], None))
        ]
        once = {branch.item.index: branch for branch in reversed(below)}
        yield from self._level([once[place] for place in sorted(once.keys() - self.seen)], "")

    def _level(self, branches: Sequence[_Branch], indent: str) -> Iterator[str]:
        for place, branch in enumerate(branches):
            last = place == len(branches) - 1
            stem, deeper = ("└─ ", "   ") if last else ("├─ ", "│  ")
            if branch.item.index in self.seen:
                yield f"{indent}{stem}{_name(branch)}  (entry {branch.item.index}, shown above)"
                continue
            self.seen.add(branch.item.index)
            yield f"{indent}{stem}{_line(branch)}"
            if not isinstance(branch.item, Fold):
                yield from self._level(self.below(branch), indent + deeper)


def _sources(trail: Trail, branch: _Branch) -> list[_Branch]:
    uses = trail.sources.get(branch.item.index, ())
    return [_Branch(trail.entries[use.source], use.artifact) for use in uses]


def _users(trail: Trail, branch: _Branch) -> list[_Branch]:
    ahead = trail.forward
    users = trail.users(branch.item.index)
    return [_Branch(item, None) for item in users if isinstance(item, Fold) or item.index in ahead]


def _line(branch: _Branch) -> str:
    if isinstance(branch.item, Fold):
        fold = branch.item
        times = f"{_second(fold.first)} to {_second(fold.last)}"
        where = f"entries {fold.first.index} to {fold.last.index}, {times}, {fold.first.event.actor}"
        return f"{_name(branch)}  ({where})"
    event = branch.item.event
    place = f"entry {branch.item.index}, {_second(branch.item)}, {event.actor}"
    return f"{_name(branch)}  ({event.stage or event.type.value}; {place})  {summary_of(event)}".rstrip()


def _name(branch: _Branch) -> str:
    """The artifact that was used; without one all that the event made, or its type."""
    if isinstance(branch.item, Fold):
        return f"{branch.item.count:,} × {branch.item.type.value}"
    refs = (branch.artifact,) if branch.artifact else branch.item.event.outputs
    return ", ".join(f"{ref.name} {ref.digest.short}" for ref in refs) or branch.item.event.type.value


def _second(stored: StoredEvent) -> str:
    return f"{stored.event.recorded_at[:19]}Z"


__all__ = ["holdings_text", "trail_text"]
