"""Reading Delta tables: the files that are active in a version, after checking that we may.

A Delta table's folder holds files of older versions too. Only the active list counts, and only when the
table uses no feature of the protocol that would change what a file means (deletion vectors, column mapping,
type widening …). Standard: https://github.com/delta-io/delta/blob/master/PROTOCOL.md
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from medcairn.core.delta_log import LOG, check_entries, check_protocol, fault_in
from medcairn.core.errors import IntegrityError, UsageError

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import DeltaTable


@dataclass(frozen=True)
class DeltaFile:
    """An active file of a table: where it is, its values of the partition columns, its rows and bytes.

    ``rows`` is None where the log does not say.
    """

    path: Path
    partition: tuple[tuple[str, object], ...]
    rows: int | None
    size: int


def is_delta(table_dir: Path) -> bool:
    """Whether the folder holds a Delta table."""
    return (table_dir / LOG).is_dir()


def open_delta(table_dir: Path, version: int | None = None) -> DeltaTable:
    """The table at ``version`` (default: the newest), after its log and protocol were checked.

    Raises :class:`UsageError` when the folder holds no Delta table or the table no such version,
    :class:`~medcairn.core.errors.DataError` when it uses a protocol feature that cannot be honoured,
    :class:`IntegrityError` when its log is damaged or incomplete, with the entry where one is at fault.
    """
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError

    if not is_delta(table_dir):
        raise UsageError("This folder holds no Delta table", folder=table_dir)
    newest = check_entries(table_dir)
    if version is not None and not 0 <= version <= newest:
        raise UsageError("A Delta table has no such version", folder=table_dir, newest=newest)
    table: DeltaTable | None = None
    with contextlib.suppress(DeltaError, OSError, ValueError):
        table = DeltaTable(str(table_dir), version=version)
    if table is None:
        raise fault_in(table_dir)
    check_protocol(table, table_dir)
    return table


def delta_version(table_dir: Path) -> int:
    """Number of the newest version. Raises what :func:`open_delta` raises."""
    return int(open_delta(table_dir).version())


def delta_entries(table_dir: Path, version: int | None = None) -> list[DeltaFile]:
    """The active files of ``version`` (default: the newest), sorted by path.

    Raises what :func:`open_delta` raises, and :class:`IntegrityError` when a file is missing.
    """
    return _entries(open_delta(table_dir, version), table_dir)


def delta_files(table_dir: Path, version: int | None = None) -> list[Path]:
    """The paths of :func:`delta_entries`."""
    return [entry.path for entry in delta_entries(table_dir, version)]


def delta_batches(
    table_dir: Path, columns: Sequence[str] | None = None, *, version: int | None = None
) -> Iterator[pa.RecordBatch]:
    """The rows of a table (or some ``columns``), some at a time, in the order of its files' paths.

    Raises what :func:`delta_entries` raises, and :class:`IntegrityError` with the file's path when a Parquet
    file cannot be read.
    """
    table = open_delta(table_dir, version)
    yield from _table_batches(table, table_dir, _schema(table, columns))


def read_delta(
    table_dir: Path, columns: Sequence[str] | None = None, *, version: int | None = None
) -> pa.Table:
    """What :func:`delta_batches` gives, as one table in memory."""
    import pyarrow as pa

    table = open_delta(table_dir, version)
    schema = _schema(table, columns)
    return pa.Table.from_batches(_table_batches(table, table_dir, schema), schema)


def check_parquet(file: Path, columns: Sequence[str] = ()) -> None:
    """Raise :class:`IntegrityError` with the file's path when a Parquet file cannot be read.

    Its footer is read, and the values of ``columns``.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    broken = False
    try:
        with pq.ParquetFile(file) as opened:
            if columns:
                deque(opened.iter_batches(columns=list(columns)), maxlen=0)
    except (pa.ArrowException, OSError):
        broken = True
    if broken:
        raise IntegrityError("A Parquet file cannot be read", file=file)


def _schema(table: DeltaTable, columns: Sequence[str] | None) -> pa.Schema:
    import pyarrow as pa

    schema = pa.schema(table.schema())
    return schema if columns is None else pa.schema([schema.field(name) for name in columns])


def _table_batches(table: DeltaTable, table_dir: Path, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    for entry in _entries(table, table_dir):
        yield from _batches(entry, schema)


def _entries(table: DeltaTable, table_dir: Path) -> list[DeltaFile]:
    found = []
    for action in add_actions(table, "path", "size_bytes", "num_records", "partition."):
        partition = tuple(
            (name.removeprefix("partition."), value)
            for name, value in action.items()
            if name.startswith("partition.")
        )
        path = table_dir / unquote(action["path"])  # the log has the path as a URL, relative to the table
        found.append(DeltaFile(path, partition, action.get("num_records"), action["size_bytes"]))
    for entry in found:
        if not entry.path.is_file():
            raise IntegrityError(
                "A file of a Delta table is missing",
                hint="Files of older versions go when a table is vacuumed",
                file=entry.path,
            )
    return sorted(found, key=lambda entry: entry.path)


def add_actions(table: DeltaTable, *columns: str) -> list[dict[str, Any]]:
    """What the log says of the active files: these columns, as far as it has them; one with a dot at its end
    stands for all that begin so. Names are those of ``DeltaTable.get_add_actions(flatten=True)``."""
    import pyarrow as pa

    # Not pa.table(), nor all columns: either imports pandas where it is installed, which takes its time.
    actions = pa.RecordBatchReader.from_stream(table.get_add_actions(flatten=True)).read_all()
    wanted = [
        name for name in actions.schema.names if name in columns or (name.split(".")[0] + "." in columns)
    ]
    return list(actions.select(wanted).to_pylist())


def _batches(entry: DeltaFile, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """The rows of one file; a column that it does not hold is in its path, or was added later and is null."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    broken = False
    try:
        # The file alone, not its folder: a data set would guess partitions and follow other files.
        with pq.ParquetFile(entry.path) as file:
            present = [name for name in schema.names if name in file.schema_arrow.names]
            for batch in file.iter_batches(columns=present):
                yield _shaped(batch, dict(entry.partition), schema)
    except (pa.ArrowException, OSError):
        broken = True
    if broken:
        raise IntegrityError("A Parquet file cannot be read", file=entry.path)


def _shaped(batch: pa.RecordBatch, partition: dict[str, object], schema: pa.Schema) -> pa.RecordBatch:
    import pyarrow as pa

    arrays = [
        batch.column(field.name).cast(field.type)
        if field.name in batch.schema.names
        else pa.repeat(pa.scalar(partition.get(field.name), field.type), batch.num_rows)
        for field in schema
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


__all__ = [
    "DeltaFile",
    "add_actions",
    "check_parquet",
    "delta_batches",
    "delta_entries",
    "delta_files",
    "delta_version",
    "is_delta",
    "open_delta",
    "read_delta",
]
