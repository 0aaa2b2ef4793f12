"""One file: streamed to a partial file and checked line by line on the way. It gets its name elsewhere."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import httpx

from medcairn.core.errors import DataError, ExternalError, Interrupted, MedcairnError, TransientError
from medcairn.core.files import storage_errors
from medcairn.core.progress import Progress
from medcairn.export.bulkdata.http import ATTEMPTS, HttpClient
from medcairn.export.bulkdata.lines import LineCheck
from medcairn.export.bulkdata.manifest import Listed
from medcairn.export.bulkdata.origins import origin_of
from medcairn.export.bulkdata.receiving import Receiver
from medcairn.export.outputs import PARTIAL
from medcairn.export.report import ExportedFile
from medcairn.export.resource_types import RESOURCE_TYPES

_CHECK_ATTEMPTS: Final = 3
_GONE: Final = frozenset({404, 410})
_RESUMABLE_BYTES: Final = 4 << 20
_ETAG: Final = re.compile(r'"[\x21\x23-\x7e]{1,200}"\Z')
_CONTENT_RANGE: Final = re.compile(r"bytes (\d{1,18})-\d{1,18}/(?:\d{1,18}|\*)\Z")


class FileGone(ExternalError):
    """The server no longer has the file: its address has expired."""


class WrongCount(TransientError):
    """A file does not hold as many resources as the manifest says."""


@dataclass
class _Retry(Exception):
    """The server asks to come back."""

    retry_after: str | None


@dataclass(frozen=True)
class Fetcher:
    """Fetches files into ``folder``.

    ``expires`` is when the server means to remove them. ``resumable`` hears of a large file that can be gone
    on with after a crash, with its ETag. ``cancelled`` ends every fetch between two pieces.
    """

    client: HttpClient
    folder: Path
    progress: Progress
    expires: datetime | None
    resumable: Callable[[Listed, str], None]
    cancelled: threading.Event

    def fetch(self, listed: Listed, etag: str | None) -> ExportedFile:
        """Fetch ``listed`` and check it: JSON, resource type, number of lines. It is left as a partial file.

        A failure that may pass is tried again; so, a few times, is a file that fails its checks, because a
        connection cut at a line's end looks just like that. With the ``etag`` of an earlier try, whose bytes
        are in the partial file, only the rest is asked for; a server that has changed the file since, or
        cannot send a part of it, sends it from the beginning (RFC 9110, 13.1.5 and 14.2).

        Raises :class:`ExternalError` (server, count), :class:`FileGone` or :class:`DataError` (content).
        """
        failed_checks = 0
        for attempt in range(1, ATTEMPTS + 1):
            transfer = _Transfer(self, listed, etag)
            retry_after: str | None = None
            error: MedcairnError | None = None
            try:
                return transfer.run()
            except _Retry as signal:
                retry_after = signal.retry_after
            except (TransientError, DataError) as failure:
                error = failure
            lost = error is None or (isinstance(error, TransientError) and not isinstance(error, WrongCount))
            etag = transfer.etag if lost else None  # bytes that failed a check are not built on
            failed_checks += not lost
            if attempt == ATTEMPTS or failed_checks == _CHECK_ATTEMPTS:
                raise error or ExternalError(
                    "The server could not deliver a file",
                    hint="Run the same command again; it goes on where it stopped",
                    file=listed.path,
                )
            self.client.patience.wait_to_retry(attempt, retry_after)
        raise AssertionError("a file has at least one attempt")

    def check(self) -> None:
        """Raises :class:`Interrupted` or :class:`ExternalError` when there is no point in going on."""
        if self.cancelled.is_set():
            raise Interrupted("The export was stopped")
        self.client.patience.check()


class _Transfer:
    """One try of one file. ``etag`` is what the next try may go on with."""

    def __init__(self, fetcher: Fetcher, listed: Listed, etag: str | None) -> None:
        self._fetcher, self._listed = fetcher, listed
        final = fetcher.folder / listed.path
        self._partial = final.with_name(final.name + PARTIAL)
        self._held = self._partial.stat().st_size if etag is not None and self._partial.is_file() else 0
        self.etag = etag if self._held else None

    def run(self) -> ExportedFile:
        listed, fetcher = self._listed, self._fetcher
        headers = {"Accept": "application/fhir+ndjson"}
        if self.etag is not None:
            headers |= {"Range": f"bytes={self._held}-", "If-Range": self.etag, "Accept-Encoding": "identity"}
        check = LineCheck(listed.path, _types_in(listed), count_headers=listed.role == "organized")
        with storage_errors():
            self._partial.parent.mkdir(exist_ok=True, mode=0o700)
            stream = fetcher.client.stream("GET", listed.url, authorize=listed.authorize, headers=headers)
            with stream as response:
                onward = self._goes_on(response)
                self._check_status(response)
                self._note(response)
                with Receiver(self._partial, check, fetcher.progress, keep=onward) as receiver:
                    if onward:
                        receiver.take_up()
                    with _what_came_is_kept(receiver):
                        for piece in response.iter_bytes():
                            fetcher.check()
                            receiver.write(piece)
                    digest = receiver.finish()
        self._check_count(check)
        return ExportedFile(listed.path, listed.resource_type, check.lines, receiver.size, digest)

    def _goes_on(self, response: httpx.Response) -> bool:
        """Whether the answer is the part that was asked for."""
        fields = response.headers
        match = _CONTENT_RANGE.match(fields.get("content-range", ""))
        same = fields.get("etag", self.etag) == self.etag and "content-encoding" not in fields
        return response.status_code == 206 and same and match is not None and int(match[1]) == self._held > 0

    def _check_status(self, response: httpx.Response) -> None:
        status, listed = response.status_code, self._listed
        if status == 200 or self._goes_on(response):
            return
        if status in (206, 416):  # not the part that was asked for: from the beginning
            self.etag = None
            raise _Retry(None)
        if status in (408, 425, 429) or status >= 500:
            raise _Retry(response.headers.get("retry-after"))
        kind = FileGone if status in _GONE or (status == 403 and self._expired()) else ExternalError
        raise kind("The server refused to deliver a file", file=listed.path, status=status)

    def _expired(self) -> bool:
        """A store of signed addresses says 403 when a signature has expired."""
        client, expires = self._fetcher.client, self._fetcher.expires
        elsewhere = origin_of(self._listed.url) != client.home
        return elsewhere or (expires is not None and client.patience.clock.now() >= expires)

    def _note(self, response: httpx.Response) -> None:
        """Keep the ETag of a file that is worth going on with and can be: as it is, and byte by byte."""
        if response.status_code != 200:
            return
        fields = response.headers
        etag, length = fields.get("etag", ""), fields.get("content-length", "")
        can = fields.get("accept-ranges", "").strip().lower() == "bytes" and "content-encoding" not in fields
        large = length.isascii() and length.isdigit() and int(length[:19]) >= _RESUMABLE_BYTES
        if can and large and _ETAG.match(etag):
            self.etag = etag
            self._fetcher.resumable(self._listed, etag)
        else:
            self.etag = None

    def _check_count(self, check: LineCheck) -> None:
        """Whether a header counts as a resource is not said: both counts are right."""
        expected = self._listed.count
        if expected is not None and expected not in (check.lines, check.lines - check.headers):
            raise WrongCount(
                "A file does not hold as many resources as the server's manifest says",
                hint="The server's export is at fault; run the command again to ask anew",
                file=self._listed.path,
                expected_lines=expected,
                found_lines=check.lines,
            )


@contextmanager
def _what_came_is_kept(receiver: Receiver) -> Iterator[None]:
    """A connection that breaks leaves in the file all that came through it."""
    try:
        yield
    except (httpx.HTTPError, httpx.StreamError):
        receiver.flush()
        receiver.drain()
        raise


def _types_in(listed: Listed) -> frozenset[str] | None:
    """The types that a file may hold; None for error files, which are read as they are."""
    if listed.role == "error":
        return None
    return _ALL_TYPES if listed.role == "organized" else frozenset({str(listed.resource_type)})


_ALL_TYPES: Final = frozenset(RESOURCE_TYPES)

__all__ = ["Fetcher", "FileGone", "WrongCount"]
