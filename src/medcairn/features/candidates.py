"""Index rows before any criterion: every instant at which the task's index event lets it predict."""

from __future__ import annotations

import numpy as np

from medcairn.features.events import OUTPATIENT, SCALE
from medcairn.features.instants import NEVER, first_of
from medcairn.features.record import Record, Rows
from medcairn.features.silver_columns import NO_TIME, Flags, Ints
from medcairn.features.task_index import (
    AdmissionIndex,
    ConditionIndex,
    DischargeIndex,
    EncounterIndex,
    MeasurementIndex,
)

_HOUR = 3_600_000_000


def candidates(record: Record) -> Rows:
    """The index rows of the record's task, sorted, one for each instant of a subject."""
    index = record.task.index
    if isinstance(index, (DischargeIndex, AdmissionIndex)):
        return _of_stays(record, index)
    if isinstance(index, ConditionIndex):
        events = record.known(index.concepts)
        real = np.maximum(events.time, events.known) < events.until
        known = np.maximum(events.time, events.known)[real]
        first = first_of(len(record.subjects), events.subject[real], known)
        subject = np.flatnonzero(first != NEVER)
        return _sorted(subject, first[subject])
    if isinstance(index, MeasurementIndex):
        return _of_measurements(record, index)
    visits = record.encounters(index.classes if isinstance(index, EncounterIndex) else OUTPATIENT)
    return _sorted(visits.subject, visits.start)


def _of_stays(record: Record, index: DischargeIndex | AdmissionIndex) -> Rows:
    episodes = record.episodes
    place = np.arange(len(episodes.start))
    if isinstance(index, DischargeIndex):
        ended = episodes.end != NO_TIME
        return _sorted(episodes.subject[ended], episodes.end[ended], place[ended])
    return _sorted(episodes.subject, episodes.start + index.hours_after * _HOUR, place)


def in_stay(record: Record, rows: Rows) -> Flags:
    """Where the row's stay has not ended by the prediction time."""
    if len(record.episodes.end) == 0:
        return np.zeros(len(rows), np.bool_)
    end = record.episodes.end[rows.episode]
    return np.asarray((end == NO_TIME) | (end > rows.time))


def _of_measurements(record: Record, index: MeasurementIndex) -> Rows:
    events = record.known((index.concept,))
    known = np.maximum(events.time, events.known)
    good = (known < events.until) & within(events.value, index.at_least, index.below)
    return _sorted(events.subject[good], known[good])


def within(value: Ints, at_least: float | None, below: float | None) -> Flags:
    """Where scaled values (see :data:`~medcairn.features.events.SCALE`) lie within limits."""
    good = np.ones(len(value), np.bool_)
    if at_least is not None:
        good &= value >= round(at_least * SCALE)
    if below is not None:
        good &= value < round(below * SCALE)
    return good


def _sorted(subject: Ints, time: Ints, episode: Ints | None = None) -> Rows:
    stay = np.full(len(time), -1, np.int64) if episode is None else episode
    order = np.lexsort((stay, time, subject))
    subject, time, stay = subject[order], time[order], stay[order]
    new = np.ones(len(order), np.bool_)
    new[1:] = (subject[1:] != subject[:-1]) | (time[1:] != time[:-1])
    return Rows(subject[new], time[new], stay[new])


__all__ = ["candidates", "in_stay", "within"]
