"""Exact integer moments of the events in each window.

A *cell* is one index row × one stream × one window. Its moments are integers: any engine, in any order of
rows, for one subject or a million, arrives at the same ones, and :mod:`medcairn.features.finisher` turns
them into floats in one way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from medcairn.features.events import Events
from medcairn.features.silver_columns import Flags, Ints

_LIMB_BITS = 20
_MICROSECONDS = 1_000_000

Integers = NDArray[np.object_]
"""Python integers without a limit, in a numpy array."""


@dataclass(frozen=True)
class Known:
    """The events that an index row may see: those that held and were known at its time.

    Sorted by row, stream, time, value; ``start_of[row * streams + stream]`` is where that stretch begins.
    """

    row: Ints
    stream: Ints
    time: Ints
    value: Ints
    start_of: Ints
    streams: int


def known_events(events: Events, subject: Ints, time: Ints, distinct: Flags) -> Known:
    """The events of ``subject[i]`` that held and were known at ``time[i]``, for every index row ``i``.

    ``distinct`` says for each stream whether it counts different codes: of those only the latest event of
    each code is kept, so that a code is in a window exactly when its latest event is.
    """
    first = np.searchsorted(events.subject, subject, "left")
    after = np.searchsorted(events.subject, subject, "right")
    counts = after - first
    row = np.repeat(np.arange(len(subject)), counts)
    begin = np.cumsum(counts) - counts
    event = np.arange(len(row)) - np.repeat(begin - first, counts)
    seen = (events.time[event] <= time[row]) & (events.known[event] <= time[row])
    row, event = row[seen], event[seen]
    kept = _latest_of_each_code(events, row, event, distinct)
    row, event = row[kept], event[kept]
    key = row * len(distinct) + events.stream[event]
    start_of = np.searchsorted(key, np.arange(len(subject) * len(distinct) + 1))
    return Known(row, events.stream[event], events.time[event], events.value[event], start_of, len(distinct))


def _latest_of_each_code(events: Events, row: Ints, event: Ints, distinct: Flags) -> Flags:
    kept = np.ones(len(row), np.bool_)
    of_codes = np.flatnonzero(distinct[events.stream[event]])
    if len(of_codes):
        chosen = event[of_codes]
        keys = (events.time[chosen], events.value[chosen], events.stream[chosen], row[of_codes])
        order = np.lexsort(keys)
        last = np.ones(len(order), np.bool_)
        last[:-1] = np.any([key[order][1:] != key[order][:-1] for key in keys[1:]], axis=0)
        kept[of_codes[order[~last]]] = False
    return kept


@dataclass(frozen=True)
class Cells:
    """Where each cell's events begin and end within the :class:`Known` ones."""

    begin: Ints
    end: Ints


def window(known: Known, after: Ints) -> Ints:
    """How many of the first ``i`` known events are later than ``after`` (microseconds) of their row."""
    inside = np.zeros(len(known.row) + 1, np.int64)
    np.cumsum(known.time > after[known.row], out=inside[1:])
    return inside


def cells(known: Known, stream: int, inside: Ints) -> Cells:
    """The cells of one stream, one for each index row, in the :func:`window` ``inside``.

    Events of a row and stream lie in order of time, so those in a window are the last ones.
    """
    begin = known.start_of[stream : -1 : known.streams]
    end = known.start_of[stream + 1 :: known.streams]
    return Cells(end - (inside[end] - inside[begin]), end)


def joined(parts: Sequence[Cells]) -> Cells:
    """Many cells as one sequence."""
    return Cells(np.concatenate([part.begin for part in parts]), np.concatenate([part.end for part in parts]))


@dataclass(frozen=True)
class Moments:
    """Integer moments of some cells; where ``n`` is 0 the others mean nothing.

    ``v`` is in 1/SCALE of a unit, ``t`` in whole seconds before the index (0 or negative).
    ``since_last`` and ``since_first`` are microseconds.
    """

    n: Ints
    sum_v: Ints
    first_v: Ints
    last_v: Ints
    min_v: Ints
    max_v: Ints
    since_first: Ints
    since_last: Ints

    def part(self, begin: int, end: int) -> Moments:
        """The moments of the cells ``begin`` to ``end - 1``."""
        return Moments(**{f.name: getattr(self, f.name)[begin:end] for f in fields(self)})


@dataclass(frozen=True)
class Products:
    """Second-order sums of some cells, as exact Python integers, and the first-order ones they need."""

    n: Ints
    sum_v: Integers
    sum_t: Integers
    sum_vv: Integers
    sum_vt: Integers
    sum_tt: Integers


def moments(known: Known, time: Ints, where: Cells) -> Moments:
    """The moments of ``where``; ``time`` is the prediction time of each index row in microseconds."""
    n = where.end - where.begin
    full = n > 0
    begin, end = where.begin[full], where.end[full]
    age = time[known.row] - known.time
    value = known.value
    return Moments(
        n=n,
        sum_v=_spread(full, _reduce(np.add, value, begin, end)),
        first_v=_spread(full, value[begin]),
        last_v=_spread(full, value[end - 1]),
        min_v=_spread(full, _reduce(np.minimum, value, begin, end)),
        max_v=_spread(full, _reduce(np.maximum, value, begin, end)),
        since_first=_spread(full, age[begin]),
        since_last=_spread(full, age[end - 1]),
    )


def products(known: Known, time: Ints, where: Cells) -> Products:
    """The second-order sums of ``where``."""
    n = where.end - where.begin
    full = n > 0
    begin, end = where.begin[full], where.end[full]
    value = known.value
    seconds = -((time[known.row] - known.time) // _MICROSECONDS)
    return Products(
        n=n,
        sum_v=_spread(full, _reduce(np.add, value, begin, end)).astype(np.object_),
        sum_t=_spread(full, _reduce(np.add, seconds, begin, end)).astype(np.object_),
        sum_vv=_spread_objects(full, _exact_products(value, value, begin, end)),
        sum_vt=_spread_objects(full, _exact_products(value, seconds, begin, end)),
        sum_tt=_spread_objects(full, _exact_products(seconds, seconds, begin, end)),
    )


def _spread(full: Flags, values: Ints) -> Ints:
    out = np.zeros(len(full), np.int64)
    out[full] = values
    return out


def _spread_objects(full: Flags, values: Integers) -> Integers:
    out = np.zeros(len(full), np.object_)
    out[full] = values
    return out


def _reduce(operation: np.ufunc, values: Ints, begin: Ints, end: Ints) -> Ints:
    """``operation`` over ``values[begin[i]:end[i]]``, none of them empty."""
    if len(begin) == 0:
        return np.zeros(0, np.int64)
    padded = np.append(values, 0)
    bounds = np.empty(2 * len(begin), np.int64)
    bounds[0::2], bounds[1::2] = begin, end
    return np.asarray(operation.reduceat(padded, bounds)[0::2], np.int64)


def _exact_products(left: Ints, right: Ints, begin: Ints, end: Ints) -> Integers:
    """Sums of products as unlimited integers; the factors are below 2⁴⁰ in size.

    Each factor is split into a high part and 20 low bits, so that no partial sum of up to 2²² products
    leaves 64 bits.
    """
    low = (1 << _LIMB_BITS) - 1
    left_high, left_low = left >> _LIMB_BITS, left & low
    right_high, right_low = right >> _LIMB_BITS, right & low
    high = _reduce(np.add, left_high * right_high, begin, end).astype(np.object_)
    middle = _reduce(np.add, left_high * right_low + left_low * right_high, begin, end).astype(np.object_)
    lowest = _reduce(np.add, left_low * right_low, begin, end).astype(np.object_)
    return np.asarray((high << (2 * _LIMB_BITS)) + (middle << _LIMB_BITS) + lowest, np.object_)


__all__ = [
    "Cells",
    "Integers",
    "Known",
    "Moments",
    "Products",
    "cells",
    "joined",
    "known_events",
    "moments",
    "products",
    "window",
]
