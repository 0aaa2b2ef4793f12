"""One file: streamed to a partial file, checked line by line on the way, renamed when it is whole."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final

import httpx

from medcairn.core.digests import Digest
from medcairn.core.errors import DataError, ExternalError, MedcairnError, TransientError
from medcairn.core.files import storage_errors, sync_folder
from medcairn.core.progress import Progress
from medcairn.export.bulkdata.http import ATTEMPTS, HttpClient
from medcairn.export.bulkdata.manifest import Listed
from medcairn.export.ndjson import lines_of, read_head
from medcairn.export.outputs import PARTIAL
from medcairn.export.report import ExportedFile

_CHECK_ATTEMPTS: Final = 3
_PROGRESS_LINES: Final = 500
_GONE: Final = frozenset({404, 410})


class FileGone(ExternalError):
    """The server no longer has the file: its address has expired."""


class WrongCount(TransientError):
    """A file does not hold as many resources as the manifest says."""


@dataclass
class _Retry(Exception):
    """The server asks to come back."""

    retry_after: str | None


@dataclass
class _Writer:
    """Writes blocks through to the partial file and keeps their digest and size."""

    stream: BinaryIO
    state: hashlib._Hash = field(default_factory=hashlib.sha256)
    size: int = 0

    def write(self, block: bytes) -> None:
        self.stream.write(block)
        self.state.update(block)
        self.size += len(block)


def fetch(
    client: HttpClient, listed: Listed, folder: Path, *, authorize: bool, progress: Progress
) -> ExportedFile:
    """Fetch ``listed`` into ``folder`` and check it: JSON, resource type, number of lines.

    A failure that may pass is tried again; so, a few times, is a file that fails its checks, because a
    connection cut at a line's end looks just like that. The partial file never gets the final name before
    every check has passed.

    Raises :class:`ExternalError` (server, count), :class:`FileGone` or :class:`DataError` (content).
    """
    failed_checks = 0
    for attempt in range(1, ATTEMPTS + 1):
        retry_after: str | None = None
        error: MedcairnError | None = None
        try:
            return _fetch_once(client, listed, folder, authorize, progress)
        except _Retry as signal:
            retry_after = signal.retry_after
        except (TransientError, DataError) as failure:
            error = failure
        failed_checks += error is not None and not _connection_lost(error)
        if attempt == ATTEMPTS or failed_checks == _CHECK_ATTEMPTS:
            raise error or ExternalError(
                "The server could not deliver a file",
                hint="Run the same command again; it goes on where it stopped",
                file=listed.path,
            )
        client.patience.wait_to_retry(attempt, retry_after)
    raise AssertionError("a file has at least one attempt")


def _connection_lost(error: MedcairnError) -> bool:
    return isinstance(error, TransientError) and not isinstance(error, WrongCount)


def _fetch_once(
    client: HttpClient, listed: Listed, folder: Path, authorize: bool, progress: Progress
) -> ExportedFile:
    final = folder / listed.path
    partial = final.with_name(final.name + PARTIAL)
    headers = {"Accept": "application/fhir+ndjson"}
    with storage_errors():
        final.parent.mkdir(exist_ok=True, mode=0o700)
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            writer = _Writer(stream)
            with client.stream("GET", listed.url, authorize=authorize, headers=headers) as response:
                _check_status(response, listed)
                lines = _checked_lines(_blocks(client, response, writer), listed, progress)
            if listed.count is not None and lines != listed.count:
                raise WrongCount(
                    "A file does not hold as many resources as the server's manifest says",
                    hint="The server's export is at fault; run the command again to ask anew",
                    file=listed.path,
                    expected_lines=listed.count,
                    found_lines=lines,
                )
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(final)
        sync_folder(final.parent)
    return ExportedFile(
        listed.path, listed.resource_type, lines, writer.size, Digest("sha256:" + writer.state.hexdigest())
    )


def _check_status(response: httpx.Response, listed: Listed) -> None:
    status = response.status_code
    if status == 200:
        return
    if status in (408, 425, 429) or status >= 500:
        raise _Retry(response.headers.get("retry-after"))
    kind = FileGone if status in _GONE else ExternalError
    raise kind("The server refused to deliver a file", file=listed.path, status=status)


def _blocks(client: HttpClient, response: httpx.Response, writer: _Writer) -> Iterator[bytes]:
    """The decompressed body, written as it passes."""
    for block in response.iter_bytes():
        client.patience.check()
        writer.write(block)
        yield block


def _checked_lines(blocks: Iterator[bytes], listed: Listed, progress: Progress) -> int:
    """Count the resources. Blank lines are none. Error files are read as they are, whatever they hold."""
    count = 0
    for number, line in enumerate(lines_of(blocks), start=1):
        if not line.strip():
            continue
        count += 1
        if count % _PROGRESS_LINES == 0:
            progress.advance(_PROGRESS_LINES)
        if listed.role == "error":
            continue
        head = read_head(line)
        if head is None:
            raise DataError("A line of the server's file is no JSON object", file=listed.path, line=number)
        if head.resourceType != listed.resource_type:
            raise DataError(
                "A resource in the server's file is of another type than the manifest says",
                file=listed.path,
                line=number,
            )
    progress.advance(count % _PROGRESS_LINES)
    return count


__all__ = ["FileGone", "WrongCount", "fetch"]
