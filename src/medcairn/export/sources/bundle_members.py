"""A Bundle's members as raw JSON, one after the other: from memory, or from a stream of any length.

Both ways give the same sequence of (name, raw value); the member ``entry`` comes once for each element of
its array. The streaming way holds one value at a time. It finds the end of a value with the decoder of the
standard library, reading more while there is no end yet, so there is no JSON grammar of our own here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import IO, Final, cast

import msgspec

from medcairn.core.errors import DataError

LONGEST_VALUE_BYTES: Final = 64 << 20
"""An entry longer than this ends the reading of a streamed Bundle, so that it cannot fill the memory."""

_BLOCK_BYTES: Final = 1 << 20
_IN_NUMBERS: Final = "+-.0123456789Ee"
_BOM: Final = "\xef\xbb\xbf"

Members = Iterator[tuple[str, bytes]]

_space: Final = cast("Callable[[str, int], re.Match[str]]", re.compile(r"[ \t\r\n]*").match)
_decode = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_array = msgspec.json.Decoder(list[msgspec.Raw] | None).decode


class MalformedBundle(Exception):
    """A Bundle is no JSON object, or has an ``entry`` that is no array. ``line`` is 1-based; 0: unknown."""

    def __init__(self, line: int, *, shape: bool = False) -> None:
        super().__init__("a Bundle cannot be taken apart")
        self.line = line
        self.shape = shape


def members_of(document: bytes) -> Members:
    """The members of a Bundle in memory. Raises :class:`MalformedBundle`."""
    found: list[tuple[str, bytes]] | None = None
    try:
        found = []
        for name, value in _decode(document).items():
            if name == "entry":
                found += [("entry", bytes(element)) for element in _decode_array(value) or ()]
            else:
                found.append((name, bytes(value)))
    except (msgspec.DecodeError, RecursionError):
        found = None
    if found is None:
        raise MalformedBundle(0, shape=True)
    yield from found


def streamed_members(stream: IO[bytes]) -> Members:
    """The members of a Bundle that is read as it goes. Raises :class:`MalformedBundle` where it stops.

    The text is handled as Latin-1, one character a byte: JSON's own characters are ASCII, and so every
    value is cut out with exactly the bytes that it has. Whether a value is sound is for the reader of it.
    """
    text = _Text(stream)
    text.skip_mark()
    text.expect("{")
    if text.peek() == "}":
        text.expect("}")
    else:
        yield from _object(text)
    text.expect_end()


def _object(text: _Text) -> Members:
    while True:
        name = text.name()
        text.expect(":")
        if name == "entry" and text.peek() == "[":
            for element in _array(text):
                yield "entry", element
        else:
            value = text.value()
            if name == "entry" and value != b"null":
                raise text.malformed(shape=True)
            yield name, value
        if text.expect(",}") == "}":
            return


def _array(text: _Text) -> Iterator[bytes]:
    text.expect("[")
    if text.peek() == "]":
        text.expect("]")
        return
    while True:
        yield text.value()
        if text.expect(",]") == "]":
            return


def _nothing(_: str) -> None:
    """What numbers become: only the end of a value is of interest."""


class _Text:
    """A window of a JSON text that moves forward."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._text = ""
        self._at = 0
        self._ended = False
        self._lines = 1
        decoder = json.JSONDecoder(parse_int=_nothing, parse_float=_nothing, parse_constant=_nothing)
        self._end_of: Callable[[str, int], tuple[object, int]] = decoder.raw_decode

    def skip_mark(self) -> None:
        """Leave out a byte order mark."""
        self._more()
        if self._text.startswith(_BOM):
            self._at = len(_BOM)

    def peek(self) -> str:
        """The next character that is no space; empty at the end."""
        while True:
            self._at = _space(self._text, self._at).end()
            if self._at < len(self._text) or not self._more():
                return self._text[self._at : self._at + 1]

    def expect(self, allowed: str) -> str:
        """Take the next character, one of ``allowed``."""
        found = self.peek()
        if not found or found not in allowed:
            raise self.malformed()
        self._at += 1
        return found

    def expect_end(self) -> None:
        """Nothing but space may follow."""
        if self.peek():
            raise self.malformed()

    def name(self) -> str:
        """Take a member's name."""
        if self.peek() != '"':
            raise self.malformed()
        return str(json.loads(self.value().decode("utf-8", "replace")))

    def value(self) -> bytes:
        """Take one whole JSON value, as it stands."""
        self.peek()
        while True:
            end = self._value_end()
            if end is not None and (self._ended or self._is_over(end)):
                break
            if not self._more():
                raise self.malformed()
        value = self._text[self._at : end].encode("latin-1")
        self._at = end
        return value

    def malformed(self, *, shape: bool = False) -> MalformedBundle:
        """The error for the place where the window stands."""
        return MalformedBundle(self._lines + self._text.count("\n", 0, self._at), shape=shape)

    def _is_over(self, end: int) -> bool:
        """A number may go on in what was not read yet: what looks like 1 may be 1.50."""
        return end < len(self._text) and self._text[end] not in _IN_NUMBERS

    def _value_end(self) -> int | None:
        try:
            return self._end_of(self._text, self._at)[1]
        except (ValueError, RecursionError):
            return None

    def _more(self) -> bool:
        """Read on, as much again as is held, so that a long value is looked at few times."""
        held = self._text[self._at :]
        if self._ended:
            return False
        if len(held) > LONGEST_VALUE_BYTES:
            raise DataError(
                "An entry of a Bundle is longer than any resource may be", limit_bytes=LONGEST_VALUE_BYTES
            )
        block = self._stream.read(max(_BLOCK_BYTES, len(held)))
        self._ended = not block
        self._lines += self._text.count("\n", 0, self._at)
        self._text, self._at = held + block.decode("latin-1"), 0
        return bool(block)


__all__ = ["LONGEST_VALUE_BYTES", "MalformedBundle", "Members", "members_of", "streamed_members"]
