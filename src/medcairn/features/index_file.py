"""Index tables and results as files: Parquet, or CSV by the name's ending."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pc_csv
import pyarrow.parquet as pq

from medcairn.core.errors import DataError, UsageError
from medcairn.core.files import storage_errors
from medcairn.core.labels import Label
from medcairn.features.compute import INDEX_SCHEMA

_ENDINGS = (".parquet", ".csv")


def read_index(path: Path) -> pa.Table:
    """The index rows of a ``.parquet`` or ``.csv`` file with ``subject_id`` and ``prediction_time``.

    A CSV's times are ISO 8601 with an offset or ``Z``.

    Raises :class:`UsageError` for a file that is not there or has another ending, :class:`DataError` for
    one that cannot be read or lacks a column.
    """
    check_ending(path)
    if not path.is_file():
        raise UsageError("There is no such index file", file=path)
    found: pa.Table | None = None
    try:
        if path.suffix == ".parquet":
            found = pq.ParquetFile(path).read()
        else:
            types = dict(zip(INDEX_SCHEMA.names, INDEX_SCHEMA.types, strict=True))
            found = pc_csv.read_csv(path, convert_options=pc_csv.ConvertOptions(column_types=types))
    except (pa.ArrowException, OSError, ValueError):
        pass
    if found is None:
        raise DataError(
            "An index file cannot be read", hint="See `medcairn features compute --help`", file=path
        )
    for name in INDEX_SCHEMA.names:
        if name not in found.column_names:
            raise DataError("An index file lacks a column", file=path, column=Label(name))
    return found.select(INDEX_SCHEMA.names)


def index_on(day: date, subjects: pa.Array) -> pa.Table:
    """Every subject at the start of ``day`` (00:00 UTC)."""
    at = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return pa.table([subjects, pa.array([at] * len(subjects), INDEX_SCHEMA.types[1])], schema=INDEX_SCHEMA)


def check_ending(path: Path) -> None:
    """Refuse a file name that ends in neither ``.parquet`` nor ``.csv``. Raises :class:`UsageError`."""
    if path.suffix not in _ENDINGS:
        raise UsageError("A table file must end in .parquet or .csv", file=path)


def check_svg(path: Path) -> None:
    """Refuse a name for a drawing that does not end in .svg, or has no folder. Raises :class:`UsageError`."""
    if path.suffix != ".svg" or not path.parent.is_dir():
        raise UsageError("A drawing's file must end in .svg, in a folder that is there", file=path)


def write_table(path: Path, tables: Iterable[pa.Table]) -> int:
    """Write the tables after one another into one file, whole or not at all; the number of rows.

    Raises :class:`~medcairn.core.errors.StorageError` when the disk is full or the folder cannot be
    written, :class:`UsageError` when the folder is not there or the ending is another.
    """
    check_ending(path)
    if not path.parent.is_dir():
        raise UsageError("The folder of the output file is not there", folder=path.parent)
    partial = path.with_name(path.name + ".partial")
    rows = 0
    writer: pq.ParquetWriter | pc_csv.CSVWriter | None = None
    try:
        with storage_errors():
            for table in tables:
                if writer is None:
                    writer = _writer(path.suffix, partial, table.schema)
                writer.write_table(table.combine_chunks())
                rows += table.num_rows
    finally:
        if writer is not None:
            writer.close()
    if rows or writer is not None:
        with storage_errors():
            partial.replace(path)
    return rows


def _writer(ending: str, partial: Path, schema: pa.Schema) -> pq.ParquetWriter | pc_csv.CSVWriter:
    if ending == ".parquet":
        return pq.ParquetWriter(partial, schema, compression="zstd")
    return pc_csv.CSVWriter(partial, schema)


__all__ = ["check_ending", "check_svg", "index_on", "read_index", "write_table"]
