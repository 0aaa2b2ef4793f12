"""Reading Delta tables: the files that are active in the newest version, after checking that we may.

A Delta table's folder holds files of older versions too. Only the active list counts, and only when the
table uses no feature of the protocol that would change what a file means (deletion vectors, column mapping).
Standard: https://github.com/delta-io/delta/blob/master/PROTOCOL.md
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlparse

from medcairn.core.errors import DataError, IntegrityError, UsageError

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import DeltaTable

_HARMLESS = frozenset({"timestampNtz", "vacuumProtocolCheck", "appendOnly", "invariants", "checkConstraints"})
_LOG = "_delta_log"


def _path(uri: str) -> Path:
    """delta-rs writes local paths with percent escapes, with and without a scheme."""
    return Path(unquote(urlparse(uri).path if "://" in uri else uri))


def is_delta(table_dir: Path) -> bool:
    """Whether the folder holds a Delta table."""
    return (table_dir / _LOG).is_dir()


def delta_files(table_dir: Path) -> list[Path]:
    """The Parquet files of the newest version, sorted by name.

    Raises :class:`UsageError` when the folder holds no Delta table, :class:`DataError` when the table uses
    a protocol feature that cannot be honoured, :class:`IntegrityError` when its log cannot be read or a
    file of it is missing.
    """
    table = _open(table_dir)
    _check_protocol(table, table_dir)
    files = sorted(_path(uri) for uri in table.file_uris())
    for file in files:
        if not file.is_file():
            raise IntegrityError("A file of a Delta table is missing", file=file)
    return files


def read_delta(table_dir: Path, columns: list[str] | None = None) -> pa.Table:
    """The whole table (or some ``columns``) in memory, in the order of its files.

    Raises what :func:`delta_files` raises, and :class:`IntegrityError` with the file's path when a Parquet
    file cannot be read.
    """
    import pyarrow as pa

    files = delta_files(table_dir)
    schema = pa.schema(_open(table_dir).schema())
    wanted = schema if columns is None else pa.schema([schema.field(name) for name in columns])
    tables = [_read(file, columns) for file in files]
    return pa.concat_tables([table.cast(wanted) for table in tables]) if tables else wanted.empty_table()


def check_parquet(file: Path) -> None:
    """Raise :class:`IntegrityError` with the file's path when its Parquet footer cannot be read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    broken = False
    try:
        pq.read_metadata(file)
    except (pa.ArrowException, OSError):
        broken = True
    if broken:
        raise IntegrityError("A Parquet file cannot be read", file=file)


def _read(file: Path, columns: list[str] | None) -> pa.Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table: pa.Table | None = None
    with contextlib.suppress(pa.ArrowException, OSError):
        # The file alone, not its folder: a data set would guess partitions and follow other files.
        table = pq.ParquetFile(file).read(columns=columns)
    if table is None:
        raise IntegrityError("A Parquet file cannot be read", file=file)
    return table


def _open(table_dir: Path) -> DeltaTable:
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError

    if not is_delta(table_dir):
        raise UsageError("This folder holds no Delta table", folder=table_dir)
    table: DeltaTable | None = None
    with contextlib.suppress(DeltaError, OSError, ValueError):
        table = DeltaTable(str(table_dir))
    if table is None:
        raise IntegrityError("The log of a Delta table cannot be read", folder=table_dir)
    return table


def _check_protocol(table: DeltaTable, table_dir: Path) -> None:
    protocol = table.protocol()
    features = set(protocol.reader_features or []) - _HARMLESS
    mapping = table.metadata().configuration.get("delta.columnMapping.mode", "none")
    if features or mapping != "none" or protocol.min_reader_version > 3:
        raise DataError(
            "A Delta table uses a protocol feature that cannot be honoured",
            hint="Rewrite it without deletion vectors and column mapping",
            folder=table_dir,
            features=len(features),
        )


__all__ = ["check_parquet", "delta_files", "is_delta", "read_delta"]
