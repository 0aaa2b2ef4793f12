"""The source's own identifiers, read without regard to any policy.

Persons and places are read whole. From every other resource come ids, references, identifier and contact
values and device numbers, wherever they are nested, and what the patterns find in attached notes.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from itertools import compress
from pathlib import Path

import msgspec

from medcairn.core.progress import Progress
from medcairn.deid.leaks.index import Index
from medcairn.deid.leaks.report import LeakClass

BLOCK_BYTES = 4 << 20

_NAMED = frozenset(
    (
        b"id",
        b"reference",
        b"value",
        b"serialNumber",
        b"lotNumber",
        b"deviceIdentifier",
        b"distinctIdentifier",
        b"carrierHRF",
    )
)
_PERSONAL = (b'"family"', b'"birthDate"', b'"postalCode"', b'"Organization"', b'"Location"')
_ATTACHED = re.compile(rb'"data"\s*:\s*"([A-Za-z0-9+/=]+)"')
_PHONE_MARKS = re.compile(r"[0-9+() .x-]{7,25}\Z")
_NOTE_NUMBER = re.compile(r"(?<!\w)(?:\+?1[ .-]?)?\(?[0-9]{3}\)?[ .-]?[0-9]{2,3}[ .-]?[0-9]{4}(?!\w)")
_NOTE_EMAIL = re.compile(r"[\w.+%-]+@[\w-]+(?:\.[\w-]+)+")


def harvest(files: list[Path], progress: Progress) -> Index:
    """The identifiers of all ``files`` (NDJSON)."""
    index = Index()
    progress.begin(
        "Leak scan: reading the source's identifiers", sum(f.stat().st_size for f in files), "bytes"
    )
    for file in files:
        for lines in blocks(file):
            block = b"".join(lines)
            for name, value in _named_values(block):
                _named(index, name, _text(value))
            marks = [mark for mark in _PERSONAL if mark in block]
            for line in lines:
                if any(mark in line for mark in marks):
                    _person(index, line)
            for data in _ATTACHED.findall(block):
                _note(index, data)
            progress.advance(len(block))
    return index


def blocks(file: Path) -> Iterator[list[bytes]]:
    """The lines of a file, about four megabytes at a time."""
    with file.open("rb") as stream:
        while lines := stream.readlines(BLOCK_BYTES):
            yield lines


def _named_values(block: bytes) -> set[tuple[bytes, bytes]]:
    """The distinct (element, text) of elements that hold identifiers, at any depth.

    The block is split at its quotation marks: an element's name, then a colon, then its text. A text with an
    escaped quotation mark in it spans more than one piece.
    """
    pieces = block.split(b'"')
    found: set[tuple[bytes, bytes]] = set()
    for place in compress(range(len(pieces) - 2), map(_NAMED.__contains__, pieces)):
        if pieces[place + 1].strip() == b":":
            end = place + 2
            while pieces[end].endswith(b"\\") and end + 1 < len(pieces):
                end += 1
            found.add((pieces[place], b'"'.join(pieces[place + 2 : end + 1])))
    return found


def _named(index: Index, name: bytes, text: str) -> None:
    if name == b"id":
        index.add_id(text)
    elif name == b"reference":
        last = text.split("/_history/")[0].rsplit("/", 1)[-1].rsplit(":", 1)[-1]
        if "?" not in last and not last.startswith("#"):
            index.add_id(last)
    else:
        index.add_identifier(text)


def _person(index: Index, line: bytes) -> None:
    """Names, addresses, contacts, birth date, wherever they are nested in one resource."""
    try:
        waiting: list[object] = [msgspec.json.decode(line)]
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return
    while waiting:
        item = waiting.pop()
        if isinstance(item, list):
            waiting.extend(item)
        elif isinstance(item, dict):
            _parts(index, item)
            waiting.extend(item.values())


def _parts(index: Index, item: dict[str, object]) -> None:
    if "family" in item or "given" in item:
        _human_name(index, _strings(item.get("given")), _strings(item.get("family")), item.get("text"))
    for line in _strings(item.get("line")):
        index.add_phrase(line)
    for city in _strings(item.get("city")) + _strings(item.get("district")):
        index.add_word(city, LeakClass.CITY)
        index.add_phrase(city)
    for code in _strings(item.get("postalCode")):
        index.add_postal_code(code)
    for day in _strings(item.get("birthDate")):
        index.add_birth_date(day)
    if item.get("resourceType") in ("Organization", "Location"):
        for name in _strings(item.get("name")) + _strings(item.get("alias")):
            index.add_phrase(name)
    if item.get("system") in ("phone", "fax", "sms", "pager"):
        for number in _strings(item.get("value")):
            index.add_phone(number)
    url = item.get("url")
    if isinstance(url, str):
        _extension(index, url, item)


def _human_name(index: Index, given: list[str], family: list[str], text: object) -> None:
    for part in given + family:
        index.add_word(part, LeakClass.NAME)
    for last in family:
        for first in (*given, " ".join(given)):
            index.add_phrase(f"{first} {last}")
            index.add_phrase(f"{last} {first}")
    for whole in _strings(text):
        index.add_phrase(whole)


def _extension(index: Index, url: str, item: dict[str, object]) -> None:
    if url.endswith("mothersMaidenName"):
        for name in _strings(item.get("valueString")):
            index.add_word(name, LeakClass.NAME)
            index.add_phrase(name)
    elif url in ("latitude", "longitude"):
        number = item.get("valueDecimal")
        if isinstance(number, float):
            index.add_coordinate(repr(abs(number)))


def _note(index: Index, data: bytes) -> None:
    """Numbers and addresses that patterns find in an attached text."""
    try:
        text = base64.b64decode(data, validate=True).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return
    for match in _NOTE_NUMBER.finditer(text):
        index.add_phone(match[0])
    for match in _NOTE_EMAIL.finditer(text):
        index.add_identifier(match[0])


def _text(value: bytes) -> str:
    """The text of a JSON string's inside."""
    if b"\\" in value:
        try:
            return msgspec.json.decode(b'"' + value + b'"', type=str)
        except (msgspec.DecodeError, UnicodeError):
            pass
    return value.decode("utf-8", "replace")


def _strings(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


__all__ = ["BLOCK_BYTES", "blocks", "harvest"]
