"""The same features on a Spark cluster: silver rows to events on executors, then the kernels by stretches.

Spark reads, filters and brings each stretch of subjects together; the two functions that make features are
those of :mod:`medcairn.features.events` and :mod:`medcairn.features.compute`, so the result is the same to
the last bit. Executors need this package.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from medcairn.core.delta import is_delta
from medcairn.core.errors import ExternalError, MedcairnError
from medcairn.core.progress import Progress
from medcairn.core.spark import classic, read_table
from medcairn.features.compute import INDEX_SCHEMA, feature_schema, features_of_events
from medcairn.features.events import EVENT_SCHEMA, events_of
from medcairn.features.feature_set import FeatureSet
from medcairn.features.silver_columns import check_columns
from medcairn.features.streams import Stream, columns_of, tables_of

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

SUBJECTS_A_STRETCH = 1_000
"""Subjects whose features one call computes."""

STRETCHES_A_WAVE = 32
"""Stretches whose features are on the driver together: of 270 features about 70 MB."""

_Batches = Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]
_STRETCH = pa.field("stretch", pa.int32(), nullable=False)


def features_on_spark(
    session: SparkSession,
    silver_dir: Path,
    index: pa.Table,
    feature_set: FeatureSet,
    progress: Progress,
) -> Iterator[pa.Table]:
    """As :func:`~medcairn.features.batch.features_in`: the features of ``index``, sorted by subject and time.

    Raises :class:`~medcairn.core.errors.DataError` for an index or silver table that cannot be used,
    :class:`~medcairn.core.errors.UsageError` for a Spark Connect session, :class:`ExternalError` when a Spark
    job fails.
    """
    from medcairn.features.plan import streams_of

    session = classic(session)
    streams = streams_of(feature_set)
    index = index.select(INDEX_SCHEMA.names).sort_by([(name, "ascending") for name in INDEX_SCHEMA.names])
    subjects = pc.unique(index.column("subject_id")).to_numpy(zero_copy_only=False)
    progress.begin("Computing features on Spark", total=index.num_rows, unit="rows")
    of_wave = SUBJECTS_A_STRETCH * STRETCHES_A_WAVE
    for begin in range(0, len(subjects), of_wave):
        wave = subjects[begin : begin + of_wave]
        rows = _between(index, wave[0], wave[-1])
        yield _wave(session, silver_dir, rows, wave[::SUBJECTS_A_STRETCH], feature_set, streams)
        progress.advance(rows.num_rows)


def _between(index: pa.Table, first: str, last: str) -> pa.Table:
    subject = index.column("subject_id")
    return index.filter(pc.and_(pc.greater_equal(subject, first), pc.less_equal(subject, last)))


def _wave(
    session: SparkSession,
    silver_dir: Path,
    rows: pa.Table,
    starts: Sequence[str],
    feature_set: FeatureSet,
    streams: Sequence[Stream],
) -> pa.Table:
    """The features of some stretches of subjects; ``starts`` are the first subjects of each."""
    first, last = rows.column("subject_id")[0].as_py(), rows.column("subject_id")[-1].as_py()
    found: pa.Table | None = None
    error: MedcairnError | None = None
    try:
        events = _events(session, silver_dir, (first, last), starts, streams)
        stretch = pa.array(_stretches(rows.column("subject_id"), starts), pa.int32())
        asked = session.createDataFrame(rows.append_column(_STRETCH, stretch))
        together = events.groupBy("stretch").cogroup(asked.groupBy("stretch"))
        done = together.applyInArrow(_features(feature_set), _spark_schema(feature_schema(feature_set)))
        found = done.toArrow()
    except MedcairnError as failure:
        error = failure
    except Exception as failure:  # noqa: BLE001 -- py4j's errors quote data; none may travel on
        del failure
    if error is not None:
        raise error
    if found is None:
        raise ExternalError("A Spark job failed", hint="Look at the executors' logs, then run again")
    keys = [(name, "ascending") for name in INDEX_SCHEMA.names]
    return found.cast(feature_schema(feature_set)).sort_by(keys)


def _events(
    session: SparkSession,
    silver_dir: Path,
    between: tuple[str, str],
    starts: Sequence[str],
    streams: Sequence[Stream],
) -> DataFrame:
    """The events of the subjects ``between`` two, from every silver table that the streams need."""
    schema = pa.schema([*EVENT_SCHEMA, _STRETCH])
    frames = [session.createDataFrame([], _spark_schema(schema))]
    for name in tables_of(streams):
        if is_delta(silver_dir / name):
            table = _columns(read_table(session, silver_dir / name), name, columns_of(name, streams))
            chosen = table.where(table.subject_id.between(*between))
            frames.append(chosen.mapInArrow(_of_table(name, starts, streams), _spark_schema(schema)))
    events = frames[0]
    for frame in frames[1:]:
        events = events.unionByName(frame)
    return events


def _columns(table: DataFrame, name: str, columns: Sequence[str]) -> DataFrame:
    check_columns(name, table.columns, columns)
    return table.select(*columns)


def _of_table(name: str, starts: Sequence[str], streams: Sequence[Stream]) -> _Batches:
    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            events = events_of(name, batch, streams)
            stretch = pa.array(_stretches(events.column("subject_id"), starts), pa.int32())
            yield from events.append_column(_STRETCH, stretch).to_batches()

    return run


def _features(feature_set: FeatureSet) -> Callable[[pa.Table, pa.Table], pa.Table]:
    def run(events: pa.Table, index: pa.Table) -> pa.Table:
        if index.num_rows == 0:
            return feature_schema(feature_set).empty_table()
        return features_of_events(
            events.drop_columns(["stretch"]), index.drop_columns(["stretch"]), feature_set
        )

    return run


def _stretches(subjects: pa.ChunkedArray, starts: Sequence[str]) -> NDArray[np.int32]:
    """The position of each subject's stretch."""
    encoded = subjects.combine_chunks().dictionary_encode()
    names = np.asarray(encoded.dictionary.to_numpy(zero_copy_only=False), dtype=object)
    positions = np.searchsorted(np.asarray(starts, dtype=object), names, "right") - 1
    return np.asarray(positions[np.asarray(encoded.indices)], np.int32)


def _spark_schema(schema: pa.Schema) -> str:
    """An Arrow schema as Spark writes one."""
    kinds = {pa.string(): "string", pa.int32(): "int", pa.int64(): "bigint", pa.float64(): "double"}
    return ", ".join(f"`{field.name}` {kinds.get(field.type, 'timestamp')}" for field in schema)


__all__ = ["STRETCHES_A_WAVE", "SUBJECTS_A_STRETCH", "features_on_spark"]
