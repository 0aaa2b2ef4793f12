"""A silver folder on disk: its Delta tables, read by ranges of subjects."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from medcairn.core.delta import check_parquet, delta_files, is_delta
from medcairn.core.errors import UsageError
from medcairn.features.row_groups import TableReader
from medcairn.features.silver_columns import COLUMNS, SilverRows
from medcairn.features.subjects import AVAILABLE_IN

ROWS_AT_ONCE = 1 << 18
"""About how many rows of silver are in memory together; never less than one row group of each table."""


@dataclass(frozen=True)
class Stretch:
    """Rows of some silver tables: all rows of the subjects after the stretch before and up to ``last``.

    ``last`` is None for the last stretch, which has no end.
    """

    last: str | None
    tables: Mapping[str, pa.Table]


class SilverFolder:
    """Reads silver tables. Make one with :func:`open_silver`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._files = {name: delta_files(folder / name) for name in COLUMNS if is_delta(folder / name)}
        for files in self._files.values():
            for file in files:
                check_parquet(file)

    def subject_ids(self) -> pa.Array:
        """Ids of all subjects with a patient row, sorted."""
        ids = pc.drop_null(
            pc.unique(self._all("patient", ["subject_id"]).column("subject_id").cast(pa.string()))
        )
        return ids.take(pc.array_sort_indices(ids))

    def read(
        self,
        name: str,
        first: str,
        last: str,
        *,
        concepts: Collection[str] | None = None,
        columns: Sequence[str] | None = None,
    ) -> pa.Table:
        """The rows of a table whose subject lies from ``first`` to ``last``, both included.

        All of :data:`COLUMNS`, or ``columns``; with ``concepts`` only rows of those. No order is promised. To
        read a whole folder take :meth:`stretches`, which reads every row group once.

        Raises :class:`~medcairn.core.errors.DataError` when a needed column is absent,
        :class:`~medcairn.core.errors.IntegrityError` when a file cannot be read.
        """
        names = list(COLUMNS[name]) if columns is None else list(columns)
        reader = TableReader(name, self._files.get(name, []), names, within=(first, last))
        rows = SilverRows(name, reader.up_to(last))
        return _of_concepts(SilverRows(name, _from(rows, first)), concepts)

    def stretches(
        self,
        columns: Mapping[str, Sequence[str]],
        *,
        subjects: pa.Array | None = None,
        concepts: Mapping[str, Collection[str]] | None = None,
        rows_at_once: int | None = None,
    ) -> Iterator[Stretch]:
        """``columns`` of the tables named in it, from the first subject to the last; every row once.

        With ``subjects`` (sorted) what cannot hold them is not read, but rows of others may come with them.
        With ``concepts`` only rows of those come from the tables named in it.

        Raises what :meth:`read` raises.
        """
        readers = {
            name: TableReader(name, self._files.get(name, []), names, subjects)
            for name, names in columns.items()
        }
        for last in _ends(readers, rows_at_once or ROWS_AT_ONCE):
            tables = {name: reader.up_to(last) for name, reader in readers.items()}
            for name, some in (concepts or {}).items():
                tables[name] = _of_concepts(SilverRows(name, tables[name]), some)
            yield Stretch(last, tables)

    def latest_available(self) -> int | None:
        """The latest available time of any fact in microseconds, None when there is no fact."""
        latest: list[int] = []
        for name in AVAILABLE_IN:
            times = self._all(name, ["available_time"]).column("available_time")
            if (value := pc.max(times).cast(pa.int64()).as_py()) is not None:
                latest.append(int(value))
        return max(latest) if latest else None

    def _all(self, name: str, columns: Sequence[str]) -> pa.Table:
        return TableReader(name, self._files.get(name, []), columns).up_to(None)


def _ends(readers: Mapping[str, TableReader], rows_at_once: int) -> Iterator[str | None]:
    """Where stretches end: at ends of row groups, so that each is read once; the last one has no end."""
    groups = sorted(group for reader in readers.values() for group in reader.groups)
    rows = 0
    ends: list[str] = []
    for group in sorted(groups, key=lambda one: one.high):
        rows += group.rows
        if rows >= rows_at_once:
            ends.append(group.high)
            rows = 0
    yield from sorted(set(ends))
    yield None


def _of_concepts(rows: SilverRows, concepts: Collection[str] | None) -> pa.Table:
    if concepts is None:
        return rows.table
    column = "concept" if "concept" in COLUMNS[rows.name] else "concepts"
    return rows.where(rows.one_of(column, sorted(concepts))).table


def _from(rows: SilverRows, first: str) -> pa.Table:
    codes, texts = rows.codes("subject_id")
    within = np.array([text >= first for text in texts.to_pylist()] + [False])
    return rows.where(within[codes]).table


@contextmanager
def open_silver(folder: Path) -> Iterator[SilverFolder]:
    """The silver tables in ``folder``.

    Raises :class:`UsageError` when it holds no patient table, and what
    :func:`~medcairn.core.delta.delta_files` raises.
    """
    if not is_delta(folder / "patient"):
        raise UsageError(
            "This folder holds no silver tables: there is no Delta table named patient in it",
            hint="Give the folder that `medcairn lakehouse` made, such as lake/silver",
            folder=folder,
        )
    yield SilverFolder(folder)


__all__ = ["ROWS_AT_ONCE", "SilverFolder", "Stretch", "open_silver"]
