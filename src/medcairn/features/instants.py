"""Counting along time, subject by subject: instants that lie before another, intervals that hold it."""

from __future__ import annotations

import numpy as np

from medcairn.features.silver_columns import Ints

NEVER = int(np.iinfo(np.int64).max)
"""Later than any time."""


def before(subject: Ints, time: Ints, of: Ints, at: Ints, *, or_at: bool) -> Ints:
    """For each pair (``of``, ``at``) how many of the pairs (``subject``, ``time``) come before it.

    Those must be sorted; subjects are numbers, times microseconds. ``or_at`` counts equal ones too.
    """
    instants = np.unique(np.concatenate([time, at]))
    width = len(instants) + 1
    keys = subject * width + np.searchsorted(instants, time)
    wanted = of * width + np.searchsorted(instants, at)
    return np.searchsorted(keys, wanted, "right" if or_at else "left").astype(np.int64)


def holding(subject: Ints, begin: Ints, end: Ints, of: Ints, at: Ints) -> Ints:
    """For each pair (``of``, ``at``) how many intervals [begin, end) of that subject hold it."""
    real = begin < end
    counts = np.zeros(len(of), np.int64)
    for edge, sign in ((begin, 1), (end, -1)):
        owner, time = subject[real], edge[real]
        order = np.lexsort((time, owner))
        counts += sign * before(owner[order], time[order], of, at, or_at=True)
    return counts


def first_of(subjects: int, owner: Ints, time: Ints) -> Ints:
    """The earliest time of each subject, :data:`NEVER` where there is none."""
    first = np.full(subjects, NEVER, np.int64)
    np.minimum.at(first, owner, time)
    return first


__all__ = ["NEVER", "before", "first_of", "holding"]
