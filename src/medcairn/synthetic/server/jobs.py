"""Export jobs: begun, worked on in the background, asked for, dropped."""

from __future__ import annotations

import shutil
import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path

from medcairn.synthetic.server.changes import Records
from medcairn.synthetic.server.faults import Faults
from medcairn.synthetic.server.outputs import Filler, OutputFile, Outputs
from medcairn.synthetic.server.wanted import Wanted

LINES_PER_FILE = 50_000
POLLS = 2
"""How often a job is told to wait, at least."""


@dataclass
class Job:
    """One export in the making or made. ``polls`` counts the answers that said "not yet", ``manifests`` those
    that handed out the first page of the manifest.
    """

    id: str
    wanted: Wanted
    transaction_time: str
    folder: Path
    outputs: Outputs = field(default_factory=Outputs)
    by_name: dict[str, OutputFile] = field(default_factory=dict)
    polls: int = 0
    manifests: int = 0
    failed: bool = False
    finished: threading.Event = field(default_factory=threading.Event)

    def poll(self, minimum: int) -> bool:
        """Whether the result is there. The first polls are told to wait, as a real server would."""
        if self.finished.is_set() and self.polls >= minimum:
            return True
        self.polls += 1
        return False


class JobBoard:
    """All jobs of a server. Job ids count up, so a manifest is the same on each run."""

    def __init__(self, records: Records, *, lines_per_file: int, faults: Faults) -> None:
        self._records, self._faults = records, faults
        self._lines_per_file = lines_per_file
        self._jobs: dict[str, Job] = {}
        self._started = 0
        self._lock = threading.Lock()
        self._scratch: Path | None = None

    def start(self, wanted: Wanted) -> str:
        """Begin an export and return its job id."""
        snapshot = self._records.snapshot()
        with self._lock:
            self._started += 1
            number = self._started
            job_id = f"{number:04}"
            if self._scratch is None:
                self._scratch = Path(tempfile.mkdtemp(prefix="medcairn-hospital-"))
            folder = self._scratch / job_id
            folder.mkdir()
            job = Job(job_id, wanted, snapshot.transaction_time, folder)
            if number > self._faults.lost_jobs:
                self._jobs[job_id] = job
        job.failed = number <= self._faults.failing_jobs
        filler = Filler(wanted, snapshot, folder, faults=self._faults, lines_per_file=self._lines_per_file)
        work = threading.Thread(target=_work, args=(job, filler), name=f"export-{job_id}", daemon=True)
        work.start()
        return job_id

    def get(self, job_id: str, client_id: str | None) -> Job | None:
        """The job, when there is one and ``client_id`` started it; None asks for anybody's."""
        job = self._jobs.get(job_id)
        if job is None or client_id is None:
            return job
        return job if job.wanted.client_id == client_id else None

    def drop(self, job_id: str) -> None:
        """Stop a job and forget it with its temporary files."""
        with self._lock:
            job = self._jobs.pop(job_id, None)
        if job is not None:
            job.outputs.cancelled.set()
            if job.finished.wait(timeout=10):
                shutil.rmtree(job.folder, ignore_errors=True)

    def close(self) -> None:
        """Stop all jobs and remove all temporary files."""
        for job_id in list(self._jobs):
            self.drop(job_id)
        if self._scratch is not None:
            shutil.rmtree(self._scratch, ignore_errors=True)


def _work(job: Job, filler: Filler) -> None:
    whole = False
    try:
        filler.fill(job.outputs)
        job.by_name = job.outputs.by_name()
        whole = True
    except OSError:
        whole = False
    finally:
        # Whatever went wrong, a job that did not come to its end must not look finished.
        job.failed |= not whole
        job.finished.set()


__all__ = ["LINES_PER_FILE", "POLLS", "Job", "JobBoard"]
