"""The Bulk Data source: kick-off, polling, download, DELETE; resumes after ``kill -9``."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlencode, urljoin

from medcairn.core.clock import Clock, Ids, RandomIds
from medcairn.core.digests import Digest
from medcairn.core.errors import DataError, ExternalError, MedcairnError, UsageError
from medcairn.core.log import get_logger
from medcairn.core.progress import Progress
from medcairn.export.bulkdata.download import FileGone, WrongCount, fetch
from medcairn.export.bulkdata.http import Answer, HttpClient
from medcairn.export.bulkdata.job import JOURNAL, JobState, Journal, is_whole, missing
from medcairn.export.bulkdata.manifest import BadManifest, BulkManifest, Listed, parse_manifest
from medcairn.export.bulkdata.origins import Origin, check_target, checked_base, origin_of
from medcairn.export.bulkdata.outcomes import count_severities, failures
from medcairn.export.bulkdata.request import BulkRequest
from medcairn.export.bulkdata.smart import SmartTokens, discover
from medcairn.export.bulkdata.waiting import Patience
from medcairn.export.credentials import SmartCredentials
from medcairn.export.outputs import clear_outputs
from medcairn.export.report import ExportReport

PARALLEL: Final = 4
TIME_LIMIT_SECONDS: Final = 12 * 3600.0
_GONE: Final = frozenset({404, 410})
_FAILED: Final = frozenset({400, 422, 500, 501})
_WORTHLESS: Final = (DataError, BadManifest, FileGone, WrongCount)
_AGAIN: Final = "Run the same command again; it goes on where it stopped"

_log = get_logger(__name__)


def export_bulk(
    base_url: str,
    out_dir: Path,
    *,
    request: BulkRequest,
    credentials: SmartCredentials | None,
    progress: Progress,
    clock: Clock,
    sleep: Callable[[float], None] = time.sleep,
    monotonic: Callable[[], float] = time.monotonic,
    ids: Ids | None = None,
    parallel: int = PARALLEL,
    time_limit_seconds: float = TIME_LIMIT_SECONDS,
    allow_partial: bool = False,
    job_file: Path | None = None,
) -> ExportReport:
    """Export from the FHIR server at ``base_url`` into ``out_dir`` (HL7 Bulk Data Access IG 2.0).

    ``out_dir`` receives ``<Type>.<NNN>.ndjson`` with exactly the bytes that the server sent, each line
    checked, and what the server lists as deletions and errors in ``deletions/`` and ``errors/``. When the
    process dies, the same call with the same request goes on with the same job on the server and fetches
    only what is missing. The journal for that lies in ``out_dir`` and is removed at the end; a caller who
    still has work to do before its artifact has its final name gives ``job_file``, a path outside, and
    removes that file afterwards, so that a crash in between costs no second export either.

    ``credentials`` None means an open server. ``allow_partial`` accepts an export of which the server says
    that something is missing; without it, such an export fails and keeps what there is.

    Raises :class:`UsageError` for a wrong address or request, :class:`ExternalError` for what the server
    does, :class:`DataError` for content that is no FHIR NDJSON or when nothing was exported.
    """
    base = checked_base(base_url)
    home = origin_of(base)
    if home is None:
        raise UsageError("This is no FHIR base URL")
    _refuse_plain_http(home, credentials)
    patience = Patience(clock, sleep, monotonic, time_limit_seconds)
    journal = Journal(job_file or out_dir / JOURNAL)
    with HttpClient(home, patience) as client:
        job = _Job(client, journal, out_dir, base, request, allow_partial, parallel, progress)
        state = job.resumable()
        if state is None or state.ended is None:
            if credentials is not None:
                endpoint = discover(client, base, credentials)
                client.tokens = SmartTokens(
                    client, endpoint, credentials, clock=clock, ids=ids or RandomIds(), monotonic=monotonic
                )
            state = job.run(state)
    if job_file is None:
        journal.remove()
    return job.report(state)


def _refuse_plain_http(home: Origin, credentials: SmartCredentials | None) -> None:
    if credentials is not None and home.scheme != "https" and not home.loopback:
        raise UsageError("An access token is not sent over plain http", hint="Use the server's https address")


@dataclass
class _Job:
    """One export job on one server."""

    client: HttpClient
    journal: Journal
    folder: Path
    base: str
    request: BulkRequest
    allow_partial: bool
    parallel: int
    progress: Progress

    def resumable(self) -> JobState | None:
        """The journal's job, if it is for this request and worth going on with."""
        state = self.journal.read()
        if state is None or state.request != self._digest():
            return None
        if state.ended is None:
            return state
        if state.ended.end == "partial" and not self.allow_partial:
            return None
        planned = {path for path, _ in state.plan.files} if state.plan else set()
        whole = planned == set(state.finished) and all(
            is_whole(f, self.folder) for f in state.finished.values()
        )
        return state if whole else None

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

    def report(self, state: JobState) -> ExportReport:
        """The report of a job that has ended."""
        order = [path for path, _ in state.plan.files] if state.plan else []
        finished = [state.finished[path] for path in order if "/" not in path]
        return ExportReport(
            source="bulk",
            files=tuple(finished),
            transaction_time=state.transaction_time,
            outcomes=state.ended.outcomes if state.ended else {},
            deletion_files=state.ended.deletion_files if state.ended else 0,
            files_read=len(order),
        )

    def _digest(self) -> Digest:
        return self.request.digest_at(self.base)

    def _ready(self, state: JobState | None) -> tuple[JobState, BulkManifest]:
        """The job and its manifest, from the job under way if the server still knows it."""
        manifest: BulkManifest | None = None
        if state is not None:
            manifest = self._poll(state.status_url)
        if state is None or manifest is None:
            clear_outputs(self.folder)
            state = self.journal.start(self._digest(), self._kick_off())
            manifest = self._poll(state.status_url)
        if manifest is None:
            self.journal.remove()
            raise ExternalError("The server lost the export that it had begun", server=self.client.home.label)
        self.journal.plan(state, manifest, self.folder)
        return state, manifest

    def _kick_off(self) -> str:
        """Start an export; the address of its status."""
        self.progress.begin("Asking the server for an export")
        query = urlencode(self.request.parameters())
        url = f"{self.base}/{self.request.operation}" + (f"?{query}" if query else "")
        headers = {"Accept": "application/fhir+json", "Prefer": "respond-async"}
        answer = self.client.ask("GET", url, authorize=True, headers=headers)
        location = answer.headers.get("content-location")
        if answer.status not in (200, 202) or not location:
            raise self._refusal(answer)
        status_url = urljoin(url, location)
        check_target(status_url, self.client.home)
        return status_url

    def _refusal(self, answer: Answer) -> ExternalError:
        hints = {
            401: "Give --client-id and --key, and check that the client is registered",
            403: "Check that the client is registered for system/*.read",
            404: "Check the base URL and the group, and that the server offers Bulk Data export",
        }
        return ExternalError(
            "The server refused to start an export",
            hint=hints.get(answer.status, "Check the types and the time asked for"),
            server=self.client.home.label,
            status=answer.status,
        )

    def _poll(self, status_url: str) -> BulkManifest | None:
        """Wait until the job is done; its manifest, or None when the server does not know the job."""
        self.progress.begin("Waiting for the server to prepare the files")
        polls = 0
        while True:
            answer = self.client.ask(
                "GET", status_url, authorize=True, headers={"Accept": "application/json"}
            )
            if answer.status == 200:
                return parse_manifest(answer.body, status_url)
            if answer.status in _GONE:
                return None
            if answer.status != 202:
                raise self._failure(answer)
            polls += 1
            self.client.patience.wait_to_poll(polls, answer.headers.get("retry-after"))

    def _failure(self, answer: Answer) -> ExternalError:
        """A job that failed is forgotten, so that a rerun asks anew; an outage is not."""
        server, status = self.client.home.label, answer.status
        if status in _FAILED:
            self.journal.remove()
            hint = "Run the command again to ask anew; ask the server's operator if it keeps failing"
            return ExternalError(
                "The server says that the export failed", hint=hint, server=server, status=status
            )
        return ExternalError(
            "The server does not tell how the export is going", hint=_AGAIN, server=server, status=status
        )

    def _fetch_all(self, state: JobState, manifest: BulkManifest) -> None:
        """Fetch what is missing. When addresses have expired, the manifest is asked for once more."""
        gone = self._fetch_round(state, manifest)
        if gone is None:
            return
        renewed = self._poll(state.status_url)
        if renewed is None:
            raise gone
        self.journal.plan(state, renewed, self.folder)
        gone = self._fetch_round(state, renewed)
        if gone is not None:
            raise gone

    def _fetch_round(self, state: JobState, manifest: BulkManifest) -> FileGone | None:
        todo = missing(state, manifest.files)
        counts = [file.count for file in todo if file.role == "output"]
        total = None if None in counts else sum(count for count in counts if count is not None)
        self.progress.begin("Downloading", total, "resources")

        def fetch_one(listed: Listed) -> None:
            authorize = manifest.requires_access_token
            file = fetch(self.client, listed, self.folder, authorize=authorize, progress=self.progress)
            self.journal.finish(state, file)

        with ThreadPoolExecutor(self.parallel, "medcairn-export") as pool:
            futures = [pool.submit(fetch_one, listed) for listed in todo]
            try:
                errors = _outcomes(futures)
            except KeyboardInterrupt:
                self.client.patience.stopped.set()
                pool.shutdown(cancel_futures=True)
                self.client.patience.stopped.clear()
                raise
        for error in errors:
            if not isinstance(error, FileGone):
                raise error
        return next((error for error in errors if isinstance(error, FileGone)), None)

    def _end(self, state: JobState, manifest: BulkManifest) -> None:
        counts = count_severities(self.folder / file.path for file in manifest.of("error"))
        end: Final = "partial" if failures(counts) else "whole"
        self.journal.end(state, end, counts, len(manifest.of("deleted")))

    def _delete(self, status_url: str) -> bool:
        """Tell the server that it may forget the files. A refusal costs nothing but its disk space."""
        with suppress(MedcairnError):
            answer = self.client.ask("DELETE", status_url, authorize=True, attempts=1)
            if answer.status < 300:
                return True
        _log.warning("export_not_deleted_on_server")
        return False

    def _forget(self) -> None:
        known = self.journal.read()
        if known is not None and known.request == self._digest() and self._delete(known.status_url):
            self.journal.remove()

    def _refuse_shortfall(self, state: JobState) -> None:
        counts = state.ended.outcomes if state.ended else {}
        if failures(counts) and not self.allow_partial:
            raise ExternalError(
                "The server could not export everything",
                hint="What it could is kept, with its reasons in errors/. Run again to ask anew, or with "
                "--allow-partial to accept it",
                folder=self.folder,
                issues=failures(counts),
                files_kept=len([path for path in state.finished if "/" not in path]),
            )
        if not state.finished and self.request.since is None:
            self.journal.remove()
            raise DataError("The server exported nothing", hint="Check the group and the types asked for")


def _outcomes(futures: list[Future[None]]) -> list[BaseException]:
    """The failures, in the order of the files. After the first one, files not yet begun are left."""
    for future in as_completed(futures):
        if not future.cancelled() and future.exception() is not None:
            for other in futures:
                other.cancel()
    found = [None if future.cancelled() else future.exception() for future in futures]
    return [error for error in found if error is not None]


__all__ = ["PARALLEL", "TIME_LIMIT_SECONDS", "export_bulk"]
