"""FHIR without Bulk Data: reading one resource, and search by type with opaque addresses of further pages."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Final, NotRequired, TypedDict

import msgspec

from medcairn.synthetic.server.answers import Refused
from medcairn.synthetic.server.changes import Position, Snapshot
from medcairn.synthetic.server.delivery import LineChange
from medcairn.synthetic.server.records import glance
from medcairn.synthetic.server.searching import Query, known

_DEFAULT_COUNT: Final = 50
_LARGEST_COUNT: Final = 1_000
_ABOUT_THE_ANSWER: Final = frozenset({"_count", "_total", "_format", "_cursor"})

_START: Final = Position()

Pairs = tuple[tuple[str, str], ...]


class Page(TypedDict):
    """A searchset Bundle."""

    resourceType: str
    type: str
    link: list[object]
    entry: list[object]
    total: NotRequired[int]


class _Cursor(msgspec.Struct, array_like=True):
    """Where a search goes on. Opaque to clients; nothing is kept on the server."""

    pairs: Pairs
    count: int
    file: int
    offset: int


@dataclass(frozen=True)
class Search:
    """A search of one type, from a place on. ``total`` when the number of all matches was asked for."""

    query: Query
    count: int
    start: Position = _START
    total: bool = False


def read_search(resource_type: str, pairs: Pairs, *, strict: bool) -> Search:
    """The search that is asked for. FHIR has servers ignore what they do not know unless ``strict``.

    Raises :class:`Refused` (400) for a cursor or count that is none, and for unknown parameters.
    """
    given = dict(pairs)
    if "_cursor" in given:
        cursor = _decoded(given["_cursor"])
        query = Query(resource_type, cursor.pairs)
        return Search(query, cursor.count, Position(cursor.file, cursor.offset))
    count = given.get("_count", str(_DEFAULT_COUNT))
    if not count.isdecimal() or len(count) > 9:
        raise Refused(400, "value", "_count must be a number")
    wanted = tuple(pair for pair in pairs if pair[0] not in _ABOUT_THE_ANSWER)
    parameters = tuple(pair for pair in wanted if known(*pair))
    if strict and parameters != wanted:
        raise Refused(400, "not-supported", "The search has a parameter that this server does not know")
    size = min(int(count), _LARGEST_COUNT)
    return Search(Query(resource_type, parameters), size, total=given.get("_total") == "accurate")


def search(snapshot: Snapshot, wanted: Search, base: str, change: LineChange | None) -> Page:
    """One page of matches, each with ``change`` made to it, as a searchset Bundle."""
    resource_type, after = wanted.query.resource_type, wanted.start
    entries: list[object] = []
    links: list[object] = []
    for position, line in snapshot.lines_from(resource_type, wanted.start):
        if not _matches(wanted.query, line):
            continue
        if len(entries) == wanted.count:
            if entries:
                links.append({"relation": "next", "url": _next(wanted, after, base)})
            break
        seen = glance(line)
        url = f"{base}/{resource_type}/{seen.id if seen is not None else ''}"
        resource = msgspec.Raw(change(0, line) if change else line)
        entries.append({"fullUrl": url, "resource": resource, "search": {"mode": "match"}})
        after = position
    page = Page(resourceType="Bundle", type="searchset", link=links, entry=entries)
    if wanted.total:
        page["total"] = sum(_matches(wanted.query, line) for line in snapshot.lines(resource_type))
    return page


def _next(wanted: Search, after: Position, base: str) -> str:
    cursor = _Cursor(wanted.query.parameters, wanted.count, after.file, after.offset)
    text = base64.urlsafe_b64encode(msgspec.json.encode(cursor)).decode()
    return f"{base}/{wanted.query.resource_type}?_cursor={text}"


def _matches(query: Query, line: bytes) -> bool:
    try:
        return query.matches(msgspec.json.decode(line, type=dict[str, object]))
    except msgspec.MsgspecError:
        return False


def _decoded(text: str) -> _Cursor:
    cursor: _Cursor | None = None
    try:
        cursor = msgspec.json.decode(base64.urlsafe_b64decode(text), type=_Cursor)
    except (binascii.Error, ValueError, msgspec.MsgspecError):
        cursor = None
    if cursor is None or not all(known(*pair) for pair in cursor.pairs):
        raise Refused(400, "value", "This is no address of a page that this server gave")
    return cursor


__all__ = ["Page", "Search", "read_search", "search"]
