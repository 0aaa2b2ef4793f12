"""FHIR Bundles taken apart: each entry's resource on one line, references inside the Bundle resolved.

Our reading of the standard (R4, Bundle, "Resolving references in Bundles"): a reference to
``urn:uuid:…`` or ``urn:oid:…`` that is the ``fullUrl`` of an entry becomes ``Type/id`` of that entry's
resource. Every other reference, and every other member, stays as it is, to the digits of its numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import msgspec

from medcairn.export.ndjson import Fault, Head, parse_resource

_TYPES: Final = frozenset({"collection", "transaction", "batch", "searchset", "document"})
_REFERENCE: Final = re.compile(rb'(?<!\\)"reference":"(urn:(?:uuid|oid):[^"\\]{1,100})"')


class _Entry(msgspec.Struct):
    fullUrl: str | None = None  # noqa: N815  (FHIR's name)
    resource: msgspec.Raw = msgspec.Raw()


class _Bundle(msgspec.Struct):
    type: str | None = None
    entry: list[_Entry] | None = None


_decode = msgspec.json.Decoder(_Bundle).decode


@dataclass(frozen=True)
class Unbundled:
    """The resource of one entry (from 1) as one line of JSON."""

    entry: int
    resource_type: str
    line: bytes


@dataclass(frozen=True)
class Unusable:
    """An entry (from 1; 0 is the whole Bundle) and what is wrong with it."""

    entry: int
    fault: Fault


def resources_of(document: bytes) -> Iterator[Unbundled | Unusable]:
    """What is in the entries of a Bundle, in order. ``document`` must be JSON in UTF-8."""
    bundle: _Bundle | None = None
    try:
        bundle = _decode(document)
    except (msgspec.DecodeError, RecursionError):
        bundle = None
    if bundle is None:
        yield Unusable(0, Fault.WRONG_MEMBERS)
        return
    if bundle.type not in _TYPES:
        yield Unusable(0, Fault.BUNDLE_TYPE)
        return
    entries = bundle.entry or []
    parsed = [
        parse_resource(bytes(entry.resource)) if entry.resource else Fault.NO_RESOURCE for entry in entries
    ]
    targets = _targets(entries, parsed)
    for number, (entry, head) in enumerate(zip(entries, parsed, strict=True), start=1):
        if isinstance(head, Fault):
            yield Unusable(number, head)
        else:
            line = msgspec.json.format(bytes(entry.resource), indent=-1)
            yield Unbundled(number, str(head.resourceType), _resolved(line, targets))


def _targets(entries: list[_Entry], parsed: list[Head | Fault]) -> dict[bytes, bytes]:
    """``Type/id`` by the ``urn:`` under which a resource of the Bundle is referred to."""
    return {
        entry.fullUrl.encode(): f"{head.resourceType}/{head.id}".encode()
        for entry, head in zip(entries, parsed, strict=True)
        if entry.fullUrl and entry.fullUrl.startswith("urn:") and isinstance(head, Head)
    }


def _resolved(line: bytes, targets: dict[bytes, bytes]) -> bytes:
    """Bytes are enough: inside a JSON string a quote is escaped, so the pattern is a member's name only."""

    def replaced(found: re.Match[bytes]) -> bytes:
        target = targets.get(found[1])
        return found[0] if target is None else b'"reference":' + msgspec.json.encode(target.decode())

    return _REFERENCE.sub(replaced, line)


__all__ = ["Unbundled", "Unusable", "resources_of"]
