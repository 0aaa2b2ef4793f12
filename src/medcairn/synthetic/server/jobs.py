"""Export jobs: what was asked for, the work in the background, and the files that came of it.

A job that wants everything of a type hands out ranges of the stored files. One that wants less (changed
since, one group, patients only) copies the lines that are wanted to temporary files, which go with the job.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO

from medcairn.core.canonical import JSON
from medcairn.synthetic.server.answers import outcome
from medcairn.synthetic.server.records import SHARED_TYPES, DataFolder, glance

LINES_PER_FILE = 50_000
_MINIMUM_POLLS = 2
_CHECK_EVERY_LINES = 2_000


class Level(StrEnum):
    """The three places from which an export starts."""

    SYSTEM = "system"
    PATIENT = "patient"
    GROUP = "group"


@dataclass(frozen=True)
class Wanted:
    """An export request. ``types`` is None for all types that are there."""

    level: Level
    url: str
    client_id: str
    types: frozenset[str] | None = None
    since: datetime | None = None
    group: str | None = None

    @property
    def takes_all(self) -> bool:
        """Whether every line of a wanted type goes out."""
        return self.level is Level.SYSTEM and self.since is None


@dataclass(frozen=True)
class OutputFile:
    """A range of bytes of a file, served under ``name``."""

    resource_type: str
    name: str
    path: Path
    start: int
    stop: int
    count: int


@dataclass
class Job:
    """One export in the making or made. ``polls`` counts the answers that said "not yet"."""

    wanted: Wanted
    folder: Path
    outputs: list[OutputFile] = field(default_factory=list)
    errors: list[OutputFile] = field(default_factory=list)
    files_done: int = 0
    files_total: int = 0
    polls: int = 0
    unreadable: int = 0
    failed: bool = False
    finished: threading.Event = field(default_factory=threading.Event)
    cancelled: threading.Event = field(default_factory=threading.Event)

    def poll(self) -> bool:
        """Whether the result is there. The first polls are always told to wait, as a real server would."""
        if self.finished.is_set() and self.polls >= _MINIMUM_POLLS:
            return True
        self.polls += 1
        return False

    def file(self, name: str) -> OutputFile | None:
        """The file that was given the name ``name`` in the manifest."""
        return next((item for item in (*self.outputs, *self.errors) if item.name == name), None)


class JobBoard:
    """All jobs of a server. Job ids count up, so a manifest is the same on each run."""

    def __init__(self, data: DataFolder, *, lines_per_file: int = LINES_PER_FILE) -> None:
        self._data = data
        self._lines_per_file = lines_per_file
        self._jobs: dict[str, Job] = {}
        self._started = 0
        self._lock = threading.Lock()
        self._scratch: Path | None = None

    def start(self, wanted: Wanted) -> str:
        """Begin an export and return its job id."""
        with self._lock:
            self._started += 1
            job_id = f"{self._started:04}"
            if self._scratch is None:
                self._scratch = Path(tempfile.mkdtemp(prefix="medcairn-hospital-"))
            folder = self._scratch / job_id
            folder.mkdir()
            job = self._jobs[job_id] = Job(wanted, folder)
        threading.Thread(target=self._work, args=(job,), name=f"export-{job_id}", daemon=True).start()
        return job_id

    def get(self, job_id: str, client_id: str) -> Job | None:
        """The job, when there is one and ``client_id`` started it."""
        job = self._jobs.get(job_id)
        return job if job is not None and job.wanted.client_id == client_id else None

    def drop(self, job_id: str) -> None:
        """Stop a job and forget it with its temporary files."""
        with self._lock:
            job = self._jobs.pop(job_id, None)
        if job is not None:
            job.cancelled.set()
            if job.finished.wait(timeout=10):
                shutil.rmtree(job.folder, ignore_errors=True)

    def close(self) -> None:
        """Stop all jobs and remove all temporary files."""
        for job_id in list(self._jobs):
            self.drop(job_id)
        if self._scratch is not None:
            shutil.rmtree(self._scratch, ignore_errors=True)

    def _work(self, job: Job) -> None:
        whole = False
        try:
            _fill(job, self._data, self._lines_per_file)
            whole = True
        except OSError:
            whole = False
        finally:
            # Whatever went wrong, a job that did not come to its end must not look finished.
            job.failed = not whole
            job.finished.set()


def _fill(job: Job, data: DataFolder, lines_per_file: int) -> None:
    wanted = job.wanted
    chosen = [
        (name, paths) for name, paths in data.files.items() if wanted.types is None or name in wanted.types
    ]
    job.files_total = sum(len(paths) for _, paths in chosen)
    members = data.members(wanted.group) if wanted.group is not None else None
    for resource_type, paths in chosen:
        if wanted.takes_all:
            found = _ranges(job, resource_type, paths, lines_per_file)
        else:
            found = _copies(job, resource_type, _kept(job, resource_type, paths, members), lines_per_file)
        job.outputs.extend(found)
    if job.unreadable:
        job.errors.append(_error_file(job))


def _ranges(
    job: Job, resource_type: str, paths: tuple[Path, ...], lines_per_file: int
) -> Iterator[OutputFile]:
    """Stored files cut after every ``lines_per_file`` lines."""
    number = 0
    for path in paths:
        start = position = count = 0
        with path.open("rb", buffering=1 << 20) as stream:
            for line in stream:
                position += len(line)
                count += not line.isspace()
                if count == lines_per_file:
                    yield OutputFile(
                        resource_type, _name(resource_type, number), path, start, position, count
                    )
                    start, count, number = position, 0, number + 1
                if not count % _CHECK_EVERY_LINES and job.cancelled.is_set():
                    return
        if count:
            yield OutputFile(resource_type, _name(resource_type, number), path, start, position, count)
            number += 1
        job.files_done += 1


def _kept(job: Job, resource_type: str, paths: tuple[Path, ...], members: set[str] | None) -> Iterator[bytes]:
    """The lines that are wanted; a line that cannot be read is counted and left out."""
    wanted = job.wanted
    keeps = _compartment(wanted, resource_type, members)
    for path in paths:
        with path.open("rb", buffering=1 << 20) as stream:
            for number, line in enumerate(stream):
                if not number % _CHECK_EVERY_LINES and job.cancelled.is_set():
                    return
                if line.isspace():
                    continue
                seen = glance(line)
                if seen is None:
                    job.unreadable += 1
                elif seen.changed_after(wanted.since) and keeps(seen.patient_id(resource_type)):
                    yield line if line.endswith(b"\n") else line + b"\n"
        job.files_done += 1


def _compartment(
    wanted: Wanted, resource_type: str, members: set[str] | None
) -> Callable[[str | None], bool]:
    """Whether a resource of a patient (None: of nobody) belongs to the export."""
    if wanted.level is Level.SYSTEM or resource_type in SHARED_TYPES:
        return lambda _patient: True
    if members is None:
        return lambda patient: patient is not None
    return lambda patient: patient in members


def _copies(
    job: Job, resource_type: str, lines: Iterator[bytes], lines_per_file: int
) -> Iterator[OutputFile]:
    """The lines in temporary files of at most ``lines_per_file``."""
    number = count = size = 0
    stream: BinaryIO | None = None
    path = job.folder / _name(resource_type, number)
    try:
        for line in lines:
            if stream is None:
                path = job.folder / _name(resource_type, number)
                stream = path.open("wb")
            stream.write(line)
            size, count = size + len(line), count + 1
            if count == lines_per_file:
                stream.close()
                yield OutputFile(resource_type, path.name, path, 0, size, count)
                stream, number, count, size = None, number + 1, 0, 0
    finally:
        if stream is not None:
            stream.close()
    if count:
        yield OutputFile(resource_type, path.name, path, 0, size, count)


def _error_file(job: Job) -> OutputFile:
    path = job.folder / "OperationOutcome.000.ndjson"
    body: dict[str, JSON] = outcome("structure", "Some stored lines cannot be read and were left out")
    path.write_bytes(json.dumps(body).encode() + b"\n")
    return OutputFile("OperationOutcome", path.name, path, 0, path.stat().st_size, 1)


def _name(resource_type: str, number: int) -> str:
    return f"{resource_type}.{number:03}.ndjson"


__all__ = ["LINES_PER_FILE", "Job", "JobBoard", "Level", "OutputFile", "Wanted"]
