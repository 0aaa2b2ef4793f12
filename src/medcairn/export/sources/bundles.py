"""FHIR Bundles taken apart: each entry's resource on one line, references inside the Bundle resolved.

Our reading of the standard (R4, Bundle):

- "Resolving references in Bundles": a reference to ``urn:uuid:…`` or ``urn:oid:…`` that is the ``fullUrl``
  of an entry becomes ``Type/id`` of that entry's resource. Outside its Bundle such a reference means
  nothing, and for an element that may point to several types nobody could tell the type any more. Every
  other reference, and every other member, stays as it is, to the digits of its numbers. A resource that
  fills several lines is put on one, its spaces left out; others keep their bytes.
- ``history`` holds the newest version of a resource first (http.html#history). The first entry of a
  resource counts, the older ones are passed over; a DELETE that comes first means that there is none.
- In ``transaction`` and ``batch`` an entry may be a request: DELETE, GET, HEAD and PATCH bring no resource.
- In ``searchset`` an entry of mode ``outcome`` is the server's remark about the search.
- A Bundle within a Bundle is taken apart too, four deep.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

import msgspec

from medcairn.export.ndjson import Fault, parse_resource, read_head
from medcairn.export.sources.bundle_members import MalformedBundle, Members, members_of

_DEEPEST: Final = 4
_TYPES: Final = frozenset({"collection", "transaction", "batch", "searchset", "history", "document"})
_REFERENCE: Final = re.compile(rb'(?<!\\)"reference"\s*:\s*"(urn:(?:uuid|oid):[^"\\]{1,100})"')
_IDENTITY: Final = re.compile(r"(?:\A|/)([A-Z][A-Za-z]+/[A-Za-z0-9.-]{1,64})(?:/_history/[^/]*)?\Z")


class PassedOver(StrEnum):
    """Why an entry brings no resource although nothing is wrong with it."""

    DELETION = "deletion"
    OLDER_VERSION = "older_version"
    REQUEST = "request_without_resource"
    SEARCH_OUTCOME = "search_outcome"


_REQUESTS: Final = {
    "DELETE": PassedOver.DELETION,
    "GET": PassedOver.REQUEST,
    "HEAD": PassedOver.REQUEST,
    "PATCH": PassedOver.REQUEST,
}


class _Request(msgspec.Struct):
    method: str | None = None
    url: str | None = None


class _Search(msgspec.Struct):
    mode: str | None = None


class _Entry(msgspec.Struct):
    fullUrl: str | None = None  # noqa: N815  (FHIR's name)
    resource: msgspec.Raw = msgspec.Raw()
    request: _Request | None = None
    search: _Search | None = None


_decode_entry = msgspec.json.Decoder(_Entry).decode
_decode_text = msgspec.json.Decoder(str).decode


@dataclass(frozen=True)
class Unbundled:
    """The resource of one entry (from 1) as one line of JSON."""

    entry: int
    resource_type: str
    resource_id: str
    line: bytes


@dataclass(frozen=True)
class Unusable:
    """An entry (from 1; 0 is the whole Bundle) and what is wrong with it."""

    entry: int
    fault: Fault


@dataclass(frozen=True)
class Passed:
    """An entry (from 1) that brings no resource."""

    entry: int
    why: PassedOver


Found = Unbundled | Unusable | Passed


class NotABundle(Exception):
    """A document is another resource, or (None) no resource at all."""

    def __init__(self, resource_type: str | None) -> None:
        super().__init__("a document is no Bundle")
        self.resource_type = resource_type


@dataclass(frozen=True)
class _Survey:
    """What has to be known of a whole Bundle before its first resource can be written."""

    resource_type: str | None
    bundle_type: str | None
    targets: dict[bytes, bytes]


def resources_of(members: Callable[[], Members], depth: int = 0) -> Iterator[Found]:
    """What is in the entries of a Bundle, in order. ``members`` is called twice and reads it each time.

    Raises, before anything is given, :class:`MalformedBundle` when it cannot be read to its end and
    :class:`NotABundle` when it is something else.
    """
    survey = _survey(members())
    if survey.resource_type != "Bundle":
        raise NotABundle(survey.resource_type)
    if survey.bundle_type not in _TYPES:
        yield Unusable(0, Fault.BUNDLE_TYPE)
        return
    known: set[str] = set()
    number = 0
    for name, raw in members():
        if name == "entry":
            number += 1
            yield from _entry(number, raw, survey, known, depth)


def unbundled(document: bytes, depth: int = 0) -> Iterator[Found]:
    """What is in the entries of a Bundle in memory, which is known to be one and to be JSON in UTF-8."""
    try:
        yield from resources_of(lambda: members_of(document), depth)
    except MalformedBundle:
        yield Unusable(0, Fault.WRONG_MEMBERS)


def _survey(members: Members) -> _Survey:
    """``Bundle.type``, and ``Type/id`` by the ``urn:`` under which a resource of it is referred to."""
    said: dict[str, str | None] = {}
    targets: dict[bytes, bytes] = {}
    for name, raw in members:
        if name in ("resourceType", "type"):
            said[name] = _text(raw)
        elif name == "entry" and b"urn:" in raw:
            entry = _read_entry(raw)
            if entry is not None and entry.fullUrl and entry.fullUrl.startswith("urn:"):
                head = parse_resource(bytes(entry.resource))
                if not isinstance(head, Fault):
                    targets[entry.fullUrl.encode()] = f"{head.resourceType}/{head.id}".encode()
    return _Survey(said.get("resourceType"), said.get("type"), targets)


def _entry(number: int, raw: bytes, survey: _Survey, known: set[str], depth: int) -> Iterator[Found]:
    entry = _read_entry(raw)
    if entry is None:
        yield Unusable(number, Fault.WRONG_MEMBERS)
        return
    why = _passed_over(entry, survey.bundle_type)
    if why is not None:
        yield _version(Passed(number, why), _deleted(entry), survey, known)
        return
    line = bytes(entry.resource)
    if _is_bundle(line):
        yield from _inner(number, line, depth)
        return
    head = parse_resource(line) if line else Fault.NO_RESOURCE
    if isinstance(head, Fault):
        yield Unusable(number, head)
        return
    found = Unbundled(number, str(head.resourceType), str(head.id), _one_line(line, survey.targets))
    yield _version(found, f"{found.resource_type}/{found.resource_id}", survey, known)


def _passed_over(entry: _Entry, bundle_type: str | None) -> PassedOver | None:
    """In a history the method is how a version came about: only DELETE leaves no resource."""
    if entry.search is not None and entry.search.mode == "outcome":
        return PassedOver.SEARCH_OUTCOME
    why = _REQUESTS.get(entry.request.method or "") if entry.request is not None else None
    if bundle_type == "history":
        return why if why is PassedOver.DELETION else None
    return why if bundle_type in ("transaction", "batch") else None


def _deleted(entry: _Entry) -> str | None:
    """``Type/id`` of what a DELETE names; None when it names it by a condition."""
    for text in (entry.request.url if entry.request else None, entry.fullUrl):
        found = _IDENTITY.search(text or "")
        if found is not None:
            return found[1]
    return None


def _version(found: Unbundled | Passed, identity: str | None, survey: _Survey, known: set[str]) -> Found:
    """``found``, unless a history has shown a newer version of it already."""
    if survey.bundle_type != "history" or identity is None:
        return found
    if identity in known:
        return Passed(found.entry, PassedOver.OLDER_VERSION)
    known.add(identity)
    return found


def _inner(number: int, line: bytes, depth: int) -> Iterator[Found]:
    """What is in a Bundle within a Bundle, reported at the outer entry."""
    if depth == _DEEPEST:
        yield Unusable(number, Fault.BUNDLE_TYPE)
        return
    for found in unbundled(line, depth + 1):
        yield replace(found, entry=number)


def _one_line(resource: bytes, targets: dict[bytes, bytes]) -> bytes:
    """Bytes are enough: inside a JSON string a quote is escaped, so the pattern is a member's name only.

    A line end is never inside a string either, so where there is none the resource is on one line already.
    """

    def replaced(found: re.Match[bytes]) -> bytes:
        target = targets.get(found[1])
        return found[0] if target is None else b'"reference":' + msgspec.json.encode(target.decode())

    if b"\n" in resource or b"\r" in resource:
        resource = msgspec.json.format(resource, indent=-1)
    return _REFERENCE.sub(replaced, resource) if targets and b'"urn:' in resource else resource


def _is_bundle(line: bytes) -> bool:
    """A Bundle needs no id to be taken apart."""
    head = read_head(line) if b'"Bundle"' in line else None
    return head is not None and head.resourceType == "Bundle"


def _read_entry(raw: bytes) -> _Entry | None:
    try:
        return _decode_entry(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _text(raw: bytes) -> str | None:
    try:
        return _decode_text(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


__all__ = [
    "Found",
    "NotABundle",
    "Passed",
    "PassedOver",
    "Unbundled",
    "Unusable",
    "resources_of",
    "unbundled",
]
