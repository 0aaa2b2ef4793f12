"""The journal of a job: what a rerun needs so that it starts no second export and fetches nothing twice.

One JSON record a line, appended and flushed to disk: the kick-off, the plan, every finished file, the end.
A line that a crash cut short is left out when it is read. It holds no token and no file's address
(those may be signed): a rerun asks the status address for the manifest again.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

import msgspec

from medcairn.core.digests import Digest, digest_file
from medcairn.core.files import storage_errors, sync_folder
from medcairn.core.labels import Label
from medcairn.export.bulkdata.manifest import BulkManifest, Listed
from medcairn.export.outputs import clear_outputs
from medcairn.export.report import ExportedFile

JOURNAL: Final = "job.journal"

End = Literal["whole", "partial"]


class _KickOff(msgspec.Struct, tag="kickoff"):
    request: str
    status_url: str


class _Plan(msgspec.Struct, tag="plan"):
    transaction_time: str | None
    files: list[tuple[str, int | None]]


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


_Record = _KickOff | _Plan | _Finished | _Ended
_decode = msgspec.json.Decoder(_Record).decode


@dataclass
class JobState:
    """What a journal says."""

    request: str
    status_url: str
    plan: _Plan | None = None
    finished: dict[str, ExportedFile] = field(default_factory=dict)
    ended: _Ended | None = None

    @property
    def transaction_time(self) -> Label | None:
        """The server's instant of the export, once known."""
        return Label(self.plan.transaction_time) if self.plan and self.plan.transaction_time else None


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
                state = JobState(record.request, record.status_url)
            elif state is None:
                return None
            elif isinstance(record, _Plan):
                state.plan, state.finished, state.ended = record, {}, None
            elif isinstance(record, _Finished):
                state.finished[record.path] = _exported(record)
            else:
                state.ended = record
        return state

    def start(self, request: Digest, status_url: str) -> JobState:
        """A new job: the journal begins anew."""
        self.remove()
        self._append(_KickOff(str(request), status_url))
        return JobState(str(request), status_url)

    def plan(self, state: JobState, manifest: BulkManifest, folder: Path) -> None:
        """Record the manifest's files. Finished files stay finished while the plan is the same.

        Under a changed plan they no longer mean what they did, and are removed.
        """
        files = [(str(file.path), file.count) for file in manifest.files]
        plan = _Plan(str(manifest.transaction_time) if manifest.transaction_time else None, files)
        if state.plan == plan:
            state.finished = {name: file for name, file in state.finished.items() if is_whole(file, folder)}
            return
        clear_outputs(folder)
        self._append(plan)
        state.plan, state.finished, state.ended = plan, {}, None

    def finish(self, state: JobState, file: ExportedFile) -> None:
        """Record a file that lies complete under its final name."""
        record = _Finished(str(file.name), str(file.resource_type), file.lines, file.size, str(file.digest))
        with self._lock:
            self._append(record)
            state.finished[str(file.name)] = file

    def end(self, state: JobState, end: End, outcomes: dict[str, int], deletion_files: int) -> None:
        """Record that every file is there, and whether the server had left something out."""
        state.ended = _Ended(end, outcomes, deletion_files)
        self._append(state.ended)

    def remove(self) -> None:
        """The job is over: forget it."""
        with storage_errors():
            self.path.unlink(missing_ok=True)

    def _append(self, record: _Record) -> None:
        with storage_errors():
            descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(msgspec.json.encode(record) + b"\n")
                stream.flush()
                os.fsync(stream.fileno())
            sync_folder(self.path.parent)

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


def missing(state: JobState, files: Iterable[Listed]) -> list[Listed]:
    """The files that are still to be fetched, in order."""
    return [file for file in files if str(file.path) not in state.finished]


def _exported(record: _Finished) -> ExportedFile:
    return ExportedFile(
        Label(record.path), Label(record.resource_type), record.lines, record.size, Digest(record.digest)
    )


def is_whole(file: ExportedFile, folder: Path) -> bool:
    """Whether ``file`` lies in ``folder`` with the bytes that its digest names."""
    path = folder / file.name
    return path.is_file() and path.stat().st_size == file.size and digest_file(path) == file.digest


__all__ = ["JOURNAL", "JobState", "Journal", "is_whole", "missing"]
