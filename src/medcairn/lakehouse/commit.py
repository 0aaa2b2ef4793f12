"""Makes a version of a Delta table out of Parquet files that we wrote: names, bytes and number are ours.

``write_deltalake`` would name files at random and divide rows among them by its own timing; a table whose
data files depend on nothing but its rows can be compared, sealed and cached by content. The statistics that
readers skip files by come from the files' own footers.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

import pyarrow as pa

from medcairn.core.delta import DeltaFile, delta_entries, is_delta, open_delta
from medcairn.core.delta_log import check_writable
from medcairn.core.errors import StorageError, UsageError
from medcairn.core.files import storage_errors
from medcairn.core.labels import Label
from medcairn.lakehouse.statistics import statistics_of

if TYPE_CHECKING:
    from deltalake import DeltaTable
    from deltalake.transaction import AddAction, PostCommitHookProperties, RemoveAction


OPERATION = "medcairn.operation"
"""The key in a commit's metadata that says what it was for, where the library calls it a WRITE."""

_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"


def part_name(number: int) -> str:
    """Name of the data file of that number, from 0."""
    return f"part-{number:05d}.parquet"


def commit_table(
    table_dir: Path,
    schema: pa.Schema,
    files: Sequence[Path],
    *,
    partition_by: Sequence[str] = (),
    configuration: Mapping[str, str] | None = None,
    metadata: Mapping[str, str] | None = None,
) -> int:
    """Declare ``files``, which lie in ``table_dir``, to be the first version of a Delta table there.

    Files of a partitioned table lie in folders ``column=value``. ``configuration`` are
    properties of the table, ``metadata`` goes into the log. Gives the version, 0.

    Raises :class:`StorageError` when there is a table already, or the disk refuses.
    """
    from deltalake import Schema
    from deltalake.exceptions import DeltaError
    from deltalake.transaction import CommitProperties, create_table_with_add_actions

    with storage_errors():
        actions = [_add(file, table_dir) for file in files]
    failed = False
    try:
        create_table_with_add_actions(
            str(table_dir),
            Schema.from_arrow(schema),
            actions,
            mode="error",
            partition_by=list(partition_by),
            configuration=dict(configuration or {}),
            commit_properties=CommitProperties(custom_metadata=dict(metadata or {})),
            post_commithook_properties=keep_log(),
        )
    except (DeltaError, OSError, ValueError):
        failed = True
    if failed:
        raise _not_committed(table_dir)
    return 0


def commit_files(
    table_dir: Path,
    schema: pa.Schema,
    *,
    add: Sequence[Path] = (),
    remove: Sequence[Path | str] = (),
    partition_by: Sequence[str] = (),
    configuration: Mapping[str, str] | None = None,
    data_change: bool = True,
    metadata: Mapping[str, str] | None = None,
) -> int:
    """One new version of the table in ``table_dir`` with the files ``add`` and without the files ``remove``.

    Both lie in ``table_dir`` (a text is a path relative to it); ``remove`` names files that are active now.
    Files stay on the disk for older versions, until the table is vacuumed. Without a table, ``add`` is its
    first version; ``schema``, ``partition_by`` and ``configuration`` matter only then. ``data_change`` is
    false where the rows stay what they were. With nothing to add or remove there is no new version.

    Gives the number of the newest version. Raises :class:`UsageError` for a file to remove that is not
    active, :class:`~medcairn.core.errors.DataError` when the table asks its writers for what cannot be
    honoured, :class:`StorageError` when the disk refuses or somebody else committed at the same time.
    """
    from deltalake.exceptions import DeltaError

    if not is_delta(table_dir):
        return commit_table(
            table_dir,
            schema,
            add,
            partition_by=partition_by,
            configuration=configuration,
            metadata=metadata,
        )
    table = open_delta(table_dir)
    if not add and not remove:
        return int(table.version())
    check_writable(table, table_dir)
    removed = _removed(remove, table_dir) if remove else []
    with storage_errors():
        actions: list[AddAction | RemoveAction] = [_add(file, table_dir, data_change) for file in add]
    now = time.time_ns() // 1_000_000
    actions += [_remove(entry, table_dir, data_change, now) for entry in removed]
    failed = False
    try:
        _write(table, actions, dict(metadata or {}))
    except (DeltaError, OSError, ValueError):
        failed = True
    if failed:
        raise _not_committed(table_dir)
    return int(open_delta(table_dir).version())


def keep_log() -> PostCommitHookProperties:
    """For the commits of ours: none shortens a table's history."""
    from deltalake.transaction import PostCommitHookProperties

    return PostCommitHookProperties(create_checkpoint=True, cleanup_expired_logs=False)


def _write(table: DeltaTable, actions: list[AddAction | RemoveAction], metadata: dict[str, str]) -> None:
    from deltalake.transaction import CommitProperties

    table.create_write_transaction(
        actions,
        mode="append",
        schema=table.schema(),
        partition_by=table.metadata().partition_columns,
        commit_properties=CommitProperties(custom_metadata=metadata, max_commit_retries=0),
        post_commithook_properties=keep_log(),
    )


def _add(file: Path, table_dir: Path, data_change: bool = True) -> AddAction:
    from deltalake.transaction import AddAction

    status = file.stat()
    relative = file.relative_to(table_dir)
    return AddAction(
        path=relative.as_posix(),
        size=status.st_size,
        partition_values=dict(_partition(part) for part in relative.parts[:-1]),
        modification_time=status.st_mtime_ns // 1_000_000,
        data_change=data_change,
        stats=json.dumps(statistics_of(file)),
    )


def _partition(folder: str) -> tuple[str, str | None]:
    """Column and value of a folder's name, in which odd characters are escaped as in a URL (Hive's way)."""
    column, _, value = (unquote(part) for part in folder.partition("="))
    return column, None if value in ("", _NO_VALUE) else value


def _removed(remove: Sequence[Path | str], table_dir: Path) -> list[DeltaFile]:
    active = {entry.path: entry for entry in delta_entries(table_dir)}
    paths = [table_dir / path for path in remove]
    for path in paths:
        if path not in active:
            raise UsageError("A file that is to be removed is no active file of the table", file=path)
    return [active[path] for path in paths]


def _remove(entry: DeltaFile, table_dir: Path, data_change: bool, now: int) -> RemoveAction:
    from deltalake.transaction import RemoveAction

    relative = entry.path.relative_to(table_dir)
    return RemoveAction(
        path=relative.as_posix(),
        data_change=data_change,
        deletion_timestamp=now,
        size=entry.size,
        partition_values=dict(_partition(part) for part in relative.parts[:-1]),
    )


def _not_committed(table_dir: Path) -> StorageError:
    return StorageError(
        "A Delta table could not be committed",
        hint="The disk may be full, or another program has written to the table; run the command again",
        table=Label(table_dir.name),
    )


__all__ = ["OPERATION", "commit_files", "commit_table", "keep_log", "part_name"]
