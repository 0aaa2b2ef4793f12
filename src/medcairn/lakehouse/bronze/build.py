"""Loads a folder of resources into bronze: survey all lines, compare with what is known, write the news."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from medcairn.core.delta import delta_entries
from medcairn.core.errors import DataError, UsageError
from medcairn.core.files import storage_errors
from medcairn.core.progress import NoProgress, Progress
from medcairn.core.workers import Workers
from medcairn.lakehouse.bronze.compare import Comparison
from medcairn.lakehouse.bronze.deletions import Deletions, read_deletions
from medcairn.lakehouse.bronze.identity import content_digest
from medcairn.lakehouse.bronze.loading import Loading
from medcairn.lakehouse.bronze.report import BronzeReport
from medcairn.lakehouse.bronze.rows import bronze_load, bronze_types
from medcairn.lakehouse.bronze.source import (
    SEGMENT_BYTES,
    SourceFile,
    segments_of,
    source_files,
    unpacker,
)
from medcairn.lakehouse.bronze.survey import Surveyed, surveyor
from medcairn.lakehouse.bronze.write import writer
from medcairn.lakehouse.quarantine import Quarantine

MEMORY_LIMIT = "192MB"
"""What the comparison may hold in memory; the rest lies on the disk beside the lake."""
_QUARANTINE = "quarantine.parquet"
_WORTH_A_PROCESS = 2 * SEGMENT_BYTES


def build_bronze(
    deid_dir: Path,
    bronze_dir: Path,
    *,
    ingested_at: datetime,
    complete: bool = True,
    processes: int = 2,
    progress: Progress | None = None,
    memory_limit: str = MEMORY_LIMIT,
) -> BronzeReport:
    """Append what is new in the resource files of ``deid_dir`` to the Delta tables in ``bronze_dir``.

    There is one table for each resource type, partitioned by the date of ``ingested_at`` (see
    :mod:`medcairn.lakehouse.bronze.schema` for its columns). A version that is known already is not written
    again: a folder that says nothing new changes no table. With ``complete``, the folder is the whole
    current state: a known resource that is not in it gets a tombstone. Without, only what
    ``deletions/*.ndjson`` names is deleted. A line that is no resource goes to ``quarantine.parquet`` with
    its file, line and reason.

    The same loads in the same order give the same data files, byte for byte, with any number of
    ``processes``. Each table changes in one commit; after ``kill -9`` the same call completes the load.

    Raises :class:`UsageError` for a folder that does not exist, a time without zone, or when another load
    of the same lake is running; :class:`DataError` when the folder holds no resource at all, or a file is
    cut short; :class:`~medcairn.core.errors.IntegrityError` for a table that is damaged;
    :class:`~medcairn.core.errors.StorageError` when the disk is full.
    """
    if ingested_at.tzinfo is None:
        raise UsageError("The time of ingestion needs a time zone")
    quarantine = Quarantine()
    source = _Source(deid_dir, source_files(deid_dir), read_deletions(deid_dir, quarantine), complete)
    if not source.files and not source.deletions.files:
        raise DataError(
            "This folder holds no resource files",
            hint="Files are named <ResourceType>….ndjson or .ndjson.gz",
            folder=deid_dir,
        )
    with _alone(bronze_dir) as scratch:
        loading = Loading(bronze_dir, scratch, ingested_at, source.deletions, quarantine)
        try:
            with Workers(processes if source.size > _WORTH_A_PROCESS else 1) as workers:
                _load(loading, workers, source, memory_limit, progress or NoProgress())
        finally:  # the workers have ended: nobody writes any more
            loading.abandon()
        _note_quarantine(bronze_dir / _QUARANTINE, quarantine, fresh=complete)
        return _report(loading, source)


@dataclass(frozen=True)
class _Source:
    """What is loaded. ``complete``: it is all that there is now."""

    folder: Path
    files: Sequence[Path]
    deletions: Deletions
    complete: bool

    @property
    def size(self) -> int:
        """Bytes of resources on the disk."""
        return sum(file.stat().st_size for file in self.files)


def _load(loading: Loading, workers: Workers, source: _Source, memory_limit: str, progress: Progress) -> None:
    from medcairn.lakehouse.engine import Engine

    surveyed = _survey(workers, source.files, loading, progress)
    known = bronze_types(loading.bronze_dir)
    present = {name for name, segments in surveyed.items() if any(one.resources for one in segments)}
    # Lines that are all at fault are told; over tables that are there they would say that all was deleted.
    nothing = not present and (source.complete or not source.deletions.files)
    if nothing and (known or not loading.quarantine.counts()):
        raise DataError("The resource files hold no resource", folder=source.folder, files=len(source.files))
    engine = Engine(spill=loading.scratch / "spill", memory_limit=memory_limit)
    try:
        plans = loading.plans(sorted({*present, *known}), surveyed, Comparison(engine, source.complete))
        progress.begin("bronze: writing what is new", None, "resources")
        for rows in workers.in_order(writer, (loading.scratch, loading.ingested_at), plans):
            progress.advance(rows)
            loading.wrote()
        loading.finish()
    finally:
        engine.close()


@contextmanager
def _alone(bronze_dir: Path) -> Iterator[Path]:
    """A scratch folder beside the lake, while no other load of the lake runs."""
    scratch = bronze_dir.with_name(bronze_dir.name + ".loading")
    with ExitStack() as stack:
        busy = False
        with storage_errors():
            bronze_dir.mkdir(parents=True, exist_ok=True)
            held = os.open(bronze_dir, os.O_RDONLY)
            stack.callback(os.close, held)
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                busy = True
        if busy:
            raise UsageError("Another load of this lake is running", folder=bronze_dir)
        with storage_errors():
            shutil.rmtree(scratch, ignore_errors=True)
            (scratch / "spill").mkdir(parents=True)
        stack.callback(shutil.rmtree, scratch, ignore_errors=True)
        yield scratch


def _survey(
    workers: Workers, files: Sequence[Path], loading: Loading, progress: Progress
) -> dict[str, list[Surveyed]]:
    """Every segment of the files, by resource type and in order, with the numbers of their first lines."""
    scratch = loading.scratch
    plain = list(workers.in_order(unpacker, (scratch,), files))
    progress.begin("bronze: reading resources", sum(file.path.stat().st_size for file in plain), "bytes")
    surveyed: dict[str, list[Surveyed]] = {}
    file: SourceFile | None = None
    first_line = 1
    for one in workers.in_order(surveyor, (scratch,), segments_of(plain)):
        if one.segment.file != file:
            file, first_line = one.segment.file, 1
        for line, reason in one.quarantined:
            loading.quarantine.add("bronze", reason, "", file.name, first_line + line)
        known = surveyed.setdefault(str(file.resource_type), [])
        known.append(replace(one, first_line=first_line, quarantined=()))
        first_line += one.lines
        progress.advance(one.segment.size)
    return surveyed


def _note_quarantine(file: Path, quarantine: Quarantine, *, fresh: bool) -> None:
    """The whole state's entries, or these and those of earlier loads."""
    if not fresh:
        quarantine.read(file)
    quarantine.write(file)


def _report(loading: Loading, source: _Source) -> BronzeReport:
    bronze_dir = loading.bronze_dir
    differences = {name: table.difference for name, table in loading.tables.items()}
    tables = bronze_types(bronze_dir)
    digests = {name: loading.tables[name].digest for name in tables}
    return BronzeReport(
        rows={name: sum(e.rows or 0 for e in delta_entries(bronze_dir / name)) for name in tables},
        loads={name: bronze_load(bronze_dir, name) for name in tables},
        new={name: d.new for name, d in differences.items() if d.new},
        changed={name: d.changed for name, d in differences.items() if d.changed},
        unchanged={name: d.unchanged for name, d in differences.items() if d.unchanged},
        deleted={name: d.deleted for name, d in differences.items() if d.deleted},
        quarantined=loading.quarantine.counts(),
        content_digest=content_digest({name: digest for name, digest in digests.items() if digest}),
        source_files=len(source.files) + source.deletions.files,
        source_bytes=source.size + source.deletions.size,
    )


__all__ = ["MEMORY_LIMIT", "build_bronze"]
