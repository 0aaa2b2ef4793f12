"""Waiting for the job, and reading all pages of its manifest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from medcairn.core.errors import ExternalError
from medcairn.export.bulkdata.event_log import EventLog
from medcairn.export.bulkdata.http import PATIENT_ATTEMPTS, Answer, HttpClient
from medcairn.export.bulkdata.manifest import BadManifest, BulkManifest, Page, manifest_of, parse_page
from medcairn.export.bulkdata.origins import origin_of
from medcairn.export.bulkdata.outcomes import remarks_of

_GONE: Final = frozenset({404, 410})
_FAILED: Final = frozenset({400, 422, 500, 501})
_MOST_PAGES: Final = 10_000
_AGAIN: Final = "Run the same command again; it goes on where it stopped"


class JobFailed(ExternalError):
    """The server says that the export failed: it has to be asked for anew."""


@dataclass(frozen=True)
class Poller:
    """Asks a job's status until it is done. ``remark`` hears what the server says when it failed."""

    client: HttpClient
    log: EventLog
    remark: Callable[[str], None]

    def wait(self, status_url: str) -> BulkManifest | None:
        """The whole manifest, or None when the server does not know the job.

        All pages are read before anything is fetched, so that what is fetched is known to be whole. They are
        on the server of the first page, and none comes twice.

        Raises :class:`JobFailed`, :class:`BadManifest`, or :class:`ExternalError` when the server does not
        tell.
        """
        answer = self._answer(status_url)
        if answer is None:
            return None
        pages = [parse_page(answer.body, status_url)]
        self.log.status_complete(pages[0].transaction_time)
        expires = _expires(answer.headers.get("expires"))
        seen = [status_url]
        while (url := pages[-1].next_url) is not None:
            pages.append(self._page(url, seen))
        manifest = manifest_of(pages, expires)
        self.log.pages_complete(manifest.transaction_time, pages)
        return manifest

    def _page(self, url: str, seen: list[str]) -> Page:
        if url in seen or len(seen) >= _MOST_PAGES:
            raise BadManifest("The pages of the server's manifest have no end", pages=len(seen))
        if origin_of(url) != origin_of(seen[0]):
            raise BadManifest("A page of the server's manifest is said to be on another server; refused")
        seen.append(url)
        answer = self._answer(url)
        if answer is None:
            raise BadManifest("A page of the server's manifest is missing", page=len(seen))
        return parse_page(answer.body, url)

    def _answer(self, url: str) -> Answer | None:
        """The answer at ``url`` that is not "not yet" any more; None when the server does not know it."""
        polls = 0
        while True:
            answer = self.client.ask(
                "GET", url, authorize=True, headers={"Accept": "application/json"}, attempts=PATIENT_ATTEMPTS
            )
            if answer.status == 200:
                return answer
            if answer.status in _GONE:
                return None
            if answer.status != 202:
                raise self._failure(answer)
            self.log.status_progress(answer)
            polls += 1
            self.client.patience.wait_to_poll(polls, answer.headers.get("retry-after"))

    def _failure(self, answer: Answer) -> ExternalError:
        self.log.status_error(answer)
        for text in remarks_of(answer.body):
            self.remark(text)
        server, status = self.client.home.label, answer.status
        if status in _FAILED and not answer.outage:
            hint = "Run the command again to ask anew; ask the server's operator if it keeps failing"
            return JobFailed(
                "The server says that the export failed", hint=hint, server=server, status=status
            )
        return ExternalError(
            "The server does not tell how the export is going", hint=_AGAIN, server=server, status=status
        )


def _expires(text: str | None) -> datetime | None:
    """The ``Expires`` header; None for none, and for what is no HTTP-date."""
    if not text or len(text) > 64:
        return None
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


__all__ = ["JobFailed", "Poller"]
