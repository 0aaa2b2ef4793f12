"""The inpatient stay that ends, or is under way, at the prediction time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from medcairn.features.events import EMERGENCY, INPATIENT, valid_rows
from medcairn.features.silver_columns import NO_TIME, Flags, Floats, Ints, SilverRows

EMERGENCY_ADMISSION_CODES = ("183452005", "50849002")
"""SNOMED CT: emergency hospital admission; emergency room admission."""

TO_FACILITY = ("snf", "rehab", "long", "psy", "other-hcf")
"""HL7 discharge-disposition codes for going on to another facility instead of home."""

_MICROSECONDS_PER_DAY = 86_400_000_000


@dataclass(frozen=True)
class IndexStays:
    """One per index row. ``start`` is :data:`NO_TIME` where there is no stay; the rest is then missing."""

    start: Ints
    length_days: Floats
    emergency: Floats
    to_facility: Floats


def index_stays(tables: Mapping[str, pa.Table], subjects: pa.Array, subject: Ints, time: Ints) -> IndexStays:
    """The stay of each index row, from what could be known at its time.

    Of several that cover it, the one that ends exactly then; else the one that started last. Its end
    counts only when it is the prediction time, so what happens later changes nothing.
    """
    rows = valid_rows(tables, "encounter")
    owner = rows.position_in("subject_id", subjects)
    rows, owner = rows.where(owner >= 0), owner[owner >= 0]
    stays = rows.one_of("class_code", INPATIENT) & (rows.times("start_time") != NO_TIME)
    emergencies = rows.one_of("class_code", EMERGENCY) & (rows.times("start_time") != NO_TIME)
    found = _covering(rows.where(stays), owner[stays], subject, time)
    return _described(found, rows.where(stays), _Visits.of(rows.where(emergencies), owner[emergencies]), time)


@dataclass(frozen=True)
class _Found:
    """Positions of the covering stays (-1: none) and of their subjects."""

    stay: Ints
    subject: Ints


@dataclass(frozen=True)
class _Visits:
    """Emergency visits as sorted (subject, start)."""

    subject: Ints
    start: Ints

    @classmethod
    def of(cls, rows: SilverRows, owner: Ints) -> _Visits:
        start = rows.times("start_time")
        order = np.lexsort((start, owner))
        return cls(owner[order], start[order])

    def just_before(self, subject: Ints, start: Ints) -> Flags:
        """Whether a visit began within the 24 hours that end with ``start``."""
        if len(self.subject) == 0 or len(subject) == 0:
            return np.zeros(len(subject), np.bool_)
        merged = np.lexsort(
            (
                np.append(np.zeros(len(self.start), np.int64), np.ones(len(start), np.int64)),
                np.append(self.start, start),
                np.append(self.subject, subject),
            )
        )
        place = np.empty(len(merged), np.int64)
        place[merged] = np.cumsum(merged < len(self.start))
        latest = place[len(self.start) :] - 1
        near = np.maximum(latest, 0)
        return np.asarray(
            (latest >= 0)
            & (self.subject[near] == subject)
            & (start - self.start[near] <= _MICROSECONDS_PER_DAY)
        )


def _covering(stays: SilverRows, owner: Ints, subject: Ints, time: Ints) -> _Found:
    start, end = stays.times("start_time"), stays.times("end_time")
    order = np.argsort(owner, kind="stable")
    first = np.searchsorted(owner[order], subject, "left")
    counts = np.searchsorted(owner[order], subject, "right") - first
    row = np.repeat(np.arange(len(subject)), counts)
    begin = np.cumsum(counts) - counts
    stay = order[np.arange(len(row)) - np.repeat(begin - first, counts)]
    covers = (start[stay] <= time[row]) & ((end[stay] >= time[row]) | (end[stay] == NO_TIME))
    row, stay = row[covers], stay[covers]
    names = stays.numbers_of("encounter_id")
    ranked = np.lexsort((names[stay], start[stay], end[stay] == time[row], row))
    chosen = np.full(len(subject), -1, np.int64)
    chosen[row[ranked]] = stay[ranked]  # the last of each row wins
    return _Found(chosen, subject)


def _described(found: _Found, stays: SilverRows, visits: _Visits, time: Ints) -> IndexStays:
    there = found.stay >= 0
    stay = found.stay[there]
    start, end = stays.times("start_time")[stay], stays.times("end_time")[stay]
    ended = end == time[there]
    emergency = stays.one_of("type_code", EMERGENCY_ADMISSION_CODES)[stay]
    emergency |= visits.just_before(found.subject[there], start)
    onward = stays.one_of("discharge_disposition", TO_FACILITY)[stay].astype(np.float64)
    stated = stays.column("discharge_disposition").is_valid().to_numpy(zero_copy_only=False)[stay]
    starts = np.full(len(time), NO_TIME, np.int64)
    starts[there] = start
    return IndexStays(
        starts,
        _spread(there, (time[there] - start) / _MICROSECONDS_PER_DAY),
        _spread(there, emergency.astype(np.float64)),
        _spread(there, np.where(ended & stated, onward, np.nan)),
    )


def _spread(there: Flags, values: Floats) -> Floats:
    out = np.full(len(there), np.nan)
    out[there] = values
    return out


__all__ = ["IndexStays", "index_stays"]
