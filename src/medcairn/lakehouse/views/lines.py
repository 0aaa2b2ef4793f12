"""The text of resources, checked before an engine sees it.

Engines differ in what they let pass as JSON (comments, NaN, a comma too many, lone surrogates), and their own
errors quote the text. What passes here is a JSON object (RFC 8259) in UTF-8 to all of them.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, cast

import msgspec

from medcairn.core.errors import DataError

_ROWS, _BYTES = 5_000, 8_000_000
_MARK = b"\xef\xbb\xbf"


class _Anything(msgspec.Struct):
    """An object of which no member is kept: it is checked by being passed over."""


_passed_over = msgspec.json.Decoder(_Anything).decode


def object_text(data: bytes) -> str | None:
    """The text of ``data`` when it is a JSON object, else None.

    Not accepted: other kinds of JSON, anything else than UTF-8, escapes of half a surrogate pair, and objects
    nested deeper than Python's recursion goes (some 900 levels).
    """
    try:
        _passed_over(data)
        return data.decode()
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


class LineReader:
    """The lines of resource files, some thousand at a time; empty lines and a byte order mark are left out.

    Iterating raises :class:`DataError` with file and line for a line that is no JSON object. An engine that
    does the iterating wraps the error, so it is kept as ``failure``.
    """

    def __init__(self, files: Sequence[Path]) -> None:
        self._files = files
        self.failure: DataError | None = None

    def __iter__(self) -> Iterator[list[str]]:
        lines: list[str] = []
        size = 0
        for file in self._files:
            for line in self._of(file):
                lines.append(line)
                size += len(line)
                if len(lines) >= _ROWS or size >= _BYTES:
                    yield lines
                    lines, size = [], 0
        if lines:
            yield lines

    def _of(self, file: Path) -> Iterator[str]:
        number, broken = 0, False
        try:
            with _opened(file) as stream:
                for number, data in enumerate(stream, start=1):
                    line = data.removeprefix(_MARK) if number == 1 else data
                    if not line.strip():
                        continue
                    text = object_text(line)
                    if text is None:
                        broken = True
                        break
                    yield text
        except (EOFError, zlib.error, gzip.BadGzipFile):
            number, broken = number + 1, True
        if broken:
            self.failure = DataError("A line of a resource file is not a JSON object", file=file, line=number)
            raise self.failure


def _opened(file: Path) -> IO[bytes]:
    return cast("IO[bytes]", gzip.open(file, "rb")) if file.suffix == ".gz" else file.open("rb")


__all__ = ["LineReader", "object_text"]
