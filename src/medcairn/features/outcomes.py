"""When the outcome came to each index row, by what is on record now."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from medcairn.features.candidates import within
from medcairn.features.events import Events
from medcairn.features.instants import NEVER, first_of
from medcairn.features.record import Record, Rows
from medcairn.features.silver_columns import NO_TIME, Flags, Ints
from medcairn.features.task_outcome import (
    AdmissionOutcome,
    DeathInStayOutcome,
    DeathOutcome,
    FallOutcome,
    FirstValueOutcome,
    OnsetOutcome,
    SingleOutcome,
    StageRiseOutcome,
)

_DAY = 86_400_000_000


@dataclass(frozen=True)
class Outcomes:
    """For each row when the outcome came (``NEVER``: not), and whether it counts as one (a planned admission
    does not). ``defined`` is false where the outcome has no meaning: a fall without a baseline."""

    time: Ints
    counts: Flags
    defined: Flags


def outcomes_of(record: Record, rows: Rows) -> Outcomes:
    """The outcome of the record's task: of several the one that comes first."""
    each = [_one(outcome, record, rows) for outcome in record.task.outcomes]
    time = np.stack([one.time for one in each])
    first = np.argmin(time, axis=0)
    at = np.arange(len(rows))
    counts = np.stack([one.counts for one in each])[first, at]
    defined = np.logical_and.reduce([one.defined for one in each])
    return Outcomes(time[first, at], counts, defined)


def _one(outcome: SingleOutcome, record: Record, rows: Rows) -> Outcomes:
    if isinstance(outcome, AdmissionOutcome):
        return _admission(record, rows)
    if isinstance(outcome, OnsetOutcome):
        facts = record.happened(outcome.concepts)
        return _simple(first_of(len(record.subjects), facts.subject, facts.time)[rows.subject])
    if isinstance(outcome, FirstValueOutcome):
        facts = record.happened((outcome.concept,))
        good = within(facts.value, outcome.at_least, outcome.below)
        return _simple(first_of(len(record.subjects), facts.subject[good], facts.time[good])[rows.subject])
    if isinstance(outcome, FallOutcome):
        return _fall(outcome, record, rows)
    if isinstance(outcome, StageRiseOutcome):
        return _stage_rise(outcome, record, rows)
    return _death(outcome, record, rows)


def _simple(time: Ints) -> Outcomes:
    return Outcomes(time, time != NEVER, np.ones(len(time), np.bool_))


def _admission(record: Record, rows: Rows) -> Outcomes:
    episodes = record.episodes
    place = episodes.next_after(rows.subject, rows.time)
    if len(episodes.start) == 0:
        return _simple(np.full(len(rows), NEVER, np.int64))
    start = np.where(place < 0, NEVER, episodes.start[place])
    return Outcomes(start, (place >= 0) & ~episodes.planned[place], np.ones(len(rows), np.bool_))


def _death(outcome: DeathOutcome | DeathInStayOutcome, record: Record, rows: Rows) -> Outcomes:
    deceased = record.subjects.deceased[rows.subject]
    time = np.where(deceased == NO_TIME, NEVER, deceased)
    if isinstance(outcome, DeathOutcome) or len(rows) == 0:
        return _simple(time)
    end = record.episodes.end[rows.episode]
    end = np.where(end == NO_TIME, NEVER - 1, end)
    expired = np.where(record.episodes.expired[rows.episode], end, NEVER)
    return _simple(np.minimum(np.where(time <= end, time, NEVER), expired))


def _fall(outcome: FallOutcome, record: Record, rows: Rows) -> Outcomes:
    time = np.full(len(rows), NEVER, np.int64)
    baseline = _baselines(outcome, record.known((outcome.concept,)), rows)
    facts = record.happened((outcome.concept,))
    # Whole numbers on both sides: value <= baseline * (100 - fall) / 100, in units of 1/1000 of a percent.
    share = round((100 - outcome.fall_percent) * 1_000)
    for row, mine in _stretches(facts, rows):
        if baseline[row] == NO_TIME:
            continue
        later = facts.time[mine] > rows.time[row]
        low = facts.value[mine][later] * 100_000 <= int(baseline[row]) * share
        time[row] = _confirmed(facts.time[mine][later], low, outcome.confirm_days * _DAY)
    return Outcomes(time, time != NEVER, baseline != NO_TIME)


def _confirmed(time: Ints, low: Flags, wait: int) -> int:
    """When a run of low values has lasted for ``wait``; any high value ends the run."""
    begin: int | None = None
    for instant in np.unique(time).tolist():
        if not low[time == instant].all():
            begin = None
            continue
        begin = instant if begin is None else begin
        if instant - begin >= wait:
            return int(instant)
    return NEVER


def _baselines(outcome: FallOutcome, facts: Events, rows: Rows) -> Ints:
    """The last value known at each row, scaled (of two the larger); :data:`NO_TIME` for none."""
    found = np.full(len(rows), NO_TIME, np.int64)
    for row, mine in _stretches(facts, rows):
        time = facts.time[mine]
        good = _known_at(facts, mine, int(rows.time[row]))
        good &= time > rows.time[row] - outcome.baseline_days * _DAY
        if good.any():
            latest = time[good].max()
            found[row] = facts.value[mine][good & (time == latest)].max()
    return found


def _stage_rise(outcome: StageRiseOutcome, record: Record, rows: Rows) -> Outcomes:
    known, happened = record.known(outcome.stages), record.happened(outcome.stages)
    highest = np.full(len(rows), -1, np.int64)
    for row, mine in _stretches(known, rows):
        on_record = known.stream[mine][_known_at(known, mine, int(rows.time[row]))]
        highest[row] = on_record.max(initial=-1)
    time = np.full(len(rows), NEVER, np.int64)
    for row, mine in _stretches(happened, rows):
        if highest[row] >= 0:
            higher = (happened.time[mine] > rows.time[row]) & (happened.stream[mine] > highest[row])
            time[row] = happened.time[mine][higher].min(initial=NEVER)
    return _simple(time)


def _stretches(facts: Events, rows: Rows) -> Iterator[tuple[int, slice]]:
    """Each row with where the facts of its subject are."""
    first = np.searchsorted(facts.subject, rows.subject, "left")
    last = np.searchsorted(facts.subject, rows.subject, "right")
    for row in range(len(rows)):
        yield row, slice(int(first[row]), int(last[row]))


def _known_at(facts: Events, mine: slice, at: int) -> Flags:
    """Which of a stretch of facts had held, and were on record, at an instant."""
    return np.asarray((facts.time[mine] <= at) & (facts.known[mine] <= at) & (at < facts.until[mine]))


__all__ = ["Outcomes", "outcomes_of"]
