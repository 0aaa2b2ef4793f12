"""What a resource's text looks like: the letters that recur, and the gaps where its own values stand.

Two texts with the same pieces differ in their own values and in members that nobody reads, so what the view
and the typing found for one holds for the other.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from enum import IntEnum
from typing import NamedTuple, TypeAlias, Union

Path: TypeAlias = tuple[Union[str, int], ...]
"""Names of members, and places in a list, from the resource down."""
Wanted: TypeAlias = "Mapping[str, Union[str, Wanted, Sequence[Wanted]]]"
"""What is read of an object: by member an object, a list with what is read of its items, the FHIR type of a
value of the resource's own, or "" for a text that recurs."""


class Kind(IntEnum):
    """What may stand in a gap: the letters of a string, or a number."""

    STRING, NUMBER = range(2)


class Gap(NamedTuple):
    """Where a value stands. ``path`` is None when nobody reads it."""

    kind: Kind
    path: Path | None


Piece = Union[bytes, Gap]

_TOKEN = re.compile(
    rb'([ \t\r\n]*)("[^"\\\x00-\x1f\x7f-\xff]*"|[{}\[\]:,]|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?'
    rb"|true|false|null)"
)
_DECIMAL = "decimal"
_BEGINS = {Kind.STRING: b'"', Kind.NUMBER: b"-0123456789"}


class Odd(Exception):
    """A text has no layout: it has escapes, letters beyond ASCII, or not what should be there."""


def layout_of(text: bytes, wanted: Wanted) -> list[Piece]:
    """The pieces of a resource's text, which is JSON. Raises :class:`Odd`."""
    reader = _Reader(text)
    reader.object(wanted, ())
    reader.rest()
    return reader.pieces


class _Reader:
    def __init__(self, text: bytes) -> None:
        self._tokens = _tokens(text)
        self._next: tuple[bytes, bytes] | None = next(self._tokens, None)
        self.pieces: list[Piece] = [b""]

    def object(self, wanted: Wanted, path: Path) -> None:
        """An object whose ``wanted`` members are read, each of which comes once."""
        seen: set[str] = set()
        self._take(b"{")
        while self._peek() != b"}":
            name = self._take()[1:-1].decode()
            if wanted and name in seen and name in wanted:
                raise Odd
            seen.add(name)
            self._take(b":")
            self._member(wanted.get(name), (*path, name))
            if self._peek() == b",":
                self._take()
        self._take(b"}")

    def rest(self) -> None:
        """Blanks at the end would not be told apart from letters of a value."""
        if self._next is not None:
            raise Odd

    def _member(self, wanted: str | Wanted | Sequence[Wanted] | None, path: Path) -> None:
        match wanted:
            case None:
                self._unread()
            case "":
                self._recurring()
            case str():
                self._gap(Gap(Kind.NUMBER if wanted == _DECIMAL else Kind.STRING, path))
            case Mapping():
                self.object(wanted, path)
            case _:
                self._list(wanted[0], path)

    def _list(self, wanted: Wanted, path: Path) -> None:
        self._take(b"[")
        number = 0
        while self._peek() != b"]":
            self.object(wanted, (*path, number))
            number += 1
            if self._peek() == b",":
                self._take()
        if not number:
            raise Odd
        self._take(b"]")

    def _gap(self, gap: Gap) -> None:
        if self._peek()[:1] not in _BEGINS[gap.kind]:
            raise Odd
        self._open(gap)

    def _unread(self) -> None:
        """A value that nobody reads: its strings (names too) and numbers may be others."""
        depth = 0
        while True:
            token = self._peek()
            if token[:1] in _BEGINS[Kind.STRING]:
                self._open(Gap(Kind.STRING, None))
            elif token[:1] in _BEGINS[Kind.NUMBER]:
                self._open(Gap(Kind.NUMBER, None))
            else:
                depth += _deeper(self._take())
            if depth == 0:
                return

    def _recurring(self) -> None:
        depth = 0
        while True:
            depth += _deeper(self._take())
            if depth == 0:
                return

    def _open(self, gap: Gap) -> None:
        blank, _ = self._token()
        quote = b'"' if gap.kind is Kind.STRING else b""
        self._add(blank + quote)
        self.pieces += [gap, quote]

    def _take(self, expected: bytes | None = None) -> bytes:
        blank, token = self._token()
        if expected is not None and token != expected:
            raise Odd
        self._add(blank + token)
        return token

    def _add(self, letters: bytes) -> None:
        last = self.pieces[-1]
        assert isinstance(last, bytes)
        self.pieces[-1] = last + letters

    def _peek(self) -> bytes:
        if self._next is None:
            raise Odd
        return self._next[1]

    def _token(self) -> tuple[bytes, bytes]:
        token = self._next
        if token is None:
            raise Odd
        self._next = next(self._tokens, None)
        return token


def _deeper(token: bytes) -> int:
    return (token in (b"{", b"[")) - (token in (b"}", b"]"))


def _tokens(text: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(blanks before it, token) each."""
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise Odd
        at = found.end()
        yield found.group(1), found.group(2)


__all__ = ["Gap", "Kind", "Odd", "Path", "Piece", "Wanted", "layout_of"]
