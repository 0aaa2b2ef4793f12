"""Features of a whole silver folder, a stretch of subjects at a time, so that memory is bounded."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from medcairn.core.progress import Progress
from medcairn.features.compute import INDEX_SCHEMA, features_at
from medcairn.features.feature_set import FeatureSet
from medcairn.features.row_groups import places_before
from medcairn.features.silver_folder import SilverFolder, Stretch
from medcairn.features.streams import columns_of, tables_of

SUBJECTS_AT_ONCE = 1_000
"""Subjects of a cohort that are looked at together."""

INDEX_ROWS_AT_ONCE = 8_192
"""Index rows whose features are in one table."""

_THREADS = 2
Result = TypeVar("Result")


def features_in(
    silver: SilverFolder, index: pa.Table, feature_set: FeatureSet, progress: Progress
) -> Iterator[pa.Table]:
    """The features of ``index``, in tables of some subjects each, sorted by subject and time.

    Each row group of silver is read once; while the features of one stretch are computed the next is read.
    """
    from medcairn.features.plan import streams_of

    streams = streams_of(feature_set)
    index = index.select(INDEX_SCHEMA.names).sort_by([(name, "ascending") for name in INDEX_SCHEMA.names])
    columns = {name: columns_of(name, streams) for name in tables_of(streams)}
    progress.begin("Computing features", total=index.num_rows, unit="rows")
    stretches = silver.stretches(columns, subjects=pc.unique(index.column("subject_id")))
    work = (partial(_computed, tables, rows, feature_set) for tables, rows in _with_index(stretches, index))
    for tables in _in_order(work):
        for table in tables:
            yield table
            progress.advance(table.num_rows)


def _with_index(
    stretches: Iterable[Stretch], index: pa.Table
) -> Iterator[tuple[Mapping[str, pa.Table], pa.Table]]:
    """Each stretch's tables with the index rows of its subjects."""
    subjects = index.column("subject_id").combine_chunks()
    done = 0
    for stretch in stretches:
        end = len(subjects) if stretch.last is None else places_before(subjects, stretch.last, right=True)
        if end > done:
            yield stretch.tables, index.slice(done, end - done)
        done = end


def _computed(tables: Mapping[str, pa.Table], rows: pa.Table, feature_set: FeatureSet) -> list[pa.Table]:
    slices = (rows.slice(low, INDEX_ROWS_AT_ONCE) for low in range(0, rows.num_rows, INDEX_ROWS_AT_ONCE))
    return [features_at(tables, some, feature_set) for some in slices]


def _in_order(work: Iterable[Callable[[], Result]]) -> Iterator[Result]:
    """The results of ``work``, in its order, with a stretch being computed on each of two threads while the
    next is read. The kernels run without the interpreter's lock."""
    with ThreadPoolExecutor(_THREADS) as pool:
        under_way: deque[Future[Result]] = deque()
        for job in work:
            under_way.append(pool.submit(job))
            if len(under_way) > _THREADS:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()


__all__ = ["INDEX_ROWS_AT_ONCE", "SUBJECTS_AT_ONCE", "features_in"]
