"""Until when a search's result holds: the server's clock before the first search, kept for a rerun."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Final

import msgspec

from medcairn.core.errors import MedcairnError
from medcairn.core.files import storage_errors, write_file
from medcairn.export.bulkdata.connection import clear_work
from medcairn.export.bulkdata.http import HttpClient
from medcairn.export.merging.lines import nanoseconds
from medcairn.export.sources.search.request import SearchRequest

_FILE: Final = "search.json"
_LONGEST_HEADER: Final = 64


class _Begun(msgspec.Struct):
    request: str
    time: str | None


def pinned_time(client: HttpClient, base: str, request: SearchRequest, work: Path) -> str | None:
    """Where the next search can start: a FHIR instant, None when the server does not tell the time.

    Makes the work folder ready: what lies there from another request is cleared away.
    """
    digest = str(request.digest_at(base))
    begun = _read(work / _FILE)
    if begun is None or begun.request != digest:
        clear_work(work, _FILE)
        begun = _Begun(digest, _earlier(_server_time(client, base), request.end))
        write_file(work / _FILE, msgspec.json.encode(begun) + b"\n", private=True)
    return begun.time


def _server_time(client: HttpClient, base: str) -> str | None:
    """The Date header (RFC 9110) of any answer: whole seconds, and so never late."""
    header = ""
    with suppress(MedcairnError):
        answer = client.ask("GET", f"{base}/metadata", headers={"Accept": "application/fhir+json"})
        header = answer.headers.get("date", "")
    try:
        moment = parsedate_to_datetime(header[:_LONGEST_HEADER])
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return aware.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _earlier(time: str | None, until: str | None) -> str | None:
    if time is None or until is None:
        return time
    first, second = nanoseconds(time), nanoseconds(until)
    return until if first is not None and second is not None and second < first else time


def _read(path: Path) -> _Begun | None:
    if not path.is_file():
        return None
    with storage_errors():
        data = path.read_bytes()
    try:
        return msgspec.json.decode(data, type=_Begun)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


__all__ = ["pinned_time"]
