"""Silver rows as events: what, of whom, when it held, from when to when it was known, and a whole number.

Features see nothing but events. An event counts at *t* when ``time <= t`` and ``known <= t < until``; every
version of a resource has its own events, so that a result corrected or withdrawn later still counts, as it
was then, at an earlier *t*. All numbers are integers, so that what is summed does not depend on the order of
rows.

In the streams of a measured concept ``identity`` is 0: two equal values at one instant are one measurement.
Elsewhere it is of the resource: two encounters that begin together are two.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from medcairn.features.event_columns import EventColumns, event_columns
from medcairn.features.event_rules import (
    EMERGENCY,
    INPATIENT,
    OUTPATIENT,
    SCALE,
    VOID,
)
from medcairn.features.silver_columns import Ints, SilverRows
from medcairn.features.streams import Carries, Stream, tables_of

EVENT_SCHEMA = pa.schema(
    [
        pa.field("subject_id", pa.string(), nullable=False),
        pa.field("stream", pa.int32(), nullable=False),
        pa.field("time", pa.int64(), nullable=False),
        pa.field("known", pa.int64(), nullable=False),
        pa.field("until", pa.int64(), nullable=False),
        pa.field("value", pa.int64(), nullable=False),
        pa.field("identity", pa.int64(), nullable=False),
    ]
)
"""Times are microseconds since 1970; the largest ``until`` means never. ``stream`` is a position in the
streams that the events were made for; ``value`` is what :class:`~medcairn.features.streams.Carries` says."""


def events_of(name: str, table: pa.Table | pa.RecordBatch, streams: Sequence[Stream]) -> pa.Table:
    """The events of ``streams`` in rows of the silver table ``name``; each row is looked at by itself.

    Rows that state no fact (entered in error, refuted, …), or that were never available, give none. A table
    that no stream reads gives none.

    Raises :class:`~medcairn.core.errors.DataError` for a table without a needed column, or an
    impossible value.
    """
    whole = pa.Table.from_batches([table]) if isinstance(table, pa.RecordBatch) else table
    rows = SilverRows(name, whole)
    parts = [_table_of(rows, part) for part in event_columns(rows, streams)]
    return pa.concat_tables(parts) if parts else EVENT_SCHEMA.empty_table()


@dataclass(frozen=True)
class Events:
    """Events sorted by subject, stream, time, value, identity; ``subject`` and ``stream`` are positions in
    the lists that they were made for. One row may be there twice when silver has it twice."""

    subject: Ints
    stream: Ints
    time: Ints
    known: Ints
    until: Ints
    value: Ints

    def __len__(self) -> int:
        return len(self.subject)


def read_events(
    tables: Mapping[str, pa.Table], subjects: pa.Array, streams: Sequence[Stream], *, current: bool = False
) -> Events:
    """The events of ``streams`` for ``subjects``; with ``current`` only those of rows that are current.

    Raises :class:`~medcairn.core.errors.DataError` for a silver table without a needed column, or an
    impossible value.
    """
    parts: list[tuple[Ints, EventColumns]] = []
    for name in tables_of(streams):
        rows = SilverRows.of(tables, name)
        rows = rows.where(rows.flags("current")) if current else rows
        parts.extend(
            (rows.position_in("subject_id", subjects), part) for part in event_columns(rows, streams)
        )
    return _sorted(parts)


def valid_rows(tables: Mapping[str, pa.Table], name: str, *, current: bool = False) -> SilverRows:
    """The rows of a silver table that state a fact; see :data:`~medcairn.features.event_rules.VOID`.

    With ``current`` only the rows of newest versions that were not deleted.
    """
    rows = SilverRows.of(tables, name)
    column, statuses = VOID[name]
    facts = ~rows.one_of(column, statuses)
    return rows.where(facts & rows.flags("current") if current else facts)


def _table_of(rows: SilverRows, part: EventColumns) -> pa.Table:
    subject = rows.column("subject_id")
    chosen = np.flatnonzero(part.stream >= 0)
    owner = pa.array(part.row[chosen])
    whose = subject.take(owner).cast(pa.string())
    if whose.null_count:  # a row of nobody is nobody's event
        there = whose.is_valid().to_numpy(zero_copy_only=False)
        chosen, whose = chosen[there], whose.drop_null()
    columns = [part.stream[chosen].astype(np.int32), part.time[chosen], part.known[chosen]]
    columns += [part.until[chosen], part.value[chosen], part.identity[chosen]]
    return pa.table([whose, *(pa.array(column) for column in columns)], schema=EVENT_SCHEMA)


def _sorted(parts: Sequence[tuple[Ints, EventColumns]]) -> Events:
    subject, stream, time, known, until, value, identity = joined(parts)
    order = np.lexsort((identity, value, time, stream, subject))
    order = order[(subject[order] >= 0) & (stream[order] >= 0)]
    return Events(subject[order], stream[order], time[order], known[order], until[order], value[order])


def joined(parts: Sequence[tuple[Ints, EventColumns]]) -> tuple[Ints, Ints, Ints, Ints, Ints, Ints, Ints]:
    """Subject, stream, time, known, until, value, identity of all parts; the subject is that of the row."""
    if not parts:
        none = np.zeros(0, np.int64)
        return none, none, none, none, none, none, none
    return (
        _one([subject[part.row] for subject, part in parts]),
        _one([part.stream for _, part in parts]),
        _one([part.time for _, part in parts]),
        _one([part.known for _, part in parts]),
        _one([part.until for _, part in parts]),
        _one([part.value for _, part in parts]),
        _one([part.identity for _, part in parts]),
    )


def _one(arrays: list[Ints]) -> Ints:
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


__all__ = [
    "EMERGENCY",
    "EVENT_SCHEMA",
    "INPATIENT",
    "OUTPATIENT",
    "SCALE",
    "VOID",
    "Carries",
    "Events",
    "Stream",
    "events_of",
    "joined",
    "read_events",
    "tables_of",
    "valid_rows",
]
