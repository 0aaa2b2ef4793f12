"""Reading bronze: what is loaded, what has several versions, and what changed since a load."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from medcairn.core.delta import add_actions, delta_files, is_delta, open_delta
from medcairn.core.errors import IntegrityError
from medcairn.lakehouse.bronze.schema import SCHEMA

_TYPE = re.compile(r"[A-Z][A-Za-z]{1,63}\Z")
_ROWS: Final = 1 << 14


def bronze_types(bronze_dir: Path) -> list[str]:
    """The resource types that have a table, sorted."""
    folders = bronze_dir.iterdir() if bronze_dir.is_dir() else ()
    return sorted(path.name for path in folders if _TYPE.match(path.name) and is_delta(path))


def bronze_files(bronze_dir: Path, resource_type: str, *, version: int | None = None) -> list[Path]:
    """The active Parquet files of a type's table, in the order in which they were loaded; [] without one.

    Raises what :func:`medcairn.core.delta.delta_files` raises.
    """
    table = bronze_dir / resource_type
    return delta_files(table, version) if is_delta(table) else []


def bronze_load(bronze_dir: Path, resource_type: str) -> int:
    """Number of the newest load that changed a type's table; 0 without one. Maintenance leaves it alone."""
    table = bronze_dir / resource_type
    if not is_delta(table):
        return 0
    loads = [action.get("max.load") for action in add_actions(open_delta(table), "max.load")]
    if all(load is not None for load in loads):
        return max((int(load) for load in loads if load is not None), default=0)
    return max((_bounds(file, "load")[1] for file in bronze_files(bronze_dir, resource_type)), default=0)


def several_versions(bronze_dir: Path, resource_type: str) -> pa.Array:
    """The ids that have more than one row (versions and deletions), sorted."""
    return _ids(bronze_files(bronze_dir, resource_type), "sequence", 1)


def changed_since(bronze_dir: Path, resource_type: str, load: int) -> pa.Array:
    """The ids that have a row of a later load than ``load``, sorted. With 0: all."""
    return _ids(bronze_files(bronze_dir, resource_type), "load", load)


def bronze_rows(
    bronze_dir: Path,
    resource_type: str,
    *,
    columns: Sequence[str] | None = None,
    ids: pa.Array | None = None,
) -> Iterator[pa.RecordBatch]:
    """The rows of a type's table (or some ``columns``), some at a time; with ``ids``, all rows of these.

    Raises :class:`IntegrityError` with the file's path when a Parquet file cannot be read.
    """
    names = list(columns) if columns is not None else SCHEMA.names
    for file in bronze_files(bronze_dir, resource_type):
        read = _all_rows(names) if ids is None else _rows_of(names, ids)
        yield from _read(file, read)


_Read = Callable[[pq.ParquetFile], Iterator[pa.RecordBatch]]


def _read(file: Path, read: _Read) -> Iterator[pa.RecordBatch]:
    broken = False
    try:
        with pq.ParquetFile(file) as opened:
            yield from read(opened)
    except (pa.ArrowException, OSError):
        broken = True
    if broken:
        raise IntegrityError("A Parquet file cannot be read", file=file)


def _all_rows(names: list[str]) -> _Read:
    return lambda file: file.iter_batches(_ROWS, columns=names)


def _rows_of(names: list[str], ids: pa.Array) -> _Read:
    """Row groups without any of ``ids`` are left alone, their texts in particular."""

    def read(file: pq.ParquetFile) -> Iterator[pa.RecordBatch]:
        for group in range(file.num_row_groups):
            wanted = pc.is_in(file.read_row_group(group, columns=["id"]).column("id"), value_set=ids)
            if pc.any(wanted).as_py():
                yield from file.read_row_group(group, columns=names).filter(wanted).to_batches()

    return read


def _ids(files: Sequence[Path], column: str, above: int) -> pa.Array:
    """The distinct ids of the rows whose ``column`` is greater than ``above``."""
    found = [pa.array([], pa.string())]
    for file in files:
        if _bounds(file, column)[1] > above:
            for batch in _read(file, _all_rows(["id", column])):
                found.append(batch.filter(pc.greater(batch.column(column), above)).column("id"))
    unique = pa.chunked_array(found).unique()
    return unique.take(pc.array_sort_indices(unique))


def _bounds(file: Path, column: str) -> tuple[int, int]:
    """The least and greatest value of a whole-number column, from the file's footer."""
    broken, bounds = False, (0, 0)
    try:
        footer = pq.read_metadata(file)
        index = footer.schema.names.index(column)
        groups = [footer.row_group(n).column(index).statistics for n in range(footer.num_row_groups)]
        bounds = (min((g.min for g in groups), default=0), max((g.max for g in groups), default=0))
    except (pa.ArrowException, OSError, ValueError, AttributeError):
        broken = True
    if broken:
        raise IntegrityError("A Parquet file cannot be read", file=file)
    return bounds


__all__ = [
    "bronze_files",
    "bronze_load",
    "bronze_rows",
    "bronze_types",
    "changed_since",
    "several_versions",
]
