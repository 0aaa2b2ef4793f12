"""How far the search of one type has come: the lines so far, and a journal of the pages that they came on.

A page counts when its record is in the journal. Lines that a crash left without one are cut off again, so a
page is there whole or not at all. The journal holds addresses of pages, which may hold ids: mode 0600.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec

from medcairn.core.digests import digest_bytes
from medcairn.core.files import storage_errors, sync_folder
from medcairn.export.sources.search.page import Page

_NO_RESTART: Final = 0


class _Began(msgspec.Struct, tag="began"):
    """A query begins, or goes on from a time, since its pages had expired."""

    query: int
    url: str
    ordered: bool
    since: str | None


class _Got(msgspec.Struct, tag="page"):
    next: str | None
    size: int
    matches: int
    included: int
    total: int | None
    newest: str | None
    in_order: bool
    outcomes: dict[str, int]
    set_aside: list[tuple[int, str]]


_Record = _Began | _Got
_decode = msgspec.json.Decoder(_Record).decode


@dataclass
class SearchState:
    """Where the search of a type is.

    ``query`` is the number of the query under way (from 0), ``url`` its next page, None when it is done.
    ``matches`` and ``least_total`` are of this query: what came, and the least that the server said there is.
    ``newest`` is the time to go on from when the pages expire, None when that would not be safe.
    """

    query: int = -1
    url: str | None = None
    ordered: bool = True
    size: int = 0
    pages: int = 0
    matches: int = 0
    least_total: int | None = None
    newest: str | None = None
    in_order: bool = True
    restarts: int = 0
    included: int = 0
    short: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    set_aside: list[tuple[int, int, str]] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)

    @property
    def missing(self) -> int:
        """Matches of the query under way that the server counted and did not send."""
        return max(0, (self.least_total or 0) - self.matches)

    def apply(self, record: _Record) -> None:
        """Take a record into account."""
        if isinstance(record, _Began):
            self._begin(record)
        else:
            self._take(record)

    def _begin(self, record: _Began) -> None:
        again = record.query == self.query
        if not again:
            self.short += self.missing
            self.least_total = None
        if not again or record.since is None:
            self.matches = 0
        self.restarts = self.restarts + 1 if again else 0
        self.query, self.url, self.ordered = record.query, record.url, record.ordered
        self.in_order, self.newest, self.seen = True, record.since, set()

    def _take(self, record: _Got) -> None:
        if self.url is not None:
            self.seen.add(digest_bytes(self.url.encode()).short)
        self.url, self.size = record.next, record.size
        self.pages += 1
        self.matches += record.matches
        self.included += record.included
        if record.total is not None and self.restarts == _NO_RESTART:
            totals = [record.total] if self.least_total is None else [self.least_total, record.total]
            self.least_total = min(totals)
        self.in_order = self.in_order and record.in_order
        self.newest = record.newest
        self.outcomes.update(record.outcomes)
        self.set_aside += [(self.pages, entry, reason) for entry, reason in record.set_aside]


class SearchJournal:
    """The journal and the lines of one type in a work folder."""

    def __init__(self, folder: Path, resource_type: str) -> None:
        self.lines = folder / f"{resource_type}.lines"
        self._journal = folder / f"{resource_type}.journal"
        self.state = self._read()

    def begin(self, query: int, url: str, *, ordered: bool, since: str | None = None) -> None:
        """Query ``query`` starts, or starts again at ``since``, with the page at ``url``."""
        self._append(_Began(query, url, ordered, since))

    def take(self, page: Page, next_url: str | None) -> None:
        """Keep a page: its lines first, then the record that makes them count."""
        block = b"".join(line + b"\n" for line in page.lines)
        with storage_errors(), self.lines.open("ab") as stream:
            stream.write(block)
            stream.flush()
            os.fsync(stream.fileno())
        state = self.state
        record = _Got(
            next_url,
            state.size + len(block),
            page.matches,
            page.included,
            page.total,
            page.newest,
            page.in_order,
            dict(page.outcomes.counts),
            page.set_aside,
        )
        self._append(record)

    def forget(self) -> None:
        """The next export asks anew for this type."""
        with storage_errors():
            self._journal.unlink(missing_ok=True)
            self.lines.unlink(missing_ok=True)

    def _read(self) -> SearchState:
        """The state that the journal tells; a new one when lines that it counts are lost."""
        state = SearchState()
        for record in self._records():
            state.apply(record)
        present = self.lines.stat().st_size if self.lines.is_file() else 0
        if present < state.size:
            self.forget()
            state = SearchState()
        _cut(self.lines, state.size)
        return state

    def _append(self, record: _Record) -> None:
        with storage_errors():
            descriptor = os.open(self._journal, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(msgspec.json.encode(record) + b"\n")
                stream.flush()
                os.fsync(stream.fileno())
        self.state.apply(record)

    def _records(self) -> list[_Record]:
        """The records up to the first that cannot be read; from there on the journal is cut off."""
        if not self._journal.is_file():
            return []
        with storage_errors():
            *lines, rest = self._journal.read_bytes().split(b"\n")
        records: list[_Record] = []
        size = 0
        for line in lines:
            record = _decoded(line)
            if record is None:
                break
            records.append(record)
            size += len(line) + 1
        if rest or len(records) < len(lines):
            _cut(self._journal, size)
        return records


def _decoded(line: bytes) -> _Record | None:
    record: _Record | None = None
    try:
        record = _decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        record = None
    return record


def _cut(path: Path, size: int) -> None:
    """Make the file ``size`` bytes long, and durably so."""
    with storage_errors():
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            os.ftruncate(descriptor, size)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        sync_folder(path.parent)


__all__ = ["SearchJournal", "SearchState"]
