"""The source folder: which files are read, and how a large one is cut into chunks of whole lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from medcairn.core.errors import DataError, UsageError
from medcairn.core.r4 import resource_types

CHUNK_BYTES = 4 << 20
_BLOCK_BYTES = 128 << 10
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class SourceFile:
    """One NDJSON file named ``<Type>.ndjson`` or ``<Type>.<NNN>.ndjson``."""

    path: Path
    resource_type: str
    size: int


@dataclass(frozen=True)
class Chunk:
    """The lines of a file that begin in the byte range [start, end)."""

    file: SourceFile
    start: int
    end: int


@dataclass(frozen=True)
class Source:
    """What is read of a folder, and how many other NDJSON files (such as an export's log) are not."""

    files: tuple[SourceFile, ...]
    passed_over: int

    @property
    def size(self) -> int:
        """Bytes to read."""
        return sum(file.size for file in self.files)

    def chunks(self) -> Iterator[Chunk]:
        """Every byte of every file once, in order of file name and position."""
        return chunks_of(self.files)


def chunks_of(files: Iterable[SourceFile]) -> Iterator[Chunk]:
    """Every byte of ``files`` once, in their order."""
    for file in files:
        for start in range(0, max(file.size, 1), CHUNK_BYTES):
            yield Chunk(file, start, min(start + CHUNK_BYTES, file.size))


def find_source(folder: Path) -> Source:
    """The NDJSON files of a folder.

    A file counts when its name is that of an R4 resource type, alone or followed by a number; a name is
    part of the output, so no other name may reach it.

    Raises :class:`UsageError` when the folder is missing, holds no such file, or holds compressed ones;
    :class:`DataError` when such a name is no file.
    """
    if not folder.is_dir():
        raise UsageError("There is no such folder to de-identify", folder=folder)
    files: list[SourceFile] = []
    passed_over = 0
    for path in sorted(folder.iterdir()):
        name = path.name
        if name.endswith((".ndjson.gz", ".ndjson.zst")):
            raise UsageError(
                "The folder holds compressed NDJSON, which this stage does not read",
                hint="Land it first: medcairn export takes a folder of files",
                folder=folder,
            )
        if not name.endswith(".ndjson"):
            continue
        resource_type = _type_of(name)
        if resource_type in resource_types() and not path.is_file():
            raise DataError("A source file is no file, or a link to nowhere", file=path)
        if resource_type in resource_types():
            files.append(SourceFile(path, resource_type, path.stat().st_size))
        else:
            passed_over += 1
    if not files:
        raise UsageError(
            "The folder holds no NDJSON files named for a FHIR R4 resource type",
            hint="They are named like Observation.ndjson or Observation.000.ndjson",
            folder=folder,
        )
    return Source(tuple(files), passed_over)


def read_blocks(chunk: Chunk) -> Iterator[list[bytes]]:
    """The lines of ``chunk`` with their line ends, as many at a time as stay near to the processor.

    Raises :class:`DataError` when the file cannot be read.
    """
    failed = False
    try:
        with chunk.file.path.open("rb", buffering=_BLOCK_BYTES) as stream:
            yield from _blocks(stream, chunk)
    except OSError:
        failed = True
    if failed:
        raise DataError("A source file cannot be read", file=chunk.file.path)


def _blocks(stream: BinaryIO, chunk: Chunk) -> Iterator[list[bytes]]:
    """A line belongs to the chunk that holds its first byte; the last one may reach past the end."""
    position = 0
    if chunk.start > 0:
        position = chunk.start - 1
        stream.seek(position)
        position += len(stream.readline())
    while position < chunk.end:
        size = min(_BLOCK_BYTES, chunk.end - position)
        # readlines stops after the line that takes it past its hint, and takes 0 for no hint
        lines = stream.readlines(size - 1) if size > 1 else [stream.readline()]
        if not lines:
            return
        size = sum(map(len, lines))
        if position == 0:
            lines[0] = lines[0].removeprefix(_BOM)
        position += size
        yield lines


def _type_of(name: str) -> str:
    parts = name.removesuffix(".ndjson").split(".")
    numbered = len(parts) == 2 and parts[1].isascii() and parts[1].isdigit() and len(parts[1]) <= 9
    return parts[0] if len(parts) == 1 or numbered else ""


__all__ = ["CHUNK_BYTES", "Chunk", "Source", "SourceFile", "chunks_of", "find_source", "read_blocks"]
