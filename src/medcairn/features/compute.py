"""Features of subjects at points in time: one function for a training table, a cluster and a bedside request.

The kernels are compiled by numba, which is imported only when features are computed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from medcairn.core.errors import DataError
from medcairn.features.event_columns import event_columns
from medcairn.features.events import EVENT_SCHEMA, joined
from medcairn.features.feature_set import FeatureSet
from medcairn.features.silver_columns import Floats, Ints, SilverRows
from medcairn.features.streams import tables_of

if TYPE_CHECKING:
    from medcairn.features.plan import Plan

_ROWS_AT_ONCE = 64
"""Index rows whose cells are in memory together: few enough to stay in the processor's cache."""

INDEX_SCHEMA = pa.schema([("subject_id", pa.string()), ("prediction_time", pa.timestamp("us", tz="UTC"))])
"""What an index table has."""


def feature_schema(feature_set: FeatureSet) -> pa.Schema:
    """The schema of a feature table: the index, then one float64 column for each feature."""
    return pa.schema([*INDEX_SCHEMA, *(pa.field(name, pa.float64()) for name in feature_set.names)])


def features_at(tables: Mapping[str, pa.Table], index: pa.Table, feature_set: FeatureSet) -> pa.Table:
    """The features of every row of ``index`` (``subject_id``, ``prediction_time``), in its order.

    ``tables`` are silver tables by name; an absent one has no rows. A fact counts when it held at or before
    the prediction time *and* was known then, in the version known then. The result has
    :func:`feature_schema`; null is missing. It does not depend on the order of rows in ``tables``, or on
    which other index rows are asked for.

    Raises :class:`DataError` for an index or silver table that cannot be used.
    """
    from medcairn.features.plan import plan_of

    plan = plan_of(feature_set)
    rows = read_index(index)
    parts = []
    for name in tables_of(plan.streams):
        silver = SilverRows.of(tables, name)
        subject = silver.position_in("subject_id", rows.subjects)
        parts += [(subject, part) for part in event_columns(silver, plan.streams)]
    return feature_table(rows, SortedEvents.of(joined(parts), len(rows.subjects), plan), plan, feature_set)


def features_of_events(events: pa.Table, index: pa.Table, feature_set: FeatureSet) -> pa.Table:
    """As :func:`features_at`, from a table of :data:`~medcairn.features.events.EVENT_SCHEMA`.

    The events are those that :func:`~medcairn.features.events.events_of` made for the streams of the same
    feature set, of all silver tables together, in any order.
    """
    from medcairn.features.plan import plan_of

    plan = plan_of(feature_set)
    rows = read_index(index)
    columns = {name: events.column(name) for name in EVENT_SCHEMA.names}
    subject = pc.fill_null(pc.index_in(columns.pop("subject_id"), value_set=rows.subjects), -1)
    together = tuple(_int64(column) for column in (subject, *columns.values()))
    return feature_table(rows, SortedEvents.of(together, len(rows.subjects), plan), plan, feature_set)


@dataclass(frozen=True)
class Index:
    """Index rows: the different subjects, each row's position among them, and times in microseconds."""

    table: pa.Table
    subjects: pa.Array
    subject: Ints
    time: Ints


def read_index(index: pa.Table) -> Index:
    """The rows of an index table. Raises :class:`DataError` when it is none."""
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
    subjects = pc.unique(index.column("subject_id"))
    position = pc.index_in(index.column("subject_id"), value_set=subjects)
    return Index(index, subjects, _int64(position), _int64(index.column("prediction_time").cast(pa.int64())))


@dataclass(frozen=True)
class SortedEvents:
    """Events, and their order by subject, stream, time, value; ``first`` says where each subject's begin.

    The arrays are read-only: kernels are compiled once for such ones, wherever the events came from.
    """

    order: Ints
    first: Ints
    most: int
    stream: Ints
    time: Ints
    known: Ints
    until: Ints
    value: Ints
    identity: Ints

    @classmethod
    def of(cls, events: tuple[Ints, ...], subjects: int, plan: Plan) -> SortedEvents:
        """``events`` are subject, stream, time, known, until, value, identity.

        Raises :class:`DataError` when one subject has too many events of one stream to sum up exactly.
        """
        from medcairn.features.kernels.moments import MOST_EVENTS
        from medcairn.features.kernels.ordering import ordered

        subject, stream, time, known, until, value, identity = map(_read_only, events)
        order, first, most = ordered(subject, stream, time, value, identity, subjects, len(plan.streams))
        if most > MOST_EVENTS:
            raise DataError(
                "One subject has more facts of one concept than can be summed up exactly",
                hint="Look for rows that belong to many people under one subject id",
                rows=most,
                most=MOST_EVENTS,
            )
        return cls(order, first, most, stream, time, known, until, value, identity)


def feature_values(subject: Ints, time: Ints, events: SortedEvents, plan: Plan) -> Floats:
    """Features × rows, for index rows of ``subject`` (positions) at ``time``; NaN is missing."""
    from medcairn.features.kernels.finisher import finish
    from medcairn.features.kernels.moments import FIELDS, STAY_FIELDS, moments

    out = np.empty((len(plan.columns), len(time)), np.float64)
    at_once = min(_ROWS_AT_ONCE, max(len(time), 1))
    cells = np.zeros((at_once, plan.cells, FIELDS), np.int64)
    stays = np.zeros((at_once, STAY_FIELDS), np.int64)
    for low in range(0, len(time), at_once):
        rows, times = subject[low : low + at_once], time[low : low + at_once]
        moments(
            rows, times, events.order, events.first, events.stream, events.time, events.known, events.until,
            events.value, events.identity, plan.mode, plan.cells_of, plan.kind, plan.length, plan.stay_stream,
            plan.visit_stream, events.most, cells, stays,
        )  # fmt: skip
        finish(
            times, cells, stays, plan.slots, plan.columns, plan.terms_of, plan.terms, plan.inputs,
            plan.guards, plan.steps, out, low,
        )  # fmt: skip
    return out


def feature_table(rows: Index, events: SortedEvents, plan: Plan, feature_set: FeatureSet) -> pa.Table:
    """The feature table of index rows, in their order."""
    values = feature_values(rows.subject, rows.time, events, plan)
    columns = [pa.array(column, pa.float64(), from_pandas=True) for column in values]
    return pa.table([*rows.table.columns, *columns], schema=feature_schema(feature_set))


def warm() -> None:
    """Compile the kernels, or load them from the cache, so that the first request does not wait for it."""
    from medcairn.features.feature import Aggregate, Feature, Source
    from medcairn.features.kernels.text_numbers import paired, text_numbers

    numbers = text_numbers(pa.array(["a"]))
    paired(numbers, numbers)
    one = Feature("age_years", Source.DEMOGRAPHICS, "age_years", Aggregate.VALUE, None)
    index = pa.table([pa.array([""]), pa.array([0], pa.timestamp("us", tz="UTC"))], schema=INDEX_SCHEMA)
    features_at({}, index, FeatureSet("warm", 1, (one,)))


def _int64(array: pa.Array | pa.ChunkedArray) -> Ints:
    combined = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
    return np.array(combined.to_numpy(zero_copy_only=False), np.int64)


def _read_only(array: Ints) -> Ints:
    view = np.ascontiguousarray(array).view()
    view.flags.writeable = False
    return view


__all__ = [
    "INDEX_SCHEMA",
    "Index",
    "SortedEvents",
    "feature_schema",
    "features_at",
    "features_of_events",
    "feature_table",
    "feature_values",
    "read_index",
    "warm",
]
