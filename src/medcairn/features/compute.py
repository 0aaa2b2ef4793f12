"""Features of subjects at points in time: one function for a training table and for a bedside request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from medcairn.core.errors import DataError
from medcairn.features.events import Stream, read_events
from medcairn.features.feature_set import Aggregate, Feature, FeatureSet, Source
from medcairn.features.finisher import SECOND_ORDER, finish, finish_products
from medcairn.features.index_stay import IndexStays, index_stays
from medcairn.features.moments import Cells, Known, cells, joined, known_events, moments, products, window
from medcairn.features.silver_columns import NO_TIME, Floats, Ints
from medcairn.features.subjects import read_subjects

_MICROSECONDS_PER_DAY = 86_400_000_000
_STAY_COUNTS: Mapping[str, Source] = {
    "procedures": Source.PROCEDURE,
    "conditions": Source.CONDITION,
    "medications": Source.MEDICATION,
}
INDEX_SCHEMA = pa.schema([("subject_id", pa.string()), ("prediction_time", pa.timestamp("us", tz="UTC"))])
"""What an index table has."""


@dataclass(frozen=True)
class _Index:
    """The index rows: positions of their subjects among the different ones, and times in microseconds."""

    subjects: pa.Array
    subject: Ints
    time: Ints


def features_at(tables: Mapping[str, pa.Table], index: pa.Table, feature_set: FeatureSet) -> pa.Table:
    """The features of every row of ``index`` (``subject_id``, ``prediction_time``), in its order.

    ``tables`` are silver tables by name; an absent one has no rows. A fact counts when it held at or
    before the prediction time *and* was available by then. The result has the two index columns and one
    float64 column for each feature; null is missing. It does not depend on the order of rows in
    ``tables``, on rows that are there twice, or on which other index rows are asked for.

    Raises :class:`DataError` for an index or silver table that cannot be used.
    """
    rows = _read_index(index)
    columns = _Computation(tables, rows, feature_set).columns()
    names = [*INDEX_SCHEMA.names, *feature_set.names]
    arrays = [index.column(name).cast(INDEX_SCHEMA.field(name).type) for name in INDEX_SCHEMA.names]
    arrays += [pa.array(columns[name], pa.float64(), from_pandas=True) for name in feature_set.names]
    return pa.table(arrays, names=names)


def _read_index(index: pa.Table) -> _Index:
    problem = not set(INDEX_SCHEMA.names) <= set(index.column_names)
    if not problem:
        try:
            index = index.select(INDEX_SCHEMA.names).cast(INDEX_SCHEMA)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, ValueError):
            problem = True
    if problem or any(column.null_count for column in index.columns):
        raise DataError(
            "The index table needs subject_id (text) and prediction_time (time in UTC), both without nulls"
        )
    subject_ids = index.column("subject_id").combine_chunks()
    subjects = pc.unique(subject_ids)
    position = pc.index_in(subject_ids, value_set=subjects)
    times = index.column("prediction_time").combine_chunks().cast(pa.int64())
    return _Index(subjects, np.asarray(position).astype(np.int64), np.asarray(times).astype(np.int64))


_CellKey: TypeAlias = tuple[Stream, int | None, bool]
_Where: TypeAlias = Mapping[str, tuple[_CellKey, Cells]]


class _Computation:
    """One call of :func:`features_at`."""

    def __init__(self, tables: Mapping[str, pa.Table], index: _Index, feature_set: FeatureSet) -> None:
        self._tables = tables
        self._index = index
        self._features = feature_set.features
        self._streams = sorted({stream for f in self._features if (stream := _stream(f)) is not None})
        self._stays: IndexStays | None = None
        if any(f.source is Source.INDEX_STAY for f in self._features):
            self._stays = index_stays(tables, index.subjects, index.subject, index.time)

    def columns(self) -> dict[str, Floats]:
        """Every feature's values, NaN for missing."""
        found: dict[str, Floats] = {}
        found |= self._demographics()
        found |= self._stay_facts()
        found |= self._windowed()
        return found

    def _windowed(self) -> dict[str, Floats]:
        """All features that sum up events, an aggregate at a time over the cells of its features."""
        if not self._streams:
            return {}
        events = read_events(self._tables, self._index.subjects, self._streams)
        distinct = np.array([stream.distinct for stream in self._streams])
        known = known_events(events, self._index.subject, self._index.time, distinct)
        where = self._cells(known)
        columns = self._first_order(known, where) | self._second_order(known, where)
        return self._without_stay(columns)

    def _cells(self, known: Known) -> dict[str, tuple[_CellKey, Cells]]:
        """The cells of every feature that sums up events; features of one stream and window share theirs."""
        windows: dict[tuple[int | None, bool], Ints] = {}
        made: dict[_CellKey, Cells] = {}
        where: dict[str, tuple[_CellKey, Cells]] = {}
        place = {stream: number for number, stream in enumerate(self._streams)}
        for feature in self._features:
            stream = _stream(feature)
            if stream is None:
                continue
            span = (feature.window_days, feature.source is Source.INDEX_STAY)
            if span not in windows:
                windows[span] = window(known, self._after(feature))
            key = (stream, *span)
            if key not in made:
                made[key] = cells(known, place[stream], windows[span])
            where[feature.name] = (key, made[key])
        return where

    def _after(self, feature: Feature) -> Ints:
        """The early end of a feature's window for each index row; events must be later than it."""
        if feature.source is Source.INDEX_STAY:
            assert self._stays is not None
            return np.where(self._stays.start == NO_TIME, self._index.time, self._stays.start - 1)
        if feature.window_days is None:
            return np.full(len(self._index.time), NO_TIME, np.int64)
        return self._index.time - feature.window_days * _MICROSECONDS_PER_DAY

    def _first_order(self, known: Known, where: _Where) -> dict[str, Floats]:
        wanted = [f for f in self._features if f.name in where and f.aggregate not in SECOND_ORDER]
        different = dict(where[f.name] for f in wanted)
        if not different:
            return {}
        rows = len(self._index.time)
        of = moments(known, self._index.time, joined(list(different.values())))
        begin = {key: place * rows for place, key in enumerate(different)}
        out: dict[str, Floats] = {}
        for feature in wanted:
            first = begin[where[feature.name][0]]
            out[feature.name] = finish(_counted_as(feature), of.part(first, first + rows))
        return out

    def _second_order(self, known: Known, where: _Where) -> dict[str, Floats]:
        out: dict[str, Floats] = {}
        rows = len(self._index.time)
        for aggregate in sorted(SECOND_ORDER):
            same = [f for f in self._features if f.aggregate is aggregate]
            if same:
                of = products(known, self._index.time, joined([where[f.name][1] for f in same]))
                values = finish_products(aggregate, of)
                out |= {f.name: values[p * rows : (p + 1) * rows] for p, f in enumerate(same)}
        return out

    def _without_stay(self, columns: dict[str, Floats]) -> dict[str, Floats]:
        """Counts within the index stay are missing where there is none."""
        for feature in self._features:
            if feature.source is Source.INDEX_STAY and feature.name in columns:
                assert self._stays is not None
                columns[feature.name] = np.where(self._stays.start == NO_TIME, np.nan, columns[feature.name])
        return columns

    def _stay_facts(self) -> dict[str, Floats]:
        if self._stays is None:
            return {}
        facts = {
            "length_days": self._stays.length_days,
            "emergency": self._stays.emergency,
            "to_facility": self._stays.to_facility,
        }
        return {
            f.name: facts[f.concept]
            for f in self._features
            if f.source is Source.INDEX_STAY and f.concept in facts
        }

    def _demographics(self) -> dict[str, Floats]:
        wanted = [f for f in self._features if f.source is Source.DEMOGRAPHICS]
        if not wanted:
            return {}
        subjects = read_subjects(self._tables, self._index.subjects)
        facts = {
            "age_years": subjects.age(self._index.subject, self._index.time),
            "female": subjects.female[self._index.subject],
        }
        return {f.name: facts[f.concept] for f in wanted}


def _stream(feature: Feature) -> Stream | None:
    """The events that a feature sums up; None when it sums up none."""
    if feature.source is Source.DEMOGRAPHICS:
        return None
    if feature.source is Source.INDEX_STAY:
        source = _STAY_COUNTS.get(feature.concept)
        return None if source is None else Stream(source, feature.concept)
    return Stream(feature.source, feature.concept, feature.aggregate is Aggregate.DISTINCT)


def _counted_as(feature: Feature) -> Aggregate:
    return Aggregate.COUNT if feature.source is Source.INDEX_STAY else feature.aggregate


__all__ = ["INDEX_SCHEMA", "features_at"]
