"""NDJSON as bytes: lines end at ``\\n`` and nowhere else, so a U+2028 inside a string splits nothing."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import IO, Final

import msgspec

from medcairn.core.errors import DataError
from medcairn.export.resource_types import RESOURCE_TYPES

LONGEST_LINE_BYTES: Final = 256 << 20
"""A line longer than this is refused, so that a file without line ends cannot fill the memory."""

_BLOCK_BYTES: Final = 1 << 18


class Head(msgspec.Struct):
    """The two members that every exported resource has. The rest is checked for syntax and not kept."""

    resourceType: str | None = None  # noqa: N815  (FHIR's name)
    id: str | None = None


class Fault(StrEnum):
    """Why a line, an entry or a file of landed data is set aside."""

    NOT_JSON = "not_json"
    NOT_AN_OBJECT = "not_an_object"
    WRONG_MEMBERS = "resource_type_or_id_is_no_text"
    NO_RESOURCE_TYPE = "no_resource_type"
    UNKNOWN_RESOURCE_TYPE = "unknown_resource_type"
    NO_ID = "no_id"
    NO_RESOURCE = "bundle_entry_without_resource"
    BUNDLE_TYPE = "bundle_of_a_type_that_is_not_read"


_decode_head = msgspec.json.Decoder(Head).decode


def read_head(line: bytes) -> Head | None:
    """Type and id of the resource on ``line``; None when it is no JSON object in UTF-8 (RFC 8259)."""
    if not (line.isascii() or _is_utf8(line)):
        return None
    try:
        return _decode_head(line)
    except (msgspec.DecodeError, RecursionError):
        return None


def parse_resource(line: bytes) -> Head | Fault:
    """Type and id of the FHIR R4 resource on ``line``, both known to be there, or what is wrong with it."""
    head = read_head(line)
    if head is None:
        return _syntax_fault(line)
    if not head.resourceType:
        return Fault.NO_RESOURCE_TYPE
    if head.resourceType not in RESOURCE_TYPES:
        return Fault.UNKNOWN_RESOURCE_TYPE
    return head if head.id else Fault.NO_ID


def lines_of(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """The lines of a file that arrives in ``blocks``, without their ``\\n``; the last need not have one.

    A byte order mark at the start of the file is left out.

    Raises :class:`DataError` for a line longer than :data:`LONGEST_LINE_BYTES`.
    """
    pieces: list[bytes] = []
    held = 0
    first = True
    for block in blocks:
        head, *rest = block.split(b"\n")
        pieces.append(head)
        held += len(head)
        if held > LONGEST_LINE_BYTES:
            raise DataError("A line is longer than any resource may be", limit_bytes=LONGEST_LINE_BYTES)
        if not rest:
            continue
        line = b"".join(pieces)
        yield line.removeprefix(codecs.BOM_UTF8) if first else line
        first = False
        yield from rest[:-1]
        pieces, held = [rest[-1]], len(rest[-1])
    last = b"".join(pieces)
    if last:
        yield last.removeprefix(codecs.BOM_UTF8) if first else last


def blocks_of(stream: IO[bytes]) -> Iterator[bytes]:
    """An open file in blocks."""
    while block := stream.read(_BLOCK_BYTES):
        yield block


def _syntax_fault(line: bytes) -> Fault:
    value: object = None
    try:
        line.decode("utf-8")
        value = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Fault.NOT_JSON
    return Fault.WRONG_MEMBERS if isinstance(value, dict) else Fault.NOT_AN_OBJECT


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


__all__ = ["LONGEST_LINE_BYTES", "Fault", "Head", "blocks_of", "lines_of", "parse_resource", "read_head"]
