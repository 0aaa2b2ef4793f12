"""The ledger's entries about one version of a model: gathered once, and nothing of later versions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import PurePosixPath

from medcairn.audit import EventType
from medcairn.audit.events import StoredEvent
from medcairn.audit.record.stages import looked_up
from medcairn.core.canonical import JSON
from medcairn.core.digests import Digest
from medcairn.core.errors import UsageError
from medcairn.core.labels import Label
from medcairn.pipeline.change_history import SignedPlan, plan_in_force
from medcairn.pipeline.model_facts import VersionHistory, model_digests, version_history
from medcairn.registry import BY_PLAN

READ = (
    EventType.LEDGER_CREATED,
    EventType.STUDY_CREATED,
    EventType.STAGE_FINISHED,
    EventType.CRITERIA_PINNED,
    EventType.MODEL_TRANSITIONED,
    EventType.RECORD_SIGNED,
    EventType.SIGNING_REFUSED,
    EventType.GATE_REFUSED,
    EventType.TRAIL_VERIFIED,
)
"""The types of entries that the report reads."""

_REFUSALS = frozenset({EventType.GATE_REFUSED, EventType.SIGNING_REFUSED})
_MOST_LISTED = 20


@dataclass(frozen=True)
class Evidence:
    """What the ledger holds about ``version`` of ``model``.

    ``events`` are those of the types in READ, in order. ``last`` is the index of the last entry about the
    version; what concerns other versions is read only up to there.
    """

    model: Label
    version: Label
    events: tuple[StoredEvent, ...]
    history: VersionHistory

    def of(self, *types: EventType) -> tuple[StoredEvent, ...]:
        """The events of these types, in order."""
        return tuple(stored for stored in self.events if stored.event.type in types)

    @cached_property
    def until_last(self) -> Evidence:
        """The same without what came after the last entry about the version."""
        return replace(self, events=tuple(one for one in self.events if one.index <= self.last))

    @cached_property
    def last(self) -> int:
        """The index of the last entry about the version."""
        about = (
            *self.history.made.values(),
            *self.history.validations,
            *self.pins.values(),
            *self.transitions,
            *self.signatures,
            *self.refusals,
            *self.uses,
        )
        return max(stored.index for stored in about)

    @property
    def validation(self) -> StoredEvent | None:
        """The validation that counts: the last one of the version."""
        return self.history.validations[-1] if self.history.validations else None

    @cached_property
    def pins(self) -> Mapping[int, StoredEvent]:
        """By the entry of a validation's end: where its criteria were pinned, in the same run before it."""
        found: dict[int, StoredEvent] = {}
        for done in self.history.validations:
            digest = looked_up(dict(done.event.record), ("validation", "criteria_digest"))
            for pin in self.of(EventType.CRITERIA_PINNED):
                same_run = pin.event.run_id == done.event.run_id and pin.index < done.index
                if same_run and pin.event.record.get("criteria_digest") == digest:
                    found[done.index] = pin
        return found

    @cached_property
    def transitions(self) -> tuple[StoredEvent, ...]:
        """The moves of the version, also those that another version's move brought along."""
        return tuple(
            stored
            for stored in self.of(EventType.MODEL_TRANSITIONED)
            if stored.event.record.get("model") == self.model and self.version in moves_in(stored)
        )

    @cached_property
    def packages(self) -> tuple[StoredEvent, ...]:
        """The ends of the steps that packaged the version."""
        return tuple(one for one in self._finished("package") if self._reads(one, {self.history.model}))

    @cached_property
    def deployments(self) -> tuple[StoredEvent, ...]:
        """The ends of the steps that deployed one of its packages."""
        return tuple(one for one in self._finished("deploy") if self._reads(one, self._package_digests))

    @cached_property
    def monitorings(self) -> tuple[StoredEvent, ...]:
        """The ends of the steps that watched one of its packages."""
        return tuple(one for one in self._finished("monitor") if self._reads(one, self._package_digests))

    @property
    def uses(self) -> tuple[StoredEvent, ...]:
        return (*self.packages, *self.deployments, *self.monitorings)

    @cached_property
    def signatures(self) -> tuple[StoredEvent, ...]:
        """The signatures over the version, its validation's protocol, its moves, and the plan in force."""
        moves = {stored.event.record.get("signed") for stored in self.transitions}
        protocols = {pin.event.record.get("protocol_digest") for pin in self.pins.values()}
        wanted = (moves | protocols) - {None}
        planned = {stored.index for stored in self.plan.signatures} if self.plan else set()
        return tuple(
            stored
            for stored in self.of(EventType.RECORD_SIGNED)
            if stored.index in planned
            or looked_up(dict(stored.event.record), ("signature", "record")) in wanted
            or self._names_version(stored)
        )

    @cached_property
    def moves_by_plan(self) -> tuple[StoredEvent, ...]:
        """The version's own moves that a change control plan allowed."""
        return tuple(
            one
            for one in self.transitions
            if one.event.record.get("authority") == BY_PLAN
            and one.event.record.get("version") == self.version
        )

    @cached_property
    def judged(self) -> StoredEvent:
        """Where it was decided about the version: its first move by a plan, else its last validation, else
        its training."""
        decided = (*self.moves_by_plan, *reversed(self.history.validations))
        return next(iter(decided), self.history.made["train"])

    @cached_property
    def plan(self) -> SignedPlan | None:
        """The change control plan that was in force when the version was judged."""
        gold = self.history.made.get("features")
        task = looked_up(dict(gold.event.record), ("gold", "task")) if gold else None
        known = task if isinstance(task, str) else None
        return plan_in_force(self.of(EventType.RECORD_SIGNED), known, before=self.judged.index)

    @cached_property
    def refusals(self) -> tuple[StoredEvent, ...]:
        """What was refused about the version. An entry that names none speaks of the latest model then."""
        made = [
            (stored.index, ref.digest)
            for stored in self.of(EventType.STAGE_FINISHED)
            for ref in stored.event.outputs
            if ref.name == "model"
        ]
        found: list[StoredEvent] = []
        for stored in self.of(*_REFUSALS):
            record = stored.event.record
            named = record.get("version")
            models = {ref.digest for ref in stored.event.inputs if ref.name == "model"}
            latest = [digest for index, digest in made if index < stored.index]
            if named is not None:
                about = named == self.version and record.get("model", self.model) == self.model
            elif models:
                about = self.history.model in models
            else:
                about = bool(latest) and latest[-1] == self.history.model
            if about:
                found.append(stored)
        return tuple(found)

    @cached_property
    def _package_digests(self) -> set[Digest]:
        return {r.digest for done in self.packages for r in done.event.outputs if r.name == "package"}

    def _finished(self, stage: str) -> list[StoredEvent]:
        return [one for one in self.of(EventType.STAGE_FINISHED) if one.event.stage == stage]

    @staticmethod
    def _reads(stored: StoredEvent, digests: set[Digest]) -> bool:
        return any(ref.digest in digests for ref in stored.event.inputs)

    def _names_version(self, stored: StoredEvent) -> bool:
        signed = stored.event.record.get("signed")
        if not isinstance(signed, Mapping):
            return False
        return signed.get("version") == self.version and self.model in (
            signed.get("name"), signed.get("model"),
        )  # fmt: skip


def moves_in(stored: StoredEvent) -> dict[str, Mapping[str, JSON]]:
    """By version: how it moved (``previous``, ``state``) by a transition, of itself or beside another."""
    record = stored.event.record
    beside = record.get("beside")
    along = beside if isinstance(beside, Sequence) and not isinstance(beside, str) else ()
    moved = [record, *(one for one in along if isinstance(one, Mapping))]
    return {str(one.get("version")): one for one in moved}


def gather(events: Sequence[StoredEvent], model: str, version: str) -> Evidence:
    """The evidence about ``version`` of ``model``.

    Raises :class:`UsageError` that lists the versions there are when there is no such one.
    """
    finished = [one for one in events if one.event.type is EventType.STAGE_FINISHED]
    named = _named_versions(events, finished)
    if (model, version) not in named:
        there = ", ".join(f"{name} {number}" for name, number in named[-_MOST_LISTED:])
        raise UsageError(
            "There is no such version of a model in this study",
            hint=f"There are: {there}" if named else "There is none yet: medcairn run --until train",
            versions=len(named),
        )
    return Evidence(Label(model), Label(version), tuple(events), version_history(finished, version))


def _named_versions(events: Sequence[StoredEvent], finished: Sequence[StoredEvent]) -> list[tuple[str, str]]:
    """(model, version) of every model: by the study's name and the task in the model's path."""
    study = next(
        (str(one.event.record.get("study")) for one in events if one.event.type is EventType.STUDY_CREATED),
        "",
    )
    tasks = {
        ref.digest: PurePosixPath(ref.path).name
        for stored in reversed(finished)
        for ref in stored.event.outputs
        if ref.name == "model"
    }
    return [
        (f"{study}.{tasks[digest]}", str(number))
        for number, digest in enumerate(model_digests(finished), start=1)
    ]


__all__ = ["READ", "Evidence", "gather", "moves_in"]
