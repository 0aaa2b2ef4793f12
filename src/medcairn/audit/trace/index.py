"""One pass over the ledger that finds who made what from what, and then a trail from any id.

Cost: time and nothing else grows with the ledger's length. What is kept in memory are the events of which
something was made (a handful for each run); events of which nothing was made, like predictions, are kept
as a count with the first and the last of them for each package that they stand on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from medcairn.audit.events import Event, EventType, StoredEvent
from medcairn.audit.trace import links
from medcairn.audit.trace.links import Match
from medcairn.audit.trace.trail import Direction, Fold, Trail, Use
from medcairn.core.artifacts import ArtifactRef
from medcairn.core.errors import UsageError

FOLD_ABOVE = 3
"""So many alike that stand on the same are told one by one; more are folded."""


def follow(
    events: Iterable[StoredEvent],
    identifier: str,
    *,
    direction: Direction = Direction.BOTH,
    every: bool = False,
    without: frozenset[str] = frozenset(),
) -> Trail:
    """The trail of what ``identifier`` names.

    An identifier is an event id, a prediction id, an MLflow run id, a run id, a model version
    (``name/version``), or a digest of an artifact, a package, a signed record or pinned criteria (or 8 or
    more of its hex digits). When several events answer to it the latest counts; for a run and for a model
    version all of them.
    ``every`` tells folded entries one by one. ``without`` are digests of artifacts past which nothing is
    followed forward.

    Raises :class:`UnknownId` when nothing in the ledger has the id, and :class:`UsageError` when it begins
    more than one digest.
    """
    index = _Index(identifier, fold_above=None if every else FOLD_ABOVE)
    for stored in events:
        index.add(stored)
    return _trail(index, identifier, direction, without)


class UnknownId(UsageError):
    """Nothing in the ledger has this id."""

    code = "unknown_id"

    def __init__(self) -> None:
        super().__init__(
            "Nothing in the ledger has this id", hint="`medcairn audit show` lists the events with their ids"
        )


@dataclass
class _Group:
    """Leaves that are alike: the first few, the last, and how many."""

    sources: tuple[Use, ...]
    last: StoredEvent
    kept: list[StoredEvent] = field(default_factory=list)
    count: int = 0


@dataclass
class _Found:
    """What answers best to the id so far: entries with what they stand on, and the digests that it begins."""

    match: Match = Match.NONE
    starts: dict[int, tuple[StoredEvent, tuple[Use, ...]]] = field(default_factory=dict)
    artifact: ArtifactRef | None = None
    digests: set[str] = field(default_factory=set)


class _Index:
    """Fed with every event in order."""

    def __init__(self, identifier: str, *, fold_above: int | None) -> None:
        self._identifier = identifier
        self._prefix = links.hex_prefix(identifier)
        self._fold_above = fold_above
        self._found = _Found()
        self._makers: dict[str, tuple[int, ArtifactRef]] = {}
        self._model: Use | None = None
        self._stated: dict[str, list[int]] = {}
        self._given: dict[tuple[str, str], tuple[Use, ...]] = {}
        self._unfinished: dict[tuple[str, str], list[int]] = {}
        self._told_by: dict[int, int] = {}
        self._used: set[int] = set()
        self._groups: dict[tuple[object, ...], _Group] = {}
        self.entries: dict[int, StoredEvent] = {}
        self.sources: dict[int, tuple[Use, ...]] = {}

    def add(self, stored: StoredEvent) -> None:
        event, place = stored.event, stored.index
        sources = self._sources_of(event)
        statements = list(links.stated(event))
        if event.outputs or statements:
            self.entries[place], self.sources[place] = stored, sources
            self._used.update(use.source for use in sources)
            self._note_made(stored)
            for digest in statements:
                signed = self._stated.get(digest, []) if links.signs(event) else []
                self._stated[digest] = [*signed, place]
        elif event.type is EventType.STAGE_STARTED and event.run_id and event.stage:
            self._given[event.run_id, event.stage] = sources
        elif sources and event.type not in links.INTENTIONS:
            self._add_leaf(stored, sources)
        self._look(stored, sources)

    def _sources_of(self, event: Event) -> tuple[Use, ...]:
        uses = [Use(*made) for ref in event.inputs if (made := self._makers.get(ref.digest)) is not None]
        if not uses and event.type in links.INHERITING and event.run_id and event.stage:
            uses += self._given.get((event.run_id, event.stage), ())
        if not uses and event.type is EventType.MODEL_TRANSITIONED and self._model is not None:
            uses.append(self._model)  # versions count models, so it is the latest that moved
        own = set(links.stated(event))
        for digest in dict.fromkeys(links.mentioned(event.record)):
            if digest not in own:
                uses += [Use(place, None) for place in self._stated.get(digest, ())]
        return tuple(dict.fromkeys(uses))

    def _note_made(self, stored: StoredEvent) -> None:
        event, place = stored.event, stored.index
        if event.run_id and event.stage:
            unfinished = self._unfinished.setdefault((event.run_id, event.stage), [])
            if event.type is EventType.ARTIFACT_MADE:
                unfinished.append(place)
            elif event.type is EventType.STAGE_FINISHED:
                self._absorb(unfinished, stored)
        for ref in event.outputs:
            self._makers[ref.digest] = (place, ref)
            if ref.kind == "model":
                self._model = Use(place, ref)

    def _absorb(self, unfinished: list[int], finish: StoredEvent) -> None:
        """A finished stage tells of its artifacts again; only the finish stays on the trail."""
        made = {ref.digest for ref in finish.event.outputs}
        for place in unfinished:
            outputs = self.entries[place].event.outputs
            if place not in self._used and all(ref.digest in made for ref in outputs):
                del self.entries[place], self.sources[place]
                self._told_by[place] = finish.index
        unfinished.clear()

    def _add_leaf(self, stored: StoredEvent, sources: tuple[Use, ...]) -> None:
        event = stored.event
        key = (event.type, event.stage, event.actor, sources, links.own_kind(event))
        group = self._groups.setdefault(key, _Group(sources, stored))
        group.count, group.last = group.count + 1, stored
        self._used.update(use.source for use in sources)
        if self._told_singly(group):
            group.kept.append(stored)

    def _told_singly(self, group: _Group) -> bool:
        never = group.last.event.type in links.NEVER_FOLDED
        return never or self._fold_above is None or group.count <= self._fold_above

    def _look(self, stored: StoredEvent, sources: tuple[Use, ...]) -> None:
        answer = links.match(stored.event, self._identifier, self._prefix)
        tells_first = answer in (Match.MENTION, Match.MAKERS_RECORD) and answer == self._found.match
        if answer is Match.NONE or answer < self._found.match or tells_first:
            return
        if answer > self._found.match:
            self._found = _Found(answer)
        found = self._found
        if answer not in links.SEVERAL:
            found.starts.clear()
        if answer is Match.MADE:
            found.artifact = links.named_artifact(stored.event, self._prefix)
            found.digests |= {found.artifact.digest} if found.artifact else set()
        self._used.update(use.source for use in sources)
        found.starts[stored.index] = (stored, sources)

    def starts(self) -> tuple[int, ...]:
        """The entries that answer to the id, added to the rest where they are not there yet."""
        found = self._found
        if not found.starts:
            raise UnknownId
        if len(found.digests) > 1:
            raise UsageError("More than one digest begins with this", hint="Give more of its digits")
        places = {self._told_by.get(place, place): items for place, items in found.starts.items()}
        makers = sorted(place for place in places if place in self.entries)
        if found.match is Match.RUN and makers:
            return tuple(makers)
        for place, (stored, sources) in places.items():
            if place not in self.entries:
                self.entries[place], self.sources[place] = stored, sources
        return tuple(sorted(places))

    @property
    def artifact(self) -> ArtifactRef | None:
        return self._found.artifact

    def leaves(self) -> tuple[dict[int, tuple[StoredEvent, tuple[Use, ...]]], list[Fold]]:
        """What nothing was made of: entry by entry where few are alike, else folded."""
        alone: dict[int, tuple[StoredEvent, tuple[Use, ...]]] = {}
        folds: list[Fold] = []
        for group in self._groups.values():
            if self._told_singly(group):
                alone |= {stored.index: (stored, group.sources) for stored in group.kept}
            else:
                folds.append(Fold(group.sources, group.count, group.kept[0], group.last))
        return alone, folds


def _trail(index: _Index, identifier: str, direction: Direction, without: frozenset[str]) -> Trail:
    starts, artifact = index.starts(), index.artifact
    alone, folds = index.leaves()
    entries = {**{place: stored for place, (stored, _) in alone.items()}, **index.entries}
    sources = {**{place: uses for place, (_, uses) in alone.items()}, **index.sources}
    back, forward = frozenset[int](), frozenset[int]()
    reached: list[Fold] = []
    if direction is not Direction.FORWARD:
        back = _closure(starts, {place: [use.source for use in uses] for place, uses in sources.items()})
    if direction is not Direction.BACK:

        def leads(use: Use) -> bool:
            """Whether the trail goes on along ``use``; from the start only along the artifact named."""
            made = use.artifact
            if made is not None and made.digest in without:
                return False
            return artifact is None or use.source not in starts or made is None or made == artifact

        users = _inverse(sources, leads)
        forward = _closure(starts, users)
        ahead = {*forward, *starts}
        reached = [fold for fold in folds if any(use.source in ahead and leads(use) for use in fold.sources)]
    chosen = {*starts, *back, *forward}
    return Trail(
        identifier=identifier,
        starts=starts,
        artifact=artifact,
        entries={place: entries[place] for place in sorted(chosen)},
        sources={
            place: tuple(use for use in sources.get(place, ()) if use.source in chosen)
            for place in sorted(chosen)
        },
        back=back,
        forward=forward - back,
        folds=tuple(sorted(reached, key=lambda fold: fold.index)),
    )


def _inverse(sources: Mapping[int, tuple[Use, ...]], leads: Callable[[Use], bool]) -> dict[int, list[int]]:
    users: dict[int, list[int]] = {}
    for place, uses in sources.items():
        for use in uses:
            if leads(use):
                users.setdefault(use.source, []).append(place)
    return users


def _closure(starts: Iterable[int], edges: Mapping[int, Iterable[int]]) -> frozenset[int]:
    """Everything that can be reached, without the starts."""
    first = frozenset(starts)
    seen, ahead = set(first), list(first)
    while ahead:
        for place in edges.get(ahead.pop(), ()):
            if place not in seen:
                seen.add(place)
                ahead.append(place)
    return frozenset(seen - first)


__all__ = ["FOLD_ABOVE", "UnknownId", "follow"]
