"""MEDS rows as a grid: one line for each instant of each subject, and how often each predicate held there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from medcairn.core.errors import SettingsError
from medcairn.features.aces.task import ANY_EVENT, RECORD_END, RECORD_START, AcesTask, Derived, Plain
from medcairn.features.policy_file import safe_label
from medcairn.features.silver_columns import NO_TIME, Flags, Ints


@dataclass(frozen=True)
class Grid:
    """Lines sorted by subject (a position in ``ids``, which is sorted) and time (microseconds)."""

    ids: pa.Array
    subject: Ints
    time: Ints
    counts: Mapping[str, Ints]

    def lines_before(self, subject: Ints, time: Ints, *, or_at: bool) -> Ints:
        """For each pair the number of lines that come before it (``or_at``: or at it)."""
        instants = np.unique(np.concatenate([self.time, time]))
        width = len(instants) + 1
        lines = self.subject * width + np.searchsorted(instants, self.time)
        wanted = subject * width + np.searchsorted(instants, time)
        return np.searchsorted(lines, wanted, "right" if or_at else "left").astype(np.int64)

    def totals(self, predicate: str) -> Ints:
        """Running totals: element *n* is the sum over the first *n* lines."""
        return np.concatenate([np.zeros(1, np.int64), np.cumsum(self.counts[predicate])])


def grid_of(task: AcesTask, data: pa.Table) -> Grid:
    """The grid of a task over MEDS rows (``subject_id``, ``time``, ``code``, ``numeric_value``, …).

    ``time`` is naive and taken as UTC; rows without one are static. A number is compared as 32-bit float,
    as MEDS keeps it; one that is absent or NaN is within no limits.

    Raises :class:`SettingsError` when a predicate names a column that the data do not have.
    """
    subjects = data.column("subject_id").combine_chunks()
    ids = pc.unique(subjects)
    ids = ids.take(pc.array_sort_indices(ids))
    subject = np.asarray(pc.index_in(subjects, value_set=ids)).astype(np.int64)
    time = _times(data)
    plain = {name: _matches(name, p, data) for name, p in task.predicates.items() if isinstance(p, Plain)}
    timed = time != NO_TIME
    for name in task.demographics:
        has = np.bincount(subject[plain[name] & ~timed], minlength=len(ids)) > 0
        timed &= has[subject]
    order = np.lexsort((time, subject))
    order = order[timed[order]]
    subject, time = subject[order], time[order]
    first = np.ones(len(order), np.bool_)
    first[1:] = (subject[1:] != subject[:-1]) | (time[1:] != time[:-1])
    begin = np.flatnonzero(first)
    counts = {
        name: np.add.reduceat(matches[order].astype(np.int64), begin) if len(begin) else np.zeros(0, np.int64)
        for name, matches in plain.items()
    }
    for name in task.demographics:  # whoever lacks one is gone, so it holds at every line that is left
        counts[name] = np.ones(len(begin), np.int64)
    subject, time = subject[begin], time[begin]
    return Grid(ids, subject, time, _with_derived(task, counts) | _special(subject))


def _with_derived(task: AcesTask, counts: dict[str, Ints]) -> dict[str, Ints]:
    for name, predicate in task.predicates.items():
        if isinstance(predicate, Derived):
            holds = [counts[one] > 0 for one in predicate.inputs]
            joined = np.logical_and if predicate.every else np.logical_or
            counts[name] = joined.reduce(holds).astype(np.int64)
    return counts


def _special(subject: Ints) -> dict[str, Ints]:
    changes = np.ones(len(subject) + 1, np.int64)
    changes[1:-1] = subject[1:] != subject[:-1]
    ends = changes[1:] if len(subject) else np.zeros(0, np.int64)
    starts = changes[:-1] if len(subject) else np.zeros(0, np.int64)
    return {ANY_EVENT: np.ones(len(subject), np.int64), RECORD_START: starts, RECORD_END: ends}


def _times(data: pa.Table) -> Ints:
    column = data.column("time").combine_chunks().cast(pa.timestamp("us")).cast(pa.int64())
    return np.asarray(pc.fill_null(column, NO_TIME)).astype(np.int64)


def _matches(name: str, predicate: Plain, data: pa.Table) -> Flags:
    matches = _of_codes(predicate, data.column("code").combine_chunks())
    if predicate.value_min is not None or predicate.value_max is not None:
        matches &= _within(predicate, data)
    for column, text in predicate.columns:
        if column not in data.column_names:
            raise SettingsError(
                "A predicate names a key of its own that is no column of the data either",
                hint="Known keys: code, value_min, value_max, value_min_inclusive, value_max_inclusive",
                key=safe_label(f"predicates.{name}.{column}"),
            )
        same = pc.equal(data.column(column).combine_chunks().cast(pa.string()), text)
        matches &= _flags(same)
    return matches


def _of_codes(predicate: Plain, codes: pa.Array) -> Flags:
    encoded = codes.cast(pa.string()).dictionary_encode() if not pa.types.is_dictionary(codes.type) else codes
    different = encoded.dictionary.cast(pa.string())
    if predicate.pattern is not None:
        found = pc.match_substring_regex(different, predicate.pattern)
    else:
        found = pc.is_in(different, value_set=pa.array(predicate.codes, pa.string()))
    if len(different) == 0:
        return np.zeros(len(codes), np.bool_)
    return _flags(found)[np.asarray(encoded.indices).astype(np.int64)]


def _within(predicate: Plain, data: pa.Table) -> Flags:
    if "numeric_value" not in data.column_names:
        return np.zeros(data.num_rows, np.bool_)
    column = data.column("numeric_value").combine_chunks().cast(pa.float32(), safe=False)
    value: NDArray[np.float32] = np.asarray(pc.fill_null(column, float("nan")).to_numpy(zero_copy_only=False))
    within = ~np.isnan(value)
    if predicate.value_min is not None:
        low = np.float32(predicate.value_min)
        within &= (value >= low) if predicate.value_min_inclusive else (value > low)
    if predicate.value_max is not None:
        high = np.float32(predicate.value_max)
        within &= (value <= high) if predicate.value_max_inclusive else (value < high)
    return np.asarray(within)


def _flags(array: pa.Array) -> Flags:
    return np.array(pc.fill_null(array, False).to_numpy(zero_copy_only=False), np.bool_)


__all__ = ["Grid", "grid_of"]
