"""Care for Delta tables: compaction and Z-order, taking away files that no version needs, their history.

Each works on one table, or on a folder with tables below it (a lake), in place. A lake in a study is sealed
in the ledger; there, the pipeline does this on a draft of it.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Generic, TypeVar
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import CommitProperties, DeltaTable, WriterProperties
from deltalake.exceptions import DeltaError

from medcairn.core.canonical import JSON
from medcairn.core.delta import DeltaFile, check_parquet, delta_entries, is_delta, open_delta
from medcairn.core.delta_log import check_writable, entry_actions, rows_in
from medcairn.core.errors import StorageError, UsageError
from medcairn.core.files import storage_errors
from medcairn.core.labels import Label
from medcairn.core.progress import NoProgress, Progress
from medcairn.lakehouse.commit import OPERATION, commit_files, keep_log
from medcairn.lakehouse.compaction import bins_of, merge

TARGET_BYTES: Final = 128 << 20
"""Bytes of a file after compaction, at most."""
RETENTION_HOURS: Final = 168
"""For how many hours files of older versions are kept, by default: a week."""
_OPERATION: Final = re.compile(r"[A-Z][A-Za-z_ ]{1,40}\Z")
_DEEPEST: Final = 3
_OWN_LAYOUT: Final = b"medcairn"
_GROUP_BYTES: Final = 8 << 20


@dataclass(frozen=True)
class _Reported:
    table: str

    def as_json(self) -> dict[str, JSON]:
        """For ``--json`` and the ledger: names of tables, numbers and times."""
        return asdict(self)


@dataclass(frozen=True)
class Optimized(_Reported):
    """One table's files and bytes before and after. ``left_alone``: its builder lays its files out itself."""

    version: int
    files_before: int
    files_after: int
    bytes_before: int
    bytes_after: int
    left_alone: bool = False


@dataclass(frozen=True)
class Vacuumed(_Reported):
    """One table's files that no version within the retention needs, and their bytes."""

    files: int
    bytes: int
    deleted: bool


@dataclass(frozen=True)
class Version(_Reported):
    """One version of a table: when it was committed (UTC) and what it added and took away."""

    version: int
    time: str
    operation: str
    files_added: int
    files_removed: int
    rows_added: int
    bytes_added: int


Of = TypeVar("Of", bound=_Reported, covariant=True)


@dataclass(frozen=True)
class Care(Generic[Of]):
    """What was done or found, in order of the tables."""

    tables: tuple[Of, ...]

    def facts(self) -> dict[str, JSON]:
        """For ``--json`` and the ledger."""
        return {"tables": [table.as_json() for table in self.tables]}


def lake_tables(folder: Path) -> list[Path]:
    """The Delta tables of a lake: ``folder`` itself, or those below it, sorted by path.

    Raises :class:`UsageError` when there is none.
    """
    found = [folder] if is_delta(folder) else sorted(_tables_below(folder, _DEEPEST))
    if not found:
        raise UsageError("This folder holds no Delta table", folder=folder)
    return found


def _tables_below(folder: Path, depth: int) -> Iterator[Path]:
    for path in folder.iterdir() if folder.is_dir() and depth else ():
        if is_delta(path):
            yield path
        elif path.is_dir():
            yield from _tables_below(path, depth - 1)


def optimize(
    folder: Path,
    *,
    z_order: Sequence[str] = (),
    target_bytes: int = TARGET_BYTES,
    progress: Progress | None = None,
) -> Care[Optimized]:
    """Make few, larger files of many small ones: one new version a table, with the same rows.

    With ``z_order``, the rows of each partition are sorted along a Z-order curve of those columns, so that a
    query on any of them has to open few files; every table must have the columns. A table whose files its
    builder lays out (silver, by subject) is left alone.

    Raises :class:`UsageError` for a folder without tables or a column that is not there,
    :class:`~medcairn.core.errors.DataError` for a table that asks for what cannot be honoured,
    :class:`~medcairn.core.errors.IntegrityError` for one that is damaged, :class:`StorageError` when the disk
    refuses or another program writes to the table.
    """
    tables = lake_tables(folder)
    for table in tables if z_order else ():
        _check_columns(table, z_order)
    shown = progress or NoProgress()
    shown.begin("optimizing tables", len(tables), "tables")
    done = []
    for table in tables:
        done.append(_optimized(table, _name(table, folder), z_order, target_bytes))
        shown.advance(1)
    return Care(tuple(done))


def _optimized(table: Path, name: str, z_order: Sequence[str], target_bytes: int) -> Optimized:
    opened, before = open_delta(table), delta_entries(table)
    check_writable(opened, table)
    left_alone = _has_own_layout(before)
    if not left_alone:
        for file in before:
            check_parquet(file.path)
        if z_order:
            _z_order(opened, table, z_order, before, target_bytes)
        else:
            _compact(table, before, target_bytes)
    after = delta_entries(table)
    return Optimized(
        name,
        int(open_delta(table).version()),
        len(before),
        len(after),
        sum(file.size for file in before),
        sum(file.size for file in after),
        left_alone,
    )


def _has_own_layout(files: Sequence[DeltaFile]) -> bool:
    for file in files[:1]:
        check_parquet(file.path)
        return _OWN_LAYOUT in (pq.read_metadata(file.path).metadata or {})
    return False


def _compact(table: Path, files: Sequence[DeltaFile], target_bytes: int) -> None:
    bins = bins_of(files, target_bytes)
    made: list[Path] = []
    try:
        for one in bins:
            made.append(merge(one))
        commit_files(
            table,
            pa.schema([]),
            add=made,
            remove=[file.path for one in bins for file in one.files],
            data_change=False,
            metadata={OPERATION: "OPTIMIZE"},
        )
    except BaseException:
        for file in made:
            file.unlink(missing_ok=True)
        raise


def _z_order(
    opened: DeltaTable, table: Path, columns: Sequence[str], files: Sequence[DeltaFile], target_bytes: int
) -> None:
    failed = False
    try:
        opened.optimize.z_order(
            list(columns),
            target_size=target_bytes,
            writer_properties=WriterProperties(
                compression="ZSTD", compression_level=1, max_row_group_size=_rows_in_a_group(files)
            ),
            commit_properties=CommitProperties(max_commit_retries=0),
            post_commithook_properties=keep_log(),
        )
    except (DeltaError, OSError, ValueError):
        failed = True
    if failed:
        raise StorageError(
            "A Delta table could not be put in Z-order",
            hint="The disk may be full, or another program has written to the table",
            table=Label(table.name),
        )


def _rows_in_a_group(files: Sequence[DeltaFile]) -> int:
    """Rows of about _GROUP_BYTES in memory."""
    rows = size = 0
    for file in files:
        footer = pq.read_metadata(file.path)
        rows += footer.num_rows
        size += sum(footer.row_group(n).total_byte_size for n in range(footer.num_row_groups))
    return max(1024, _GROUP_BYTES * rows // size) if rows and size else 1024


def _check_columns(table: Path, columns: Sequence[str]) -> None:
    opened = open_delta(table)
    schema = pa.schema(opened.schema())
    for column in columns:
        if column not in schema.names or pa.types.is_nested(schema.field(column).type):
            raise UsageError("A table has no such simple column to order by", folder=table)
        if column in opened.metadata().partition_columns:
            raise UsageError(
                "A table is partitioned by a column; it cannot be ordered by it too", folder=table
            )


def vacuum(
    folder: Path,
    *,
    retention_hours: int = RETENTION_HOURS,
    dry_run: bool = True,
    progress: Progress | None = None,
) -> Care[Vacuumed]:
    """Delete files that no version of the last ``retention_hours`` needs; with ``dry_run``, only count them.

    Versions that needed them cannot be read any more: time travel ends there. Files that no commit knows
    (of a run that was killed) go too when they are older than that.

    Raises what :func:`optimize` raises, and :class:`UsageError` for a negative number of hours.
    """
    if retention_hours < 0:
        raise UsageError("Hours of retention are 0 or more")
    tables = lake_tables(folder)
    shown = progress or NoProgress()
    shown.begin("vacuuming tables", len(tables), "tables")
    done = []
    for table in tables:
        done.append(_vacuumed(table, _name(table, folder), retention_hours, dry_run))
        shown.advance(1)
    return Care(tuple(done))


def _vacuumed(table: Path, name: str, retention_hours: int, dry_run: bool) -> Vacuumed:
    opened = open_delta(table)
    check_writable(opened, table)
    found: list[str] | None = None
    size = 0
    with storage_errors(), contextlib.suppress(DeltaError, ValueError):
        found = _vacuum(opened, retention_hours, dry_run=True)
        size = sum((table / unquote(file)).stat().st_size for file in found)
        if found and not dry_run:
            _vacuum(opened, retention_hours, dry_run=False)
    if found is None:
        raise StorageError("A Delta table could not be vacuumed", table=Label(table.name))
    return Vacuumed(name, len(found), size, deleted=bool(found) and not dry_run)


def _vacuum(table: DeltaTable, retention_hours: int, *, dry_run: bool) -> list[str]:
    return list(
        table.vacuum(
            retention_hours,
            dry_run=dry_run,
            enforce_retention_duration=False,  # whoever asks for fewer hours than a week means it
            full=True,
            commit_properties=CommitProperties(max_commit_retries=0),
            post_commithook_properties=keep_log(),
        )
    )


def history(folder: Path, *, limit: int = 20) -> Care[Version]:
    """The newest ``limit`` versions of each table, newest first.

    Raises what :func:`medcairn.core.delta.open_delta` raises.
    """
    return Care(
        tuple(
            version
            for table in lake_tables(folder)
            for version in _versions(table, _name(table, folder), int(open_delta(table).version()), limit)
        )
    )


def _versions(table: Path, name: str, newest: int, limit: int) -> Iterator[Version]:
    for number in range(newest, max(newest - limit, -1), -1):
        actions = entry_actions(table, number)
        if actions is None:  # its log was cleaned up
            return
        info = next((action["commitInfo"] for action in actions if "commitInfo" in action), {})
        added = [action["add"] for action in actions if "add" in action]
        yield Version(
            name,
            number,
            _time_of(info.get("timestamp")),
            _operation_of(info.get(OPERATION, info.get("operation"))),
            len(added),
            sum("remove" in action for action in actions),
            sum(rows_in(action) for action in added),
            sum(int(action["size"]) for action in added),
        )


def _time_of(timestamp: object) -> str:
    """Milliseconds since 1970 as text; empty where the log does not say."""
    if not isinstance(timestamp, int):
        return ""
    return datetime.fromtimestamp(timestamp / 1000, UTC).isoformat(timespec="milliseconds")


def _operation_of(text: object) -> str:
    """What the log calls the operation, when that has the form of a name: other programs write there too."""
    return text if isinstance(text, str) and _OPERATION.match(text) else "unknown"


def _name(table: Path, folder: Path) -> str:
    return table.relative_to(folder).as_posix() if table != folder else table.resolve().name


__all__ = [
    "RETENTION_HOURS",
    "TARGET_BYTES",
    "Care",
    "Optimized",
    "Vacuumed",
    "Version",
    "history",
    "lake_tables",
    "optimize",
    "vacuum",
]
