"""The Bulk Data source: kick-off, polling, download, DELETE; resumes after ``kill -9``."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from medcairn.core.clock import Clock, Ids, RandomIds
from medcairn.core.digests import Digest
from medcairn.core.errors import DataError, ExternalError, MedcairnError, UsageError
from medcairn.core.files import private_folder, storage_errors
from medcairn.core.log import get_logger
from medcairn.core.progress import Progress
from medcairn.export.bulkdata.download import FileGone, WrongCount
from medcairn.export.bulkdata.event_log import EVENT_LOG, EventLog
from medcairn.export.bulkdata.http import HttpClient
from medcairn.export.bulkdata.job import JOURNAL, JobState, Journal, clear_folder
from medcairn.export.bulkdata.kickoff import KickOff
from medcairn.export.bulkdata.manifest import ORGANIZED_FOLDER, BadManifest, BulkManifest
from medcairn.export.bulkdata.organized import sort_by_type
from medcairn.export.bulkdata.origins import Origin, checked_base, origin_of, trusted_origins
from medcairn.export.bulkdata.outcomes import failures, read_outcomes
from medcairn.export.bulkdata.polling import JobFailed, Poller
from medcairn.export.bulkdata.request import BulkRequest
from medcairn.export.bulkdata.rounds import Round
from medcairn.export.bulkdata.smart import SmartTokens, discover
from medcairn.export.bulkdata.waiting import Patience
from medcairn.export.credentials import Credentials
from medcairn.export.outputs import ERRORS_FOLDER
from medcairn.export.report import ExportReport

PARALLEL: Final = 4
TIME_LIMIT_SECONDS: Final = 12 * 3600.0
_MOST_PARALLEL: Final = 64
_DELETE_ATTEMPTS: Final = 2
_WORTHLESS: Final = (DataError, BadManifest, FileGone, WrongCount)

Remark = Callable[[str], None]
"""Hears what the server says about a failure: a line, harmless for a terminal, that may quote patients."""

_log = get_logger(__name__)


def export_bulk(
    base_url: str,
    out_dir: Path,
    *,
    request: BulkRequest,
    credentials: Credentials | None,
    progress: Progress,
    clock: Clock,
    sleep: Callable[[float], None] = time.sleep,
    monotonic: Callable[[], float] = time.monotonic,
    ids: Ids | None = None,
    parallel: int = PARALLEL,
    time_limit_seconds: float = TIME_LIMIT_SECONDS,
    allow_partial: bool = False,
    job_file: Path | None = None,
    token_origins: Sequence[str] = (),
    on_remark: Remark | None = None,
    event_log: Path | None = None,
) -> ExportReport:
    """Export from the FHIR server at ``base_url`` into ``out_dir`` (HL7 Bulk Data Access IG 2.0 and 3.0).

    ``out_dir`` receives ``<Type>.<NNN>.ndjson`` with exactly the bytes that the server sent, each line
    checked, and what the server lists as deletions and errors in ``deletions/`` and ``errors/``. When the
    process dies, the same call with the same request goes on with the same job on the server and fetches
    only what is missing. The journal for that lies in ``out_dir`` and is removed at the end; a caller who
    still has work to do before its artifact has its final name gives ``job_file``, a path outside, and
    removes that file afterwards, so that a crash in between costs no second export either.

    ``event_log`` is where the events go, as the SMART client logs them: ``log.ndjson`` in ``out_dir`` unless
    another path is given.

    ``credentials`` None means an open server. ``token_origins`` are further origins, besides the server's
    own, that may get its token. ``allow_partial`` accepts an export of which the server says that something
    is missing; without it, such an export fails and keeps what there is. ``on_remark`` hears what the server
    says about failures; the report's ``remarks`` are the same for an export that succeeds.

    Raises :class:`UsageError` for a wrong address or request, :class:`ExternalError` for what the server
    does, :class:`DataError` for content that is no FHIR NDJSON or when nothing was exported.
    """
    base = checked_base(base_url)
    home = origin_of(base)
    if home is None:
        raise UsageError("This is no FHIR base URL")
    _refuse_plain_http(home, credentials)
    if not 1 <= parallel <= _MOST_PARALLEL:
        raise UsageError("So many files cannot be fetched at a time", parallel=parallel, most=_MOST_PARALLEL)
    private_folder(out_dir)
    patience = Patience(clock, sleep, monotonic, time_limit_seconds)
    journal = Journal(job_file or out_dir / JOURNAL)
    client = HttpClient(home, patience, token_origins=trusted_origins(home, token_origins))
    log = EventLog(event_log or out_dir / EVENT_LOG, clock, client.without_tokens)
    with client, closing(log):
        job = _Job(
            client,
            journal,
            log,
            out_dir,
            base,
            request,
            allow_partial,
            parallel,
            progress,
            ids or RandomIds(),
            on_remark or _ignore,
        )
        state = job.resumable()
        if state is None or state.ended is None:
            if credentials is not None:
                endpoint = discover(client, base, credentials)
                client.tokens = SmartTokens(
                    client, endpoint, credentials, clock=clock, ids=job.ids, monotonic=monotonic
                )
            state = job.run(state)
        job.tidy(state)
    if job_file is None:
        journal.remove()
    return job.report(state)


def _ignore(_: str) -> None:
    """Nobody listens."""


def _refuse_plain_http(home: Origin, credentials: Credentials | None) -> None:
    if credentials is not None and home.scheme != "https" and not home.loopback:
        raise UsageError("An access token is not sent over plain http", hint="Use the server's https address")


@dataclass
class _Job:
    """One export job on one server."""

    client: HttpClient
    journal: Journal
    log: EventLog
    folder: Path
    base: str
    request: BulkRequest
    allow_partial: bool
    parallel: int
    progress: Progress
    ids: Ids
    on_remark: Remark

    def resumable(self) -> JobState | None:
        """The journal's job, if it is for this request and worth going on with."""
        state = self.journal.read()
        if state is None or state.request != self._digest():
            return None
        self.log.export_id = state.export_id
        if state.ended is None:
            return state
        if state.ended.end == "partial" and not self.allow_partial:
            return None
        return state if state.whole_in(self.folder) else None

    def run(self, state: JobState | None) -> JobState:
        """Everything up to the DELETE.

        On Ctrl-C, and when what the server made is worthless, it is told that nobody waits any more, and
        the next run asks anew. After other failures the next run goes on with this job.
        """
        try:
            state, manifest = self._ready(state)
            self._fetch_all(state, manifest)
            self._end(state, manifest)
        except KeyboardInterrupt:
            self._forget()
            raise
        except _WORTHLESS:
            self._forget()
            raise
        self._delete(state.status_url)
        self._refuse_shortfall(state)
        return state

    def tidy(self, state: JobState) -> None:
        """Remove the files that were sorted into others, also when the process died before it could."""
        if any(name.startswith(ORGANIZED_FOLDER) for name in state.finished):
            with storage_errors():
                shutil.rmtree(self.folder / ORGANIZED_FOLDER, ignore_errors=True)

    def report(self, state: JobState) -> ExportReport:
        """The report of a job that has ended."""
        return ExportReport(
            source="bulk",
            files=state.outputs,
            transaction_time=state.transaction_time,
            outcomes=state.ended.outcomes if state.ended else {},
            deletion_files=state.ended.deletion_files if state.ended else 0,
            files_read=len(state.plan.files) if state.plan else 0,
            remarks=self._remarks(state),
        )

    def _digest(self) -> Digest:
        return self.request.digest_at(self.base)

    def _ready(self, state: JobState | None) -> tuple[JobState, BulkManifest]:
        """The job and its manifest, from the job under way if the server still knows it."""
        manifest: BulkManifest | None = None
        if state is not None:
            manifest = self._poll(state.status_url)
        if state is None or manifest is None:
            state = self._start()
            manifest = self._poll(state.status_url)
        if manifest is None:
            self.journal.remove()
            raise ExternalError("The server lost the export that it had begun", server=self.client.home.label)
        self.journal.plan(state, manifest, self.folder)
        return state, manifest

    def _start(self) -> JobState:
        """Start an export. What an earlier one left is in the way."""
        self.progress.begin("Asking the server for an export")
        clear_folder(self.folder)
        self.log.export_id = self.ids.new()
        begun = self.client.patience.clock.now()
        kick_off = KickOff(self.client, self.base, self.request, self.log, self._remark)
        status_url = kick_off.start()
        return self.journal.start(self._digest(), status_url, export_id=self.log.export_id, begun=begun)

    def _poll(self, status_url: str) -> BulkManifest | None:
        """Wait until the job is done; its manifest, or None when the server does not know the job.

        A job that failed is forgotten, so that a rerun asks anew; an outage is not.
        """
        self.progress.begin("Waiting for the server to prepare the files")
        try:
            return Poller(self.client, self.log, self._remark).wait(status_url)
        except JobFailed:
            self.journal.remove()
            raise

    def _fetch_all(self, state: JobState, manifest: BulkManifest) -> None:
        """Fetch what is missing. When addresses have expired, the manifest is asked for once more."""
        fetching = Round(self.client, self.journal, self.log, self.folder, self.parallel, self.progress)
        gone = fetching.fetch(state, manifest)
        if gone is None:
            return
        renewed = self._poll(state.status_url)
        if renewed is None:
            raise gone
        self.journal.plan(state, renewed, self.folder)
        gone = fetching.fetch(state, renewed)
        if gone is not None:
            raise gone

    def _end(self, state: JobState, manifest: BulkManifest) -> None:
        organized = manifest.of("organized")
        in_order = None
        if organized:
            plain = tuple(state.finished[str(file.path)] for file in manifest.of("output"))
            in_order = plain + sort_by_type(self.folder, (file.path for file in organized))
        with storage_errors():
            outcomes = read_outcomes(self.folder / file.path for file in manifest.of("error"))
        end: Final = "partial" if failures(outcomes.counts) else "whole"
        counts = dict(sorted(outcomes.counts.items()))
        self.journal.end(state, end, counts, len(manifest.of("deleted")), in_order)
        self.log.export_complete([*state.finished.values()], state.begun or self.client.patience.clock.now())

    def _delete(self, status_url: str) -> bool:
        """Tell the server that it may forget the files. A refusal costs nothing but its disk space."""
        with suppress(MedcairnError):
            answer = self.client.ask("DELETE", status_url, authorize=True, attempts=_DELETE_ATTEMPTS)
            if answer.status < 300:
                return True
        _log.warning("export_not_deleted_on_server")
        return False

    def _forget(self) -> None:
        known = self.journal.read()
        if known is not None and known.request == self._digest() and self._delete(known.status_url):
            self.journal.remove()

    def _remarks(self, state: JobState) -> tuple[str, ...]:
        names = [path for path, _ in state.plan.files] if state.plan else []
        errors = [self.folder / name for name in names if name.startswith(f"{ERRORS_FOLDER}/")]
        with storage_errors():
            return tuple(self.client.without_tokens(text) for text in read_outcomes(errors).remarks)

    def _remark(self, text: str) -> None:
        self.on_remark(self.client.without_tokens(text))

    def _refuse_shortfall(self, state: JobState) -> None:
        counts = state.ended.outcomes if state.ended else {}
        if failures(counts) and not self.allow_partial:
            for text in self._remarks(state):
                self.on_remark(text)
            raise ExternalError(
                "The server could not export everything",
                hint="What it could is kept, with its reasons in errors/. Run again to ask anew, or with "
                "--allow-partial to accept it",
                folder=self.folder,
                issues=failures(counts),
                files_kept=len(state.outputs),
            )
        if not state.finished and self.request.since is None:
            self.journal.remove()
            raise DataError("The server exported nothing", hint="Check the group and the types asked for")


__all__ = ["PARALLEL", "TIME_LIMIT_SECONDS", "Remark", "export_bulk"]
