"""NDJSON checked as it streams: block by block where all is well, line by line where something is not.

A whole block goes through one call of the decoder when its form proves that every line end parts two objects.
Anything unusual (blank lines, ``\\r\\n``, a fault) is looked at line by line, which finds the line to blame.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable
from functools import cache
from typing import Final, Literal

import msgspec

from medcairn.core.errors import DataError
from medcairn.core.labels import Label
from medcairn.export.ndjson import LONGEST_LINE_BYTES, read_head

_Decode = Callable[[bytes], list[msgspec.Struct]]

_LINE_END: Final = ord("\n")

HEADER_TYPE: Final = "Parameters"
"""The type of the header before each block of a file that is organized by a resource type."""


class LineCheck:
    """Counts and checks the lines of ``file``, fed in blocks cut anywhere.

    ``types`` are the resource types that may occur; None lets any text pass, as in the error files of a
    server. Blank lines are no resources. ``headers`` counts resources of :data:`HEADER_TYPE`.
    """

    def __init__(self, file: Label, types: frozenset[str] | None, *, count_headers: bool = False) -> None:
        self.lines = self.headers = 0
        self._file, self._types = file, types
        self._count_headers = count_headers
        self._decode = _decoder(types) if types else None
        self._number = 0
        self._begun = False
        self._pieces: list[bytes] = []
        self._held = 0

    def feed(self, block: bytes) -> None:
        """The next bytes of the file. Raises :class:`DataError` for a line that is not as it must be."""
        cut = block.rfind(b"\n") + 1
        if cut:
            whole = b"".join([*self._pieces, block[:cut]]) if self._pieces else block[:cut]
            self._pieces, self._held = [], 0
            self._check(self._begin(whole))
        if cut < len(block):
            self._pieces.append(block[cut:])
            self._held += len(block) - cut
            if self._held > LONGEST_LINE_BYTES:
                raise DataError(
                    "A line is longer than any resource may be",
                    file=self._file,
                    limit_bytes=LONGEST_LINE_BYTES,
                )

    def end(self) -> None:
        """The file is over; its last line need not have an end."""
        last = self._begin(b"".join(self._pieces))
        self._pieces, self._held = [], 0
        if last:
            self._check_line(last)

    def _begin(self, block: bytes) -> bytes:
        """A byte order mark at the start of the file is no part of its first line."""
        if not self._begun and block:
            self._begun = True
            return block.removeprefix(codecs.BOM_UTF8)
        return block

    def _check(self, block: bytes) -> None:
        """Whole lines."""
        count = _objects_by_form(block) if self._decode is not None else 0
        if count and self._decoded(block, count):
            self.lines += count
            self._number += count
            return
        for line in block.split(b"\n")[:-1]:
            self._check_line(line)

    def _decoded(self, block: bytes, count: int) -> bool:
        if self._decode is None or self._count_headers:
            return False
        try:
            return len(self._decode(block)) == count
        except (msgspec.DecodeError, RecursionError):
            return False

    def _check_line(self, line: bytes) -> None:
        self._number += 1
        if not line or line.isspace():
            return
        self.lines += 1
        if self._types is None:
            return
        head = read_head(line)
        if head is None:
            raise DataError(
                "A line of the server's file is no JSON object", file=self._file, line=self._number
            )
        if head.resourceType not in self._types:
            raise DataError(
                "A resource in the server's file is of another type than the manifest says",
                file=self._file,
                line=self._number,
            )
        self.headers += self._count_headers and head.resourceType == HEADER_TYPE


def _objects_by_form(block: bytes) -> int:
    """How many lines there are when each begins with ``{`` and ends with ``}``, in UTF-8; else 0.

    Within a JSON value no ``}`` line end ``{`` can occur: between an object and the next there is a comma,
    and a string holds no line end. So each line end parts two values; that there are as many values as lines
    remains to be seen.
    """
    if not block.startswith(b"{") or not (block.isascii() or _is_utf8(block)):
        return 0
    find, count, last = block.find, 0, len(block) - 1
    position = find(_LINE_END)
    while position != last:
        if block[position - 1 : position + 2] != b"}\n{":
            return 0
        count += 1
        position = find(_LINE_END, position + 1)
    return count + 1 if block.endswith(b"}\n") else 0


def _is_utf8(block: bytes) -> bool:
    try:
        codecs.utf_8_decode(block, "strict", True)
    except UnicodeDecodeError:
        return False
    return True


@cache
def _decoder(types: frozenset[str]) -> _Decode:
    """Decodes a block of lines into their heads, in C, when all are of one of ``types``."""
    named = ("resourceType", Literal[tuple(sorted(types))])
    head = msgspec.defstruct("CheckedHead", [named, ("id", str | None, None)], gc=False)
    return msgspec.json.Decoder(head).decode_lines


__all__ = ["HEADER_TYPE", "LineCheck"]
