"""Makes a Delta table out of Parquet files that we wrote: names, bytes and number of files are ours.

``write_deltalake`` would name files at random and divide rows among them by its own timing; a table whose
data files depend on nothing but its rows can be compared, sealed and cached by content.
"""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import Schema
from deltalake.exceptions import DeltaError
from deltalake.transaction import AddAction, create_table_with_add_actions

from medcairn.core.errors import StorageError
from medcairn.core.files import storage_errors
from medcairn.core.labels import Label


def part_name(number: int) -> str:
    """Name of the data file of that number, from 0."""
    return f"part-{number:05d}.parquet"


def commit_table(table_dir: Path, schema: pa.Schema, files: list[Path]) -> None:
    """Declare ``files``, which lie in ``table_dir``, to be the first version of a Delta table there."""
    failed = False
    with storage_errors():
        actions = [_action(file) for file in files]
    try:
        create_table_with_add_actions(str(table_dir), Schema.from_arrow(schema), actions, mode="error")
    except (DeltaError, ValueError):
        failed = True
    if failed:
        raise StorageError("A Delta table could not be committed", table=Label(table_dir.name))


def _action(file: Path) -> AddAction:
    status = file.stat()
    rows = pq.read_metadata(file).num_rows
    return AddAction(
        path=file.name,
        size=status.st_size,
        partition_values={},
        modification_time=status.st_mtime_ns // 1_000_000,
        data_change=True,
        stats=json.dumps({"numRecords": rows}),
    )


__all__ = ["commit_table", "part_name"]
