"""The journal of a job: what a rerun needs so that it starts no second export and fetches nothing twice.

One JSON record a line, appended and flushed to disk: the kick-off, the plan, large files that can be gone
on with, every finished file, the end. A line that a crash cut short is left out when it is read. It holds
no token and no file's address (those may be signed): a rerun asks the status address for the manifest
again.
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final, Literal

import msgspec

from medcairn.core.digests import Digest, digest_file
from medcairn.core.files import storage_errors, sync_folder
from medcairn.core.labels import Label
from medcairn.export.bulkdata.manifest import ORGANIZED_FOLDER, BulkManifest, Listed
from medcairn.export.outputs import clear_outputs
from medcairn.export.report import ExportedFile

JOURNAL: Final = "job.journal"

End = Literal["whole", "partial"]


class _KickOff(msgspec.Struct, tag="kickoff"):
    request: str
    status_url: str
    export_id: str = ""
    begun: datetime | None = None


class _Plan(msgspec.Struct, tag="plan"):
    transaction_time: str | None
    files: list[tuple[str, int | None]]
    keys: list[str] = []

    def means_the_same(self, other: _Plan) -> bool:
        """Whether the same names stand for the same files.

        When the addresses but for their queries are partly the same, they must be so in the same order; when
        all are new, the server gives each manifest addresses of its own, and the order has to do.
        """
        if (self.transaction_time, self.files) != (other.transaction_time, other.files):
            return False
        return self.keys == other.keys or set(self.keys).isdisjoint(other.keys)


class _Resumable(msgspec.Struct, tag="resumable"):
    path: str
    etag: str


class _Finished(msgspec.Struct, tag="file"):
    path: str
    resource_type: str
    lines: int
    size: int
    digest: str


class _Ended(msgspec.Struct, tag="end"):
    end: End
    outcomes: dict[str, int]
    deletion_files: int
    sorted_files: list[_Finished] | None = None


_Record = _KickOff | _Plan | _Resumable | _Finished | _Ended
_decode = msgspec.json.Decoder(_Record).decode


@dataclass
class JobState:
    """What a journal says. ``etags`` are of files that were begun and can be gone on with."""

    request: str
    status_url: str
    export_id: str = ""
    begun: datetime | None = None
    plan: _Plan | None = None
    etags: dict[str, str] = field(default_factory=dict)
    finished: dict[str, ExportedFile] = field(default_factory=dict)
    ended: _Ended | None = None

    @property
    def transaction_time(self) -> Label | None:
        """The server's instant of the export, once known."""
        return Label(self.plan.transaction_time) if self.plan and self.plan.transaction_time else None

    @property
    def outputs(self) -> tuple[ExportedFile, ...]:
        """The files of resources, in order: as fetched, or as sorted by type afterwards."""
        if self.ended is not None and self.ended.sorted_files is not None:
            return tuple(_exported(record) for record in self.ended.sorted_files)
        order = [path for path, _ in self.plan.files] if self.plan else []
        return tuple(self.finished[path] for path in order if "/" not in path and path in self.finished)

    def whole_in(self, folder: Path) -> bool:
        """Whether the job has ended and all that it left lies in ``folder``, unchanged."""
        if (
            self.ended is None
            or self.plan is None
            or {path for path, _ in self.plan.files} != set(self.finished)
        ):
            return False
        kept = [file for name, file in self.finished.items() if not name.startswith(ORGANIZED_FOLDER)]
        return all(is_whole(file, folder) for file in {*kept, *self.outputs})


class Journal:
    """The journal file of one output folder. Appending is thread-safe and durable when it returns."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()

    def read(self) -> JobState | None:
        """The state of the job that the journal tells of; None without a kick-off that can be read."""
        state: JobState | None = None
        for record in self._records():
            if isinstance(record, _KickOff):
                state = JobState(record.request, record.status_url, record.export_id, record.begun)
            elif state is None:
                return None
            elif isinstance(record, _Plan):
                state.plan, state.etags, state.finished, state.ended = record, {}, {}, None
            elif isinstance(record, _Resumable):
                state.etags[record.path] = record.etag
            elif isinstance(record, _Finished):
                state.finished[record.path] = _exported(record)
            else:
                state.ended = record
        return state

    def start(self, request: Digest, status_url: str, *, export_id: str, begun: datetime) -> JobState:
        """A new job: the journal begins anew."""
        self.remove()
        self._append([_KickOff(str(request), status_url, export_id, begun)])
        with storage_errors():
            sync_folder(self.path.parent)
        return JobState(str(request), status_url, export_id, begun)

    def plan(self, state: JobState, manifest: BulkManifest, folder: Path) -> None:
        """Record the manifest's files. Finished files stay finished while the plan means the same.

        Under a changed plan they no longer mean what they did, and are removed.
        """
        files = [(str(file.path), file.count) for file in manifest.files]
        time = str(manifest.transaction_time) if manifest.transaction_time else None
        plan = _Plan(time, files, [file.key for file in manifest.files])
        if state.plan is not None and state.plan.means_the_same(plan):
            state.finished = {name: file for name, file in state.finished.items() if is_whole(file, folder)}
            return
        clear_folder(folder)
        self._append([plan])
        state.plan, state.etags, state.finished, state.ended = plan, {}, {}, None

    def resumable(self, state: JobState, path: str, etag: str) -> None:
        """Record that a file which is being fetched can be gone on with."""
        with self._lock:
            self._append([_Resumable(path, etag)])
            state.etags[path] = etag

    def finish(self, state: JobState, files: Sequence[ExportedFile]) -> None:
        """Record files that lie complete under their final names."""
        with self._lock:
            self._append([_finished(file) for file in files])
            state.finished.update({str(file.name): file for file in files})

    def end(
        self,
        state: JobState,
        end: End,
        outcomes: dict[str, int],
        deletion_files: int,
        sorted_files: Sequence[ExportedFile] | None,
    ) -> None:
        """Record that every file is there, and whether the server had left something out."""
        records = None if sorted_files is None else [_finished(file) for file in sorted_files]
        state.ended = _Ended(end, outcomes, deletion_files, records)
        self._append([state.ended])

    def remove(self) -> None:
        """The job is over: forget it."""
        with storage_errors():
            self.path.unlink(missing_ok=True)

    def _append(self, records: Sequence[_Record]) -> None:
        with storage_errors():
            descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(b"".join(msgspec.json.encode(record) + b"\n" for record in records))
                stream.flush()
                os.fsync(stream.fileno())

    def _records(self) -> Iterable[_Record]:
        if not self.path.is_file():
            return
        with storage_errors():
            lines = self.path.read_bytes().split(b"\n")
        for line in lines[:-1]:
            try:
                record = _decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError):
                return
            yield record


def clear_folder(folder: Path) -> None:
    """Remove what an earlier export left in ``folder``; its event log stays."""
    clear_outputs(folder)
    with storage_errors():
        if (folder / ORGANIZED_FOLDER).is_dir():
            shutil.rmtree(folder / ORGANIZED_FOLDER)


def missing(state: JobState, files: Iterable[Listed]) -> list[Listed]:
    """The files that are still to be fetched, in order."""
    return [file for file in files if str(file.path) not in state.finished]


def _finished(file: ExportedFile) -> _Finished:
    return _Finished(str(file.name), str(file.resource_type), file.lines, file.size, str(file.digest))


def _exported(record: _Finished) -> ExportedFile:
    return ExportedFile(
        Label(record.path), Label(record.resource_type), record.lines, record.size, Digest(record.digest)
    )


def is_whole(file: ExportedFile, folder: Path) -> bool:
    """Whether ``file`` lies in ``folder`` with the bytes that its digest names."""
    path = folder / file.name
    return path.is_file() and path.stat().st_size == file.size and digest_file(path) == file.digest


__all__ = ["JOURNAL", "JobState", "Journal", "clear_folder", "is_whole", "missing"]
