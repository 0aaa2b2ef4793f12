"""The source's own identifiers, read without regard to any policy.

Resources that may hold a person or a place are read whole. From all resources come ids, references,
identifier values, device numbers, web addresses, dates and the displays of people and places, wherever they
are nested, and what patterns find in texts and attached notes.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Iterator
from itertools import chain, compress

import msgspec

from medcairn.deid.leaks.encodings import unescape
from medcairn.deid.leaks.gathering import Gathered, Gatherer
from medcairn.deid.leaks.members import Known, members, strings
from medcairn.deid.leaks.persons import gather_persons, gather_reference

_NUMBERS = "value uid serialNumber lotNumber deviceIdentifier distinctIdentifier carrierHRF"
_IDENTIFIERS = frozenset(f"{_NUMBERS} subscriberId preAuthRef".encode().split())
_URLS = frozenset((b"fullUrl", b"source"))
_TEXTS = frozenset(b"div text comment note valueString valueMarkdown conclusion".split())
_NAMED = _IDENTIFIERS | _URLS | _TEXTS | {b"id", b"reference", b"display", b"data"}
_ELEMENTS = "family given birthDate postalCode city telecom line phone email valueHumanName latitude"
_TYPES = "Patient Practitioner RelatedPerson Person Organization Location HealthcareService"
_CORE = "http://hl7.org/fhir/StructureDefinition/patient"
_URLS_OF_PERSONS = f"{_CORE}-mothersMaidenName {_CORE}-birthTime {_CORE}-birthPlace"
_PERSONAL = frozenset(f"{_ELEMENTS} {_TYPES} {_URLS_OF_PERSONS}".encode().split())
_DAY = re.compile(rb'"([12][0-9]{3}-[0-9]{2}-[0-9]{2})')
_SHOWN = re.compile(
    rb'"reference"\s*:\s*"([^"]+)"\s*,\s*(?:"type"\s*:\s*"[^"]*"\s*,\s*)?"display"\s*:\s*"([^"]*)"'
)
_NUMBER = re.compile(r"(?<!\w)(?:\+?1[ .-]?)?\(?[0-9]{3}\)?[ .-]?[0-9]{2,3}[ .-]?[0-9]{4}(?!\w)")
_EMAIL = re.compile(r"[\w.+%-]+@[\w-]+(?:\.[\w-]+)+")
_URN = "urn:"


class Harvester:
    """Reads blocks of a source's lines; what recurs from block to block is taken in once."""

    def __init__(self) -> None:
        self._into = Gatherer()
        self._members, self._days, self._shown = Known(), Known(), Known()
        self._personal: set[bytes] = set()

    def read(self, lines: list[bytes]) -> None:
        """Take in the identifiers of some lines of NDJSON, or of other texts of JSON."""
        block = b"".join(lines)
        found = set(members(block))
        new = self._members.new(found)
        self._members.add(new)
        pieces = strings(new)
        for key, value in set(_named(pieces)):
            self._named_value(key, value)
        days = self._days.new(set(_DAY.findall(b',"'.join(new))))
        self._days.add(days)
        for day in days:
            self._into.day(day.decode())
        if b'"reference"' in block and b'"display"' in block:
            self._displays(block)
        self._personal |= _with_persons(new, pieces)
        self._persons(lines, found & self._personal)

    def gathered(self) -> Gathered:
        """Everything that was read."""
        return self._into.gathered()

    def _named_value(self, key: bytes, value: bytes) -> None:
        if key == b"id":
            self._into.resource_id(_text(value))
        elif key == b"reference":
            self._reference(_text(value))
        elif key in _IDENTIFIERS:
            self._into.identifier(_text(value))
        elif key in _URLS:
            self._address(_text(value))
        elif key == b"display":
            self._into.display(_text(value))
        elif key == b"data":
            self._note(_attached(value))
        else:
            self._note(_text(value))

    def _reference(self, text: str) -> None:
        if "?" in text:
            self._into.identifier(text.rsplit("=", 1)[-1])
            return
        last = text.split("/_history/")[0].rsplit("/", 1)[-1].rsplit(":", 1)[-1]
        if last and not last.startswith("#"):
            self._into.resource_id(last)

    def _address(self, text: str) -> None:
        if text.startswith(_URN):
            self._into.resource_id(text.rsplit(":", 1)[-1])
        else:
            self._into.url(text)

    def _displays(self, block: bytes) -> None:
        """The names of people and places that references show."""
        found = {b'"'.join((_kind(match[1]), match[2])) for match in _SHOWN.finditer(block)}
        new = self._shown.new(found)
        self._shown.add(new)
        for entry in new:
            kind, _, display = entry.partition(b'"')
            gather_reference(kind.decode("utf-8", "replace"), _text(display), self._into)

    def _persons(self, lines: list[bytes], personal: set[bytes]) -> None:
        """Read whole the lines that hold one of the members ``personal``."""
        words = frozenset().union(*map(_marks, personal))
        quoted = [b'"%s"' % word for word in sorted(words)]
        for line in lines if quoted else ():
            if any(word in line for word in quoted):
                value: object = None
                try:
                    value = msgspec.json.decode(line)
                except (msgspec.DecodeError, RecursionError, UnicodeError):
                    self._into.unreadable(line)
                gather_persons(value, self._into)

    def _note(self, text: str) -> None:
        """Numbers and addresses that patterns find in a text."""
        if "@" in text:
            for match in _EMAIL.finditer(text):
                self._into.email(match[0])
        for match in _NUMBER.finditer(text):
            self._into.phone(match[0])


def resources(blocks: Iterator[list[bytes]]) -> Iterator[list[bytes]]:
    """``blocks`` of NDJSON as they are; those of JSON that is laid out over many lines as one line."""
    for lines in blocks:
        if lines[0].strip() in (b"{", b"["):
            yield [b"".join(chain(lines, chain.from_iterable(blocks))).replace(b"\n", b" ")]
        else:
            yield lines


def _named(pieces: list[bytes]) -> Iterable[tuple[bytes, bytes]]:
    """(element, text) of the elements that are looked at, at any depth.

    A block is split at its quotation marks: an element's name, then a colon, then its text.
    """
    for place in compress(range(len(pieces) - 2), map(_NAMED.__contains__, pieces)):
        between = pieces[place + 1]
        if between == b":" or between.strip() == b":":
            yield pieces[place], pieces[place + 2]


def _with_persons(some: set[bytes], pieces: list[bytes]) -> set[bytes]:
    """The members that stand in a person or place, and hardly elsewhere."""
    if _PERSONAL.isdisjoint(pieces):
        return set()
    return {member for member in some if _marks(member)}


def _marks(member: bytes) -> frozenset[bytes]:
    return _PERSONAL.intersection(member.split(b'"'))


def _kind(reference: bytes) -> bytes:
    """The type that a reference names, for display's sake."""
    return (
        reference.split(b"?")[0].split(b"/_history/")[0].rpartition(b"/")[0].rpartition(b"/")[2] or reference
    )


def _attached(data: bytes) -> str:
    try:
        return base64.b64decode(unescape(data.decode("latin-1")), validate=False).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return ""


def _text(value: bytes) -> str:
    return unescape(value.decode("utf-8", "replace"))


__all__ = ["Harvester", "resources"]
