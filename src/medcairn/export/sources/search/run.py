"""The search source: plain FHIR search with paging, for servers without Bulk Data.

A search is no snapshot: what changes while pages are read may come twice (the newest line counts) or, on
servers that page by position, slip between two pages. Hence the order by ``_lastUpdated``, which moves
changes to the end; a total that is not reached is an error. Deletions do not show in a search.
"""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from medcairn.core.canonical import JSON, canonical_json
from medcairn.core.clock import Clock, Ids
from medcairn.core.errors import DataError, ExternalError
from medcairn.core.files import private_folder, storage_errors, sync_folder, write_file
from medcairn.core.labels import Label
from medcairn.core.progress import Progress
from medcairn.export.bulkdata.connection import Timing, connected
from medcairn.export.bulkdata.http import HttpClient
from medcairn.export.bulkdata.outcomes import failures
from medcairn.export.credentials import Credentials
from medcairn.export.merging.files import TypeSequence
from medcairn.export.merging.newest import Newest
from medcairn.export.outputs import QUARANTINE_FILE, clear_outputs
from medcairn.export.report import ExportedFile, ExportReport
from medcairn.export.sources.search.journal import SearchJournal
from medcairn.export.sources.search.pinned import pinned_time
from medcairn.export.sources.search.report import SearchReport
from medcairn.export.sources.search.request import SearchRequest
from medcairn.export.sources.search.walk import MOST_PAGES, SearchRefused, Walk

WORK_FOLDER: Final = "search.work"
PARALLEL: Final = 2
TIME_LIMIT_SECONDS: Final = 12 * 3600.0
_AGAIN: Final = "What it sent is kept. Run again to ask anew, or with --allow-partial to accept it"


def export_search(
    base_url: str,
    out_dir: Path,
    *,
    request: SearchRequest,
    credentials: Credentials | None,
    progress: Progress,
    clock: Clock,
    sleep: Callable[[float], None] = time.sleep,
    monotonic: Callable[[], float] = time.monotonic,
    ids: Ids | None = None,
    parallel: int = PARALLEL,
    time_limit_seconds: float = TIME_LIMIT_SECONDS,
    allow_partial: bool = False,
    most_pages: int = MOST_PAGES,
    work_dir: Path | None = None,
) -> SearchReport:
    """Search the FHIR server at ``base_url`` for everything that ``request`` names, into ``out_dir``.

    Writes ``<Type>.<NNN>.ndjson`` with the resources' own JSON bytes, each resource once. Entries that are
    no resource of the type searched are named in ``quarantine.ndjson`` by page and entry. The report's
    transaction time is the server's own clock (its Date header) before the first search: where the next
    search can start.

    When the process dies, the same call goes on after the last page that was kept. Its work lies in
    ``out_dir`` and is removed at the end; a caller who still has work to do before its artifact has its
    final name gives ``work_dir``, a path outside, and removes that folder afterwards. ``parallel`` types are
    searched at a time, ``most_pages`` is the limit of one type.

    Raises :class:`UsageError` for a wrong address, :class:`ExternalError` for what the server does, among
    that refusing a type or sending less than it counted, which ``allow_partial`` accepts;
    :class:`DataError` when there is nothing.
    """
    timing = Timing(clock, sleep, monotonic, time_limit_seconds)
    with connected(base_url, credentials, timing, ids) as (client, base):
        work = work_dir or out_dir / WORK_FOLDER
        clear_outputs(private_folder(out_dir))
        search = _Search(client, base, request, work, progress, most_pages)
        search.time = pinned_time(client, base, request, work)
        search.journals = {name: SearchJournal(work, name) for name in request.types}
        progress.begin("Searching", None, "resources")
        search.walk_all(parallel)
    report = search.written(out_dir)
    _refuse_shortfall(search, report, allow_partial)
    if work_dir is None:
        with storage_errors():
            shutil.rmtree(work, ignore_errors=True)
    return report


@dataclass
class _Search:
    """All types of one export."""

    client: HttpClient
    base: str
    request: SearchRequest
    work: Path
    progress: Progress
    most_pages: int
    time: str | None = None
    journals: dict[str, SearchJournal] = field(default_factory=dict)
    refused: dict[str, SearchRefused] = field(default_factory=dict)

    def walk_all(self, parallel: int) -> None:
        """Every type to its end, or to its refusal. Raises the first other failure, in the order of types."""
        with ThreadPoolExecutor(parallel, "medcairn-search") as pool:
            futures = [pool.submit(self._walk, name) for name in self.request.types]
            try:
                error = _first_error(futures)
            except KeyboardInterrupt:
                self.client.patience.stopped.set()
                pool.shutdown(cancel_futures=True)
                raise
        if error is not None:
            raise error

    def _walk(self, resource_type: str) -> None:
        journal = self.journals[resource_type]
        walk = Walk(
            self.client, self.base, self.request, resource_type, journal, self.progress, self.most_pages
        )
        try:
            walk.run()
        except SearchRefused as refusal:
            self.refused[resource_type] = refusal

    def written(self, out_dir: Path) -> SearchReport:
        """The output files, each resource once, and the report."""
        states = [journal.state for journal in self.journals.values()]
        outcomes: Counter[str] = Counter()
        for state in states:
            outcomes.update(state.outcomes)
        included = sum(state.included for state in states)
        with _index(self.work) as newest:
            distinct = {}
            for name, journal in self.journals.items():
                before = newest.present
                newest.add(journal.lines)
                distinct[name] = newest.present - before
            files = _write_files(newest, out_dir, self.progress)
            repeated = newest.lines - newest.present
        short = {name: self._short(name, None if included else distinct[name]) for name in self.journals}
        short = {name: count for name, count in short.items() if count}
        quarantined = self._write_quarantine(out_dir)
        whole = not (short or self.refused or failures(outcomes))
        export = ExportReport(
            source="search",
            files=files,
            transaction_time=Label(self.time) if whole and self.time is not None else None,
            outcomes=dict(sorted(outcomes.items())),
            quarantined=quarantined,
        )
        refused = {name: _status(error) for name, error in sorted(self.refused.items())}
        pages = sum(state.pages for state in states)
        return SearchReport(export, pages, repeated, included, short, refused)

    def _short(self, resource_type: str, distinct: int | None) -> int:
        """How many matches are missing. A repetition on the next page hides a resource that slipped by, so
        where one search of the type is all there is, distinct resources are counted (when these are known).
        """
        state = self.journals[resource_type].state
        short = state.short + state.missing
        if distinct is not None and state.query == 0 and state.least_total is not None:
            short = max(short, state.least_total - distinct - len(state.set_aside))
        return short

    def _write_quarantine(self, out_dir: Path) -> dict[str, int]:
        """Name what was set aside, and count it by reason."""
        counts: Counter[str] = Counter()
        lines = []
        for name, journal in self.journals.items():
            for page, entry, reason in journal.state.set_aside:
                record: dict[str, JSON] = {"type": name, "page": page, "entry": entry, "reason": reason}
                lines.append(canonical_json(record) + b"\n")
                counts[reason] += 1
        if lines:
            write_file(out_dir / QUARANTINE_FILE, b"".join(lines), private=True)
        return dict(sorted(counts.items()))

    def forget(self, report: SearchReport) -> None:
        """A rerun asks anew for the types that are not whole."""
        for name, journal in self.journals.items():
            if name in report.short or name in self.refused or failures(journal.state.outcomes):
                journal.forget()


def _write_files(newest: Newest, out_dir: Path, progress: Progress) -> tuple[ExportedFile, ...]:
    progress.begin("Writing", newest.lines, "resources")
    sequences = {name: TypeSequence(out_dir, name) for name in sorted(newest.types)}
    try:
        for number in range(len(newest.files)):
            for resource_type, line in newest.winners(number):
                sequences[resource_type].write(line)
        for sequence in sequences.values():
            sequence.end()
    finally:
        for sequence in sequences.values():
            sequence.abandon()
    with storage_errors():
        sync_folder(out_dir)
    return tuple(file for sequence in sequences.values() for file in sequence.finished)


@contextmanager
def _index(work: Path) -> Iterator[Newest]:
    newest = Newest(work / "index.sqlite")
    try:
        yield newest
    finally:
        newest.close()


def _refuse_shortfall(search: _Search, report: SearchReport, allow_partial: bool) -> None:
    issues = failures(report.export.outcomes)
    if not allow_partial and (search.refused or report.short or issues):
        search.forget(report)
        if search.refused:
            raise next(iter(search.refused.values()))
        raise ExternalError(
            "The server's search did not bring everything that the server counts",
            hint=_AGAIN,
            missing=sum(report.short.values()),
            types_short=len(report.short),
            issues=issues,
        )
    if not report.export.files and search.request.since is None:
        search.forget(report)
        raise DataError("The search found nothing", hint="Check the types and parameters asked for")


def _status(refusal: SearchRefused) -> int:
    status = refusal.fields["status"]
    return status if isinstance(status, int) else 0


def _first_error(futures: list[Future[None]]) -> BaseException | None:
    """The first failure in the order of types. After one, types not yet begun are left."""
    for future in as_completed(futures):
        if not future.cancelled() and future.exception() is not None:
            for other in futures:
                other.cancel()
    found = [None if future.cancelled() else future.exception() for future in futures]
    return next((error for error in found if error is not None), None)


__all__ = ["PARALLEL", "TIME_LIMIT_SECONDS", "WORK_FOLDER", "export_search"]
