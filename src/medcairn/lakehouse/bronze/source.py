"""The source folder: which files are read, cut into segments that workers read one at a time."""

from __future__ import annotations

import gzip
import re
import shutil
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from medcairn.core.errors import DataError, UsageError
from medcairn.core.files import storage_errors
from medcairn.core.labels import Label

_FILE = re.compile(r"[A-Z][A-Za-z]{1,63}(\.[A-Za-z0-9_-]+)*\.ndjson(\.gz)?\Z")
_BOM = b"\xef\xbb\xbf"
_BLOCK_BYTES = 1 << 18
SEGMENT_BYTES = 8 << 20
"""JSON bytes in one segment. Fixed, so that the same source gives the same data files."""


@dataclass(frozen=True)
class SourceFile:
    """A resource file: where its plain text is read, and the name under which it came."""

    path: Path
    name: str

    @property
    def resource_type(self) -> Label:
        """The type that the name begins with."""
        return Label(self.name.split(".")[0])


@dataclass(frozen=True)
class Segment:
    """The lines of a file that begin in the byte range [start, end)."""

    number: int
    file: SourceFile
    start: int
    end: int

    @property
    def size(self) -> int:
        """Bytes in this segment."""
        return self.end - self.start


def source_files(folder: Path) -> list[Path]:
    """The resource files in ``folder``: ``<Type>….ndjson`` or ``.ndjson.gz``, sorted by name.

    Raises :class:`UsageError` when there is no such folder.
    """
    if not folder.is_dir():
        raise UsageError("There is no such folder", folder=folder)
    return sorted(path for path in folder.iterdir() if _FILE.match(path.name) and path.is_file())


def unpacker(scratch: Path) -> Callable[[Path], SourceFile]:
    """The work of a worker before the first pass: a packed file's plain text, in ``scratch``.

    Raises :class:`DataError` when the file is damaged or cut short.
    """

    def unpack(file: Path) -> SourceFile:
        if file.suffix != ".gz":
            return SourceFile(file, file.name)
        plain, broken = scratch / file.stem, False
        try:
            with storage_errors(), open_resources(file) as packed, plain.open("wb") as out:
                shutil.copyfileobj(packed, out, _BLOCK_BYTES)
        except (gzip.BadGzipFile, EOFError, zlib.error):
            broken = True
        if broken:
            raise DataError("A packed file is damaged or cut short", file=file)
        return SourceFile(plain, file.name)

    return unpack


def segments_of(files: Iterable[SourceFile]) -> Iterator[Segment]:
    """Every byte of ``files`` once, in their order; segments are numbered from 0."""
    number = 0
    for file in files:
        size = file.path.stat().st_size
        for start in range(0, size, SEGMENT_BYTES):
            yield Segment(number, file, start, min(start + SEGMENT_BYTES, size))
            number += 1


def open_resources(file: Path) -> IO[bytes]:
    """The bytes of a plain or packed resource file."""
    if file.suffix == ".gz":
        return cast("IO[bytes]", gzip.open(file, "rb"))
    return file.open("rb", buffering=_BLOCK_BYTES)


def blocks_of(segment: Segment) -> Iterator[tuple[int, bytes]]:
    """The lines of a segment in blocks of whole lines, and where in the file each block begins.

    A line belongs to the segment that holds its first byte; the last one may reach past the end. A byte
    order mark is no part of the first line.
    """
    with segment.file.path.open("rb", buffering=0) as stream:
        position = 0
        if segment.start > 0:
            stream.seek(segment.start - 1)
            position = segment.start - 1 + len(_to_line_end(stream))
            stream.seek(position)
        while position < segment.end:
            block = stream.read(min(_BLOCK_BYTES, segment.end - position))
            if not block.endswith(b"\n"):
                cut = block.rfind(b"\n") + 1
                # A line that is longer than a block is read to its end, as is the last one of the segment.
                block = block[:cut] or block + _to_line_end(stream)
            size = len(block)
            if size == 0:
                return
            begin = len(_BOM) if position == 0 and block.startswith(_BOM) else 0
            yield position + begin, block[begin:]
            position = stream.seek(position + size)


def _to_line_end(stream: IO[bytes]) -> bytes:
    """From where the stream stands to the end of the line, or of the file."""
    parts: list[bytes] = []
    while piece := stream.read(_BLOCK_BYTES):
        end = piece.find(b"\n") + 1
        parts.append(piece[:end] if end else piece)
        if end:
            break
    return b"".join(parts)


__all__ = [
    "SEGMENT_BYTES",
    "Segment",
    "SourceFile",
    "blocks_of",
    "open_resources",
    "segments_of",
    "source_files",
    "unpacker",
]
