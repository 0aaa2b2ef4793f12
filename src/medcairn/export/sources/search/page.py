"""One page of a search: a searchset Bundle, taken apart into lines that keep the resources' bytes."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

import msgspec

from medcairn.export.bulkdata.outcomes import Outcomes
from medcairn.export.merging.lines import NEVER, nanoseconds
from medcairn.export.ndjson import Fault, parse_resource, read_head

OTHER_TYPE: Final = "resource_of_another_type_than_searched"


class Mode(StrEnum):
    """FHIR's SearchEntryMode."""

    MATCH = "match"
    INCLUDE = "include"
    OUTCOME = "outcome"


class _Search(msgspec.Struct):
    mode: str | None = None


class _Entry(msgspec.Struct):
    resource: msgspec.Raw = msgspec.Raw()
    search: _Search | None = None


class _Link(msgspec.Struct):
    relation: str | None = None
    url: str | None = None


class _Bundle(msgspec.Struct):
    resourceType: str | None = None  # noqa: N815  (FHIR's name)
    total: int | None = None
    link: list[_Link] | None = None
    entry: list[_Entry] | None = None


class _Meta(msgspec.Struct):
    lastUpdated: str | None = None  # noqa: N815  (FHIR's name)


class _Changed(msgspec.Struct):
    meta: _Meta | None = None


_decode = msgspec.json.Decoder(_Bundle).decode
_decode_changed = msgspec.json.Decoder(_Changed).decode


@dataclass
class Page:
    """What a page holds. ``lines`` are the matches and the included resources, each on one line.

    ``set_aside`` has the number of an entry (from 1) and the reason. ``newest`` is the last time of change
    among the matches so far, ``in_order`` whether none of this page is older than the one before it.
    """

    next: str | None
    total: int | None
    lines: list[bytes] = field(default_factory=list)
    matches: int = 0
    included: int = 0
    outcomes: Outcomes = field(default_factory=Outcomes)
    set_aside: list[tuple[int, str]] = field(default_factory=list)
    newest: str | None = None
    in_order: bool = True

    def take(self, number: int, entry: _Entry, resource_type: str) -> None:
        """Sort in one entry."""
        mode = entry.search.mode if entry.search is not None else Mode.MATCH
        if mode == Mode.OUTCOME or _is_outcome(entry.resource, resource_type):
            self.outcomes.add(bytes(entry.resource))
            return
        included = mode == Mode.INCLUDE
        self.matches += not included
        found = _line(entry.resource, None if included else resource_type)
        if isinstance(found, str):
            self.set_aside.append((number, found))
            return
        self.lines.append(found)
        self.included += included
        if not included:
            self._see_change(entry.resource)

    def _see_change(self, resource: msgspec.Raw) -> None:
        changed = _changed(resource)
        before = nanoseconds(self.newest) if self.newest is not None else NEVER
        moment = nanoseconds(changed) if changed is not None else None
        if moment is None or (before is not None and moment < before):
            self.in_order = False
        else:
            self.newest = changed


def parse_page(body: bytes, resource_type: str, after: str | None) -> Page | None:
    """The page that follows one whose ``newest`` is ``after``; None when ``body`` is no Bundle."""
    bundle: _Bundle | None = None
    try:
        bundle = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        bundle = None
    if bundle is None or bundle.resourceType != "Bundle":
        return None
    links = [link.url for link in bundle.link or () if link.relation == "next" and link.url]
    page = Page(links[0] if links else None, bundle.total, newest=after)
    for number, entry in enumerate(bundle.entry or (), start=1):
        page.take(number, entry, resource_type)
    return page


def _is_outcome(resource: msgspec.Raw, resource_type: str) -> bool:
    """An OperationOutcome among the results is the server's remark, also where it forgot to say so."""
    head = read_head(bytes(resource)) if resource and resource_type != "OperationOutcome" else None
    return head is not None and head.resourceType == "OperationOutcome"


def _line(resource: msgspec.Raw, resource_type: str | None) -> bytes | str:
    """The resource's bytes on one line, or what is wrong with it. ``resource_type`` None allows any.

    Only white space between the values changes, and only when there is a line end in it.
    """
    if not resource:
        return Fault.NO_RESOURCE.value
    data = bytes(resource)
    head = parse_resource(data)
    if isinstance(head, Fault):
        return head.value
    if resource_type is not None and head.resourceType != resource_type:
        return OTHER_TYPE
    if b"\n" in data or b"\r" in data:
        data = msgspec.json.format(data, indent=-1)
    return Fault.NOT_JSON.value if b"\n" in data else data


def _changed(resource: msgspec.Raw) -> str | None:
    try:
        meta = _decode_changed(resource).meta
    except (msgspec.DecodeError, RecursionError):
        return None
    return meta.lastUpdated if meta is not None else None


__all__ = ["OTHER_TYPE", "Mode", "Page", "parse_page"]
