"""Puts events in order: by subject, stream, time, value, identity. Linear time for what is nearly sorted."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from medcairn.features.kernels.compiled import compiled

Ints = npt.NDArray[np.int64]


@compiled
def _after(one: int, other: int, time: Ints, value: Ints, identity: Ints) -> bool:
    """Whether event ``one`` comes after event ``other`` within a stream."""
    if time[one] != time[other]:
        return bool(time[one] > time[other])
    if value[one] != value[other]:
        return bool(value[one] > value[other])
    return bool(identity[one] > identity[other])


@compiled
def _sort_run(order: Ints, begin: int, end: int, time: Ints, value: Ints, identity: Ints) -> None:
    """Sorts ``order[begin:end]``; a run that is sorted costs one look, one in disorder O(n^1.5)."""
    gap = 1
    for place in range(begin + 1, end):
        if _after(order[place - 1], order[place], time, value, identity):
            while gap < (end - begin) // 3:
                gap = gap * 3 + 1
            break
    else:
        return
    while gap > 0:  # Shell's sort: no memory, no recursion
        for place in range(begin + gap, end):
            moved, hole = order[place], place
            while hole - gap >= begin and _after(order[hole - gap], moved, time, value, identity):
                order[hole] = order[hole - gap]
                hole -= gap
            order[hole] = moved
        gap //= 3


@compiled
def ordered(
    subject: Ints, stream: Ints, time: Ints, value: Ints, identity: Ints, subjects: int, streams: int
) -> tuple[Ints, Ints, int]:
    """The order of the events, where each subject's begin in it, and the most events of one stream.

    ``order[first[s]:first[s + 1]]`` are the events of subject ``s``. Events whose stream or subject is
    negative are left out.
    """
    first = np.zeros(subjects + 1, np.int64)
    for event in range(len(subject)):
        if subject[event] >= 0 and stream[event] >= 0:
            first[subject[event] + 1] += 1
    for one in range(subjects):
        first[one + 1] += first[one]
    by_subject = np.empty(first[subjects], np.int64)
    place = first[:-1].copy()
    for event in range(len(subject)):
        one = subject[event]
        if one >= 0 and stream[event] >= 0:
            by_subject[place[one]] = event
            place[one] += 1
    order = np.empty(len(by_subject), np.int64)
    begin = np.zeros(streams + 1, np.int64)
    most = 0
    for one in range(subjects):
        low, high = first[one], first[one + 1]
        begin[:] = 0
        for at in range(low, high):
            begin[stream[by_subject[at]] + 1] += 1
        for number in range(streams):
            most = max(most, begin[number + 1])
            begin[number + 1] += begin[number]
        for at in range(low, high):
            event = by_subject[at]
            order[low + begin[stream[event]]] = event
            begin[stream[event]] += 1
        run = 0
        for number in range(streams):  # begin[number] is where the run of that stream ends now
            if begin[number] - run > 1:
                _sort_run(order, low + run, low + begin[number], time, value, identity)
            run = begin[number]
    return order, first, most


__all__ = ["ordered"]
