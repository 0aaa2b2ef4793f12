"""Exact integer moments of every window, in one pass over a subject's events.

A *cell* is one stream × one window. Its moments are integers: any engine, in any order of rows, for one
subject or a million, arrives at the same ones, and :mod:`medcairn.features.kernels.finisher` turns them into
floats in one way.

``v`` is a value in 1/SCALE of a unit, ``a`` an age in whole seconds before the prediction time. Both are
below 2⁴⁰, so they are split into a high part and 20 low bits: sums of 2²⁰ products of such parts stay below
2⁶³, and no product of whole values is ever formed here.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from medcairn.features.kernels.compiled import compiled

Ints = npt.NDArray[np.int64]

MOST_EVENTS = 1 << 20
"""A cell may not hold more events than this; the sums of products would leave 64 bits."""

# Fields of a cell. Where N is 0 the others mean nothing. Times since are in microseconds.
N, SUM, FIRST, LAST, MIN, MAX, SINCE_FIRST, SINCE_LAST = 0, 1, 2, 3, 4, 5, 6, 7
AGES, VV, VA, AA = 8, 9, 12, 15  # VV, VA and AA are three limbs each: high, middle, low
FIELDS = 18

# What a stream's events are summed up to.
PLAIN, WITH_PRODUCTS, DISTINCT, SUPPLY, ASIDE = 0, 1, 2, 3, 4

# Fields of an index stay. START is NO_TIME where there is none; TO_FACILITY is -1 where it is not known.
STAY_START, STAY_LENGTH, STAY_EMERGENCY, STAY_TO_FACILITY = 0, 1, 2, 3
STAY_FIELDS = 4
NO_TIME = np.iinfo(np.int64).min

_LIMB, _LOW = 20, (1 << 20) - 1
_SECOND, _DAY = 1_000_000, 86_400_000_000
_NOTHING_LATER = np.iinfo(np.int64).max


@compiled
def _index_stay(
    begin: int, end: int, visits: int, visits_end: int, t: int, order: Ints, time: Ints, known: Ints,
    until: Ints, value: Ints, stays: Ints, row: int,
) -> None:  # fmt: skip
    """The stay that covers ``t``: of several the one that ends then, else the one that began last.

    A stay's end counts only when it is ``t``, so what happens later changes nothing, ties included.
    """
    start, ended_best, flags_best = NO_TIME, False, 0
    for at in range(begin, end):
        event = order[at]
        if time[event] > t or known[event] > t or until[event] <= t or value[event] >> 3 < t:
            continue
        ended = value[event] >> 3 == t
        flags = value[event] & (7 if ended else 1)
        if start != NO_TIME:
            if ended != ended_best:
                if ended_best:
                    continue
            elif time[event] < start or (time[event] == start and flags <= flags_best):
                continue
        start, ended_best, flags_best = time[event], ended, flags
    stays[row, STAY_START] = start
    if start == NO_TIME:
        return
    stays[row, STAY_LENGTH] = t - start
    stays[row, STAY_EMERGENCY] = flags_best & 1
    stays[row, STAY_TO_FACILITY] = (flags_best >> 1) - 1
    for at in range(visits, visits_end):
        event = order[at]
        near = time[event] <= start and start - time[event] <= _DAY
        if near and known[event] <= t < until[event]:
            stays[row, STAY_EMERGENCY] = 1


@compiled
def _supply(
    begin: int, end: int, after: int, t: int, order: Ints, time: Ints, known: Ints, until: Ints, value: Ints,
    cells: Ints, row: int, cell: int,
) -> None:  # fmt: skip
    """How long of (after, t] is covered by supplies, each instant once, and since when."""
    covered, reached, first = 0, after, NO_TIME
    for at in range(begin, end):
        event = order[at]
        if time[event] >= t:
            break
        if known[event] > t or until[event] <= t:
            continue
        start, stop = max(time[event], after), min(time[event] + value[event], t)
        if stop <= start:
            continue
        if first == NO_TIME:
            first = start
        if stop > reached:
            covered += stop - max(start, reached)
            reached = stop
    cells[row, cell, N] = 0 if first == NO_TIME else 1
    cells[row, cell, SUM] = covered
    cells[row, cell, SINCE_FIRST] = t - first


@compiled
def _new_code(code: int, seen: Ints, stamp: Ints, now: int) -> bool:
    """Whether ``code`` is not yet in the hash set of this moment ``now``; puts it there."""
    mask = len(seen) - 1
    at = (code ^ (code >> 32)) & mask
    while stamp[at] == now:
        if seen[at] == code:
            return False
        at = (at + 1) & mask
    stamp[at], seen[at] = now, code
    return True


@compiled
def _windows(
    begin: int, end: int, t: int, mode: int, after: Ints, rank: Ints, windows: int, order: Ints, time: Ints,
    known: Ints, until: Ints, value: Ints, identity: Ints, seen: Ints, stamp: Ints, now: int, acc: Ints,
    cells: Ints, row: int, first_cell: int,
) -> None:  # fmt: skip
    """All windows of one stream, from the newest event back: a window's moments are those when it is left.

    ``rank`` lists the cells with the latest early end first. Of events that are equal in time, value and
    identity one counts.
    """
    fields = FIELDS if mode == WITH_PRODUCTS else AGES
    acc[:fields] = 0
    pending, previous = 0, -1
    for at in range(end - 1, begin - 1, -1):
        event = order[at]
        if time[event] > t or known[event] > t or until[event] <= t:
            continue
        while pending < windows and time[event] <= after[rank[pending]]:
            _keep(acc, fields, cells, row, first_cell + rank[pending])
            pending += 1
        if pending == windows:
            return
        v = value[event]
        same = previous >= 0 and time[previous] == time[event] and value[previous] == v
        if same and identity[previous] == identity[event]:
            continue
        previous = event
        if mode == DISTINCT and not _new_code(v, seen, stamp, now):
            continue
        since = t - time[event]
        if acc[N] == 0:
            acc[LAST], acc[SINCE_LAST], acc[MIN], acc[MAX] = v, since, v, v
        acc[N] += 1
        acc[SUM] += v
        acc[FIRST], acc[SINCE_FIRST] = v, since
        acc[MIN], acc[MAX] = min(acc[MIN], v), max(acc[MAX], v)
        if mode == WITH_PRODUCTS:
            _add_products(v, since // _SECOND, acc)
    while pending < windows:
        _keep(acc, fields, cells, row, first_cell + rank[pending])
        pending += 1


@compiled
def _keep(acc: Ints, fields: int, cells: Ints, row: int, cell: int) -> None:
    for field in range(fields):
        cells[row, cell, field] = acc[field]


@compiled
def _add_products(v: int, a: int, acc: Ints) -> None:
    v_high, v_low, a_high, a_low = v >> _LIMB, v & _LOW, a >> _LIMB, a & _LOW
    acc[AGES] += a
    acc[VV] += v_high * v_high
    acc[VV + 1] += 2 * v_high * v_low
    acc[VV + 2] += v_low * v_low
    acc[VA] += v_high * a_high
    acc[VA + 1] += v_high * a_low + v_low * a_high
    acc[VA + 2] += v_low * a_low
    acc[AA] += a_high * a_high
    acc[AA + 1] += 2 * a_high * a_low
    acc[AA + 2] += a_low * a_low


@compiled
def _begin_of_streams(low: int, high: int, order: Ints, stream: Ints, begin: Ints) -> None:
    """``begin[k]:begin[k + 1]`` become the places of the events of stream ``k`` of one subject."""
    number = 0
    for at in range(low, high):
        while number <= stream[order[at]]:
            begin[number] = at
            number += 1
    while number < len(begin):
        begin[number] = high
        number += 1


@compiled
def _early_ends(
    first_cell: int, end: int, kind: Ints, length: Ints, t: int, stay_start: int, after: Ints, rank: Ints
) -> None:
    """``after`` of each cell of a stream (its events are later), and the cells with the latest one first."""
    for cell in range(first_cell, end):
        anchor = t
        if kind[cell] == 1:
            anchor = stay_start - 1 if stay_start != NO_TIME else NO_TIME
        if anchor == NO_TIME:
            early = _NOTHING_LATER
        elif length[cell] < 0:
            early = NO_TIME
        else:
            early = anchor - length[cell]
        place = cell - first_cell
        after[place] = early
        while place > 0 and after[rank[place - 1]] < early:
            rank[place] = rank[place - 1]
            place -= 1
        rank[place] = cell - first_cell


@compiled
def moments(
    rows: Ints, row_time: Ints, order: Ints, first: Ints, stream: Ints, time: Ints, known: Ints, until: Ints,
    value: Ints, identity: Ints, mode: Ints, cells_of: Ints, kind: Ints, length: Ints, stay_stream: int,
    visit_stream: int, most: int, cells: Ints, stays: Ints,
) -> None:  # fmt: skip
    """Fills ``cells`` (row × cell × FIELDS) and ``stays`` (row × STAY_FIELDS).

    ``rows`` are positions of subjects, ``row_time`` the prediction times in microseconds. ``order`` and
    ``first`` are those of :mod:`~medcairn.features.kernels.ordering`. ``mode`` is of each stream;
    ``cells_of`` says which cells a stream has; ``kind`` is 0 for windows that end at the prediction time, 1
    for those that begin with the index stay; ``length`` is the window (or how long before the stay it begins)
    in microseconds, -1 for ever. ``most`` is the most events of one stream.
    """
    streams = len(mode)
    begin, acc = np.zeros(streams + 1, np.int64), np.zeros(FIELDS, np.int64)
    size = 16
    while size < 2 * most:
        size *= 2
    seen, stamp = np.zeros(size, np.int64), np.full(size, -1, np.int64)
    after, rank = np.zeros(len(kind) + 1, np.int64), np.zeros(len(kind) + 1, np.int64)
    subject = -1
    for row in range(len(rows)):
        t = row_time[row]
        if rows[row] != subject:
            subject = rows[row]
            _begin_of_streams(first[subject], first[subject + 1], order, stream, begin)
        for cell in range(len(kind)):
            cells[row, cell, N] = 0
        stays[row, STAY_START] = NO_TIME
        if stay_stream >= 0:
            _index_stay(
                begin[stay_stream], begin[stay_stream + 1], begin[visit_stream], begin[visit_stream + 1], t,
                order, time, known, until, value, stays, row,
            )  # fmt: skip
        for number in range(streams):
            low, high, these, those = begin[number], begin[number + 1], cells_of[number], cells_of[number + 1]
            if mode[number] == ASIDE or low == high or these == those:
                continue
            _early_ends(these, those, kind, length, t, stays[row, STAY_START], after, rank)
            if mode[number] == SUPPLY:
                for cell in range(these, those):
                    early = after[cell - these]
                    _supply(low, high, early, t, order, time, known, until, value, cells, row, cell)
            else:
                _windows(
                    low, high, t, mode[number], after, rank, those - these, order, time, known, until, value,
                    identity, seen, stamp, row * streams + number, acc, cells, row, these,
                )  # fmt: skip


__all__ = ["FIELDS", "MOST_EVENTS", "STAY_FIELDS", "moments"]
