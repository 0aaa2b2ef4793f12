"""The files of a folder: which are text, and how a large one is cut into ranges of whole lines."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from medcairn.core.artifacts import MANIFEST

RANGE_BYTES = 16 << 20
BLOCK_BYTES = 1 << 20
_JSON = (".ndjson", ".json", ".jsonl")
_SNIFFED_BYTES = 1 << 14
_WIDE = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True)
class TextFile:
    """A file to read: its path, its name within the folder, its size on the disk, and whether it is JSON."""

    path: Path
    name: str
    size: int
    is_json: bool


@dataclass(frozen=True)
class Range:
    """The lines of a file that begin in the byte range [start, end)."""

    file: TextFile
    start: int
    end: int


def source_files(folder: Path) -> list[TextFile]:
    """The NDJSON and JSON files of a folder, gzip or not."""
    found = (_text_file(path, folder) for path in sorted(folder.iterdir()) if path.is_file())
    return [file for file in found if file.is_json and file.path.name != MANIFEST]


def output_files(folder: Path) -> tuple[list[TextFile], int]:
    """The files of text at any depth, but for the manifest; and how many others there are.

    Raises ``OSError`` when one cannot be opened.
    """
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != MANIFEST]
    texts = [_text_file(path, folder) for path in files]
    texts = [file for file in texts if file.is_json or _is_text(file.path)]
    return texts, len(files) - len(texts)


def ranges(files: list[TextFile]) -> Iterator[Range]:
    """Every byte of every file once, in order. A compressed file is one range."""
    for file in files:
        step = max(file.size, 1) if file.path.suffix == ".gz" else RANGE_BYTES
        for start in range(0, max(file.size, 1), step):
            yield Range(file, start, min(start + step, file.size))


def blocks(part: Range) -> Iterator[list[bytes]]:
    """The lines of a range, about a megabyte at a time. Raises ``OSError``, also for bad compression."""
    if part.file.path.suffix == ".gz":
        with gzip.open(part.file.path, "rb") as packed:
            try:
                yield from _blocks(cast(BinaryIO, packed), None)
            except (EOFError, zlib.error):
                raise OSError from None
        return
    with part.file.path.open("rb") as stream:
        if part.start > 0:
            stream.seek(part.start - 1)
            stream.readline()
        yield from _blocks(stream, part.end)


def first_line(file: TextFile) -> bytes:
    """The beginning of a file's first line. Raises ``OSError``."""
    with gzip.open(file.path, "rb") if file.path.suffix == ".gz" else file.path.open("rb") as stream:
        return stream.readline(_SNIFFED_BYTES)


def _blocks(stream: BinaryIO, end: int | None) -> Iterator[list[bytes]]:
    while end is None or (left := end - stream.tell()) > 0:
        # readlines stops after the line that takes it past its hint, and takes 0 for no hint
        hint = BLOCK_BYTES if end is None else min(BLOCK_BYTES, left)
        lines = stream.readlines(hint - 1) if hint > 1 else [stream.readline()]
        if not lines or not lines[0]:
            return
        yield lines


def _text_file(path: Path, folder: Path) -> TextFile:
    bare = path.with_suffix("") if path.suffix == ".gz" else path
    return TextFile(path, path.relative_to(folder).as_posix(), path.stat().st_size, bare.suffix in _JSON)


def _is_text(path: Path) -> bool:
    """Whether a file's beginning is text in a code that holds ASCII."""
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as stream:
            head = stream.read(_SNIFFED_BYTES)
    except (gzip.BadGzipFile, EOFError, zlib.error):
        return False
    return b"\0" not in head and not head.startswith(_WIDE)


__all__ = [
    "BLOCK_BYTES",
    "Range",
    "TextFile",
    "blocks",
    "first_line",
    "output_files",
    "ranges",
    "source_files",
]
