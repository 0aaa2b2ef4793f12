"""The pages of one type, one after another, each kept before the next is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import urljoin

from medcairn.core.digests import digest_bytes
from medcairn.core.errors import ExternalError
from medcairn.core.labels import Label
from medcairn.core.progress import Progress
from medcairn.export.bulkdata.http import Answer, HttpClient
from medcairn.export.bulkdata.origins import origin_of
from medcairn.export.resource_types import RESOURCE_TYPES
from medcairn.export.sources.search.journal import SearchJournal
from medcairn.export.sources.search.page import Page, parse_page
from medcairn.export.sources.search.request import SearchRequest

MOST_PAGES: Final = 1_000_000
"""Pages of one type. Beyond that a server is taken to page without end."""

_MOST_RESTARTS: Final = 100
_READ_ATTEMPTS: Final = 3
_EXPIRED: Final = frozenset({404, 410})
_UNORDERED: Final = frozenset({400, 422, 501})
_AGAIN: Final = "Run the same command again; it goes on where it stopped"
_HEADERS: Final = {"Accept": "application/fhir+json"}


class SearchRefused(ExternalError):
    """The server does not let this type be searched like this; field ``status`` is its HTTP status."""


@dataclass(frozen=True)
class Walk:
    """The searches of one type.

    :meth:`run` raises :class:`SearchRefused` when the server refuses, :class:`ExternalError` for pages that
    lead elsewhere, in a circle or without end, and what :meth:`HttpClient.ask` raises.
    """

    client: HttpClient
    base: str
    request: SearchRequest
    resource_type: str
    journal: SearchJournal
    progress: Progress
    most_pages: int = MOST_PAGES

    def run(self) -> None:
        """All searches to their ends, from where the journal says."""
        state = self.journal.state
        for number in range(max(state.query, 0), len(self.request.queries(self.resource_type))):
            if number > state.query:
                self._begin(number, ordered=state.ordered)
            while state.url is not None:
                self._step(number, state.url)

    def _begin(self, number: int, *, ordered: bool, since: str | None = None) -> None:
        query = self.request.queries(self.resource_type)[number]
        url = f"{self.base}/{self.request.path(query, ordered=ordered, since=since)}"
        self.journal.begin(number, url, ordered=ordered, since=since)

    def _step(self, number: int, url: str) -> None:
        """One page: the next of the query, or its first once more in another way."""
        state = self.journal.state
        first = not state.seen
        page = self._read(url)
        if isinstance(page, Page):
            self.journal.take(page, self._next(url, page))
            self.progress.advance(page.matches)
        elif first and state.ordered and page.status in _UNORDERED:
            self._begin(number, ordered=False, since=None)
        elif not first and page.status in _EXPIRED and state.restarts < _MOST_RESTARTS:
            # In the order of change nothing is missed after the last that came; else it takes all again.
            safe = state.ordered and state.in_order
            self._begin(number, ordered=state.ordered, since=state.newest if safe else None)
        else:
            raise self._refusal(page, first)

    def _read(self, url: str) -> Page | Answer:
        """The page, or the answer that is none."""
        for _ in range(_READ_ATTEMPTS):
            answer = self.client.ask("GET", url, authorize=True, headers=_HEADERS)
            if answer.status != 200:
                return answer
            page = parse_page(answer.body, self.resource_type, self.journal.state.newest)
            if page is not None:
                return page
        raise ExternalError(
            "A page of the server's search is no Bundle", hint=_AGAIN, resource_type=self._label
        )

    def _next(self, url: str, page: Page) -> str | None:
        """The address of the next page, which must be on the server and not have been visited."""
        if page.next is None:
            return None
        joined: str | None = None
        try:
            joined = urljoin(url, page.next)
        except ValueError:
            joined = None
        state = self.journal.state
        if joined is None or origin_of(joined) != self.client.home:
            raise ExternalError(
                "The next page of the server's search lies on another server; refused",
                hint="Behind a proxy the server must know its own public address",
                resource_type=self._label,
            )
        if joined == url or digest_bytes(joined.encode("utf-8", "surrogatepass")).short in state.seen:
            raise ExternalError(
                "The pages of the server's search lead in a circle", resource_type=self._label
            )
        if state.pages + 1 >= self.most_pages:
            raise ExternalError(
                "The server's search has more pages than can be",
                resource_type=self._label,
                limit_pages=self.most_pages,
            )
        return joined

    def _refusal(self, answer: Answer, first: bool) -> ExternalError:
        if not first:
            return ExternalError(
                "The server does not give the next page of a search",
                hint=_AGAIN,
                resource_type=self._label,
                status=answer.status,
            )
        hints = {
            401: "Give --client-id and --key, and check that the client is registered",
            403: "Check that the client is registered for system/*.read",
        }
        return SearchRefused(
            "The server refused to search for a resource type",
            hint=hints.get(
                answer.status, "Leave the type out, or search by patient if the server wants that"
            ),
            resource_type=self._label,
            status=answer.status,
        )

    @property
    def _label(self) -> Label:
        return RESOURCE_TYPES[self.resource_type]


__all__ = ["MOST_PAGES", "SearchRefused", "Walk"]
