"""Searching one output file: quickly over its distinct pieces, then exactly where a piece is suspect.

A block is split at its quotation marks; the pieces are the strings and what stands between them. Few are
distinct, so most work is a set difference. A piece that may hold an identifier sends its lines to a walk of
the parsed JSON, which knows the element and decides.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

from medcairn.core.labels import Label
from medcairn.deid.codes import Check, compile_rules
from medcairn.deid.elements import FOLLOW_UP_URL, OVER_89_URL
from medcairn.deid.leaks.harvest import blocks
from medcairn.deid.leaks.index import Index
from medcairn.deid.leaks.report import LeakClass, LeakHit
from medcairn.deid.policy import Group, Node, Policy
from medcairn.deid.tally import Reason

_SEEN_LIMIT = 300_000
_PSEUDONYM = re.compile(rb"(?:[A-Z][A-Za-z]+/)?[0-9a-f]{32}")
_MOMENT = re.compile(rb"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:T[0-9:.]+(?:Z|[+-][0-9:]+)?)?")
_NUMBER = re.compile(r"(?<![\w.])-?[0-9]+(?:\.[0-9]+)?(?![\w.])")
_OUR_FILE = re.compile(r"([A-Z][A-Za-z]+)(?:\.[0-9]+)?\.ndjson")
_BETWEEN = re.compile(
    rb"\s*(?:[:,\[\]{}]\s*)+(?:(?:-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false|null)\s*[,\]}][\s:,\[\]{}]*)?"
)
_DIGITS = re.compile(rb"[0-9]+(?:\.[0-9]+)?")
_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}\Z")
_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})|\\(.)")
_ID_ELEMENTS = ("id", "reference", "fullUrl", "uri")


class Search:
    """Searches files for the identifiers of an index."""

    def __init__(self, index: Index, policy: Policy) -> None:
        self._index = index
        self._public = public_words(policy)
        self._checks: dict[str, Check] = compile_rules(policy.vocabulary.systems)
        self._types = policy.resource_types
        self._seen: set[bytes] = set()

    def file(self, path: Path, name: Label) -> Iterator[LeakHit | int]:
        """The hits in one file, in order of lines; and, after each block, the number of its bytes."""
        first = 1
        for lines in blocks(path):
            block = b"".join(lines)
            suspects = self._suspects(block)
            if suspects:
                marked = re.compile(b"|".join(re.escape(piece) for piece in sorted(suspects)))
                for number, line in enumerate(lines):
                    if marked.search(line):
                        yield from self._line(line, name, first + number)
            first += len(lines)
            yield len(block)

    def _suspects(self, block: bytes) -> set[bytes]:
        pieces = set(block.split(b'"'))
        pieces -= self._seen
        suspects = {piece for piece in pieces if self._suspect(piece)}
        if len(self._seen) > _SEEN_LIMIT:
            self._seen.clear()
        self._seen |= pieces - suspects
        return suspects

    def _suspect(self, piece: bytes) -> bool:
        """Whether a piece may hold an identifier in some element; False is certain."""
        if _PSEUDONYM.fullmatch(piece):
            return self._index.is_pseudonym_of_source(piece[-32:].decode())
        if _BETWEEN.fullmatch(piece):
            return any(
                self._index.in_number(number.decode()) is not None for number in _DIGITS.findall(piece)
            )
        if _MOMENT.fullmatch(piece):
            return len(piece) == 10 and self._index.is_birth_date(piece.decode())
        text = _unescape(piece.decode("utf-8", "replace"))
        if text in self._public:
            return False
        if self._index.in_id(text) or next(self._index.in_text(text), None) is not None:
            return True
        return any(self._index.in_number(number) is not None for number in _NUMBER.findall(text))

    def _line(self, line: bytes, name: Label, number: int) -> Iterator[LeakHit]:
        try:
            value: object = msgspec.json.decode(line)
        except (msgspec.DecodeError, RecursionError, UnicodeError):
            value = line.decode("utf-8", "replace")
        root = value.get("resourceType") if isinstance(value, dict) else None
        start = root if isinstance(root, str) and root in self._types else "line"
        found: set[tuple[str, LeakClass]] = set()
        self._walk(value, start, "", {}, found)
        for path, leak in sorted(found):
            yield LeakHit(name, number, Label(path[:200]), leak)

    def _walk(
        self, value: object, path: str, key: str, around: dict[str, object], found: set[tuple[str, LeakClass]]
    ) -> None:
        if isinstance(value, dict):
            for name, item in value.items():
                for leak in self._in_string(name, "", {}):
                    found.add((f"{path}.<key>", leak))
                self._walk(item, f"{path}.{self._shown(name)}", name, value, found)
        elif isinstance(value, list):
            for place, item in enumerate(value):
                self._walk(item, f"{path}[{place}]", key, around, found)
        elif isinstance(value, str):
            for leak in self._in_string(value, key, around):
                found.add((path, leak))
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            number = self._index.in_number(repr(value))
            if number is not None:
                found.add((path, number))

    def _in_string(self, text: str, key: str, around: dict[str, object]) -> Iterator[LeakClass]:
        """The classes of identifiers in one string that is the value of element ``key``."""
        raw = text.encode("utf-8", "replace")
        if key in _ID_ELEMENTS and self._index.in_id(text):
            yield LeakClass.RESOURCE_ID
        elif _PSEUDONYM.fullmatch(raw):
            if self._index.is_pseudonym_of_source(text[-32:]):
                yield LeakClass.RESOURCE_ID
        elif _MOMENT.fullmatch(raw):
            if "birth" in key.casefold() and self._index.is_birth_date(text[:10]):
                yield LeakClass.BIRTH_DATE
        elif text not in self._public and not self._is_code(text, key, around) and not self._is_file(text):
            yield from self._index.in_text(text)

    def _is_code(self, text: str, key: str, around: dict[str, object]) -> bool:
        system = around.get("system") if key == "code" else None
        check = self._checks.get(system) if isinstance(system, str) else None
        return check is not None and check(text)

    def _is_file(self, text: str) -> bool:
        match = _OUR_FILE.fullmatch(text)
        return match is not None and match[1] in self._types

    def _shown(self, key: str) -> str:
        """A key as a path shows it: not when it is itself an identifier, or no name of an element."""
        if not _KEY.match(key) or (key not in self._public and any(self._in_string(key, "", {}))):
            return "<key>"
        return key


def public_words(policy: Policy) -> frozenset[str]:
    """Every whole string that the policy itself can put into the output; none of it is a patient's."""
    vocabulary = policy.vocabulary
    found = {"resourceType", "id", "extension", "url", "valueCoding", "valueCode", "valueBoolean", "coding"}
    found |= {"system", "code", "reference", "value", "comparator", "unit", "state", "postalCode", "country"}
    found |= {
        "file",
        "line",
        "reason",
        "US",
        "000",
        "ombCategory",
        OVER_89_URL,
        FOLLOW_UP_URL,
        "valueDate",
        "F",
        "M",
    }
    found |= {"UNK", "OTH", "ASKU", "<", "<=", ">=", ">", "http://unitsofmeasure.org"}
    found |= {
        f"http://hl7.org/fhir/us/core/StructureDefinition/us-core-{name}"
        for name in ("race", "ethnicity", "birthsex")
    }
    found |= vocabulary.units | vocabulary.unit_words | set(vocabulary.systems)
    found |= set(vocabulary.states.values()) | set(policy.resources) | {reason.value for reason in Reason}
    for rule in vocabulary.systems.values():
        found |= rule.codes
    for resource in policy.resources.values():
        _names(resource.fields.items(), found)
    return frozenset(found)


def _names(fields: object, found: set[str]) -> None:
    entries: list[tuple[str, Node]] = list(fields)  # type: ignore[call-overload]
    for name, node in entries:
        found.add(name)
        if isinstance(node, Group):
            _names(node.fields.items(), found)
        elif node.kind == "code":
            found |= set(node.arguments)


def _unescape(text: str) -> str:
    if "\\" not in text:
        return text
    return _ESCAPE.sub(lambda match: chr(int(match[1], 16)) if match[1] else _plain(match[2]), text)


def _plain(mark: str) -> str:
    return " " if mark in "bfnrt" else mark


__all__ = ["Search", "public_words"]
