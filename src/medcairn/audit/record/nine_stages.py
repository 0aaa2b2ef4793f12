"""The nine-stage record of a run: what a pipeline is usually asked to keep, as a view over the ledger.

Nothing is kept for it: every value stands in an entry of the ledger, whose number is told beside it, and
what no entry holds is told as unknown, with the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from medcairn.audit.events import EventType, StoredEvent
from medcairn.audit.record.stages import EVERY_STEP, NOT_RECORDED, STEPS, Asked, AskedStep, looked_up
from medcairn.audit.signed import signature_of
from medcairn.audit.trace.index import follow
from medcairn.audit.trace.trail import Direction, Trail
from medcairn.core.canonical import JSON

FORMAT = 1


class When(StrEnum):
    """Which run did a step: the one asked for, one that it stands on, or one that stands on it."""

    THIS = "this run"
    BEFORE = "an earlier run that this one stands on"
    AFTER = "a later run that stands on this one"
    BESIDE = "another run of the same model"
    ANOTHER = "another run"
    NOT_DONE = "not done"


@dataclass(frozen=True)
class Told:
    """A field: its value and the entry that holds it, or why it is unknown."""

    name: str
    value: JSON
    entry: int | None = None
    unknown: str = ""

    def as_json(self) -> dict[str, JSON]:
        if self.unknown:
            return {"name": self.name, "unknown": self.unknown}
        return {"name": self.name, "value": self.value, "entry": self.entry}


@dataclass(frozen=True)
class ToldStep:
    """One step of the record."""

    number: int
    title: str
    when: When
    run_id: str | None
    entry: int | None
    fields: tuple[Told, ...]

    def as_json(self) -> dict[str, JSON]:
        return {
            "stage": self.number,
            "title": self.title,
            "when": self.when.value,
            "run_id": self.run_id,
            "entry": self.entry,
            "fields": [told.as_json() for told in self.fields],
        }


@dataclass(frozen=True)
class NineStageRecord:
    """The record of what ``identifier`` names, in the order of the stages."""

    identifier: str
    steps: tuple[ToldStep, ...]

    @property
    def unknown(self) -> int:
        """How many fields are unknown."""
        return sum(bool(told.unknown) for step in self.steps for told in step.fields)

    def as_json(self) -> dict[str, JSON]:
        return {
            "format": FORMAT,
            "run": self.identifier,
            "unknown": self.unknown,
            "stages": [step.as_json() for step in self.steps],
        }


def nine_stage_record(events: Callable[[], Iterable[StoredEvent]], identifier: str) -> NineStageRecord:
    """The record of the run ``identifier``; any other id that :func:`follow` knows does as well.

    A run often does only some stages: what it stands on and what stands on it is told too, and what else was
    made of its model, with how it is connected. Of several such the latest counts. ``events`` is called for
    each pass over the ledger, twice or three times.

    Raises :class:`~medcairn.core.errors.UsageError` when nothing in the ledger has the id.
    """
    trail = follow(events(), identifier)
    steps = [_step(asked, *_done(trail, asked.step)) for asked in STEPS]
    _, trained = _done(trail, "train")
    if trained is not None and any(step.when is When.NOT_DONE for step in steps):
        beside = follow(events(), trained.event.id, direction=Direction.FORWARD)
        steps = [
            _step(asked, *_beside(beside, asked.step)) if step.when is When.NOT_DONE else step
            for asked, step in zip(STEPS, steps, strict=True)
        ]
    reviewed = _reviewers(trail)
    steps = [_with(step, reviewed) if step.number == 6 else step for step in steps]
    runs = {trail.entries[start].event.run_id for start in trail.starts}
    verified, failed = _verified_and_failed(events(), runs)
    steps = [_with(step, failed.get(asked.step, ())) for asked, step in zip(STEPS, steps, strict=True)]
    return NineStageRecord(identifier, (*steps, verified))


def _step(asked: AskedStep, when: When, done: StoredEvent | None) -> ToldStep:
    fields = (*asked.fields, *EVERY_STEP)
    if done is None:
        unknown = "this was not done in this run, nor in one that is connected with it"
        told = tuple(Told(field.name, None, unknown=unknown) for field in fields)
        return ToldStep(asked.number, asked.title, when, None, None, told)
    told = tuple(_told(field, done) for field in fields)
    return ToldStep(asked.number, asked.title, when, done.event.run_id, done.index, told)


def _done(trail: Trail, step: str) -> tuple[When, StoredEvent | None]:
    """The latest end of the step: of this run, else before it, else after it."""
    ways = ((When.THIS, frozenset(trail.starts)), (When.BEFORE, trail.back), (When.AFTER, trail.forward))
    for when, places in ways:
        ends = [
            trail.entries[place]
            for place in sorted(places)
            if trail.entries[place].event.stage == step
            and trail.entries[place].event.type is EventType.STAGE_FINISHED
        ]
        if ends:
            return when, ends[-1]
    return When.NOT_DONE, None


def _beside(model: Trail, step: str) -> tuple[When, StoredEvent | None]:
    _, done = _done(model, step)
    return (When.BESIDE, done) if done is not None else (When.NOT_DONE, None)


def _told(asked: Asked, done: StoredEvent) -> Told:
    value = looked_up(dict(done.event.record), asked.keys) if asked.keys else None
    if value is None:
        return Told(asked.name, None, unknown=asked.unknown)
    return Told(asked.name, value, done.index)


def _reviewers(trail: Trail) -> tuple[Told, ...]:
    """Who signed the approval of the package, or before there is one, whatever was signed on the trail."""
    _, packaged = _done(trail, "package")
    approved = packaged.event.record.get("approval_digest") if packaged else None
    signed: list[Told] = []
    for place, stored in trail.entries.items():
        signature = signature_of(stored.event)
        if signature is not None and approved in (None, signature.record):
            signed.append(Told("reviewer", signature.as_json(), place))
    return tuple(signed) or (Told("reviewer", None, unknown="nobody signed"),)


def _with(step: ToldStep, fields: Sequence[Told]) -> ToldStep:
    return ToldStep(step.number, step.title, step.when, step.run_id, step.entry, (*fields, *step.fields))


def _verified_and_failed(
    events: Iterable[StoredEvent], runs: set[str | None]
) -> tuple[ToldStep, dict[str, list[Told]]]:
    """The last time that the trail was verified, in these runs if it was; and which of their steps failed."""
    latest: StoredEvent | None = None
    failed: dict[str, list[Told]] = {}
    for stored in events:
        event = stored.event
        if event.type is EventType.TRAIL_VERIFIED:
            if latest is None or event.run_id in runs or latest.event.run_id not in runs:
                latest = stored
        elif event.type is EventType.STAGE_FAILED and event.run_id in runs and event.stage:
            code = event.record.get("code", "error")
            failed.setdefault(event.stage, []).append(Told("failed_in_this_run", code, stored.index))
    return _verified(latest, runs), failed


def _verified(latest: StoredEvent | None, runs: set[str | None]) -> ToldStep:
    names = ("tree_size", "root_hash", "artifacts", "predictions", "findings")
    if latest is None:
        told = tuple(Told(name, None, unknown="the trail was never verified") for name in names)
        return ToldStep(9, "Audit trail", When.NOT_DONE, None, None, told)
    asked = tuple(_told(Asked(name, (name,), NOT_RECORDED), latest) for name in names)
    when = When.THIS if latest.event.run_id in runs else When.ANOTHER
    return ToldStep(9, "Audit trail", when, latest.event.run_id, latest.index, asked)


__all__ = ["FORMAT", "NineStageRecord", "Told", "ToldStep", "When", "nine_stage_record"]
