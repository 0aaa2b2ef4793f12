"""``organizeOutputBy=Patient``: files of blocks, each a header and everything of one patient.

The header is a Parameters resource that refers to the patient. A block goes on in the next file only when it
is longer than a file may be; its header is repeated there. Resources of nobody stay out, as the guide allows.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec

Kept = Callable[[str], Iterator[tuple[str, bytes]]]
"""The wanted lines of a type, each with its patient."""


def blocks_by_patient(
    types: list[str], kept: Kept, folder: Path, lines_per_file: int
) -> Iterator[tuple[Path, int, int, str]]:
    """Path, bytes, lines and the name of the file that continues the last block, of each file."""
    spool = folder / "by-patient.spool"
    places: dict[str, array[int]] = {}
    with spool.open("wb") as stream:
        for resource_type in sorted(types, key=lambda name: (name != "Patient", name)):
            for patient, line in kept(resource_type):
                places.setdefault(patient, array("Q")).extend((stream.tell(), len(line)))
                stream.write(line)
    files = _Files(folder, lines_per_file)
    with spool.open("rb") as stream:
        for patient, found in places.items():
            yield from files.add(patient, stream, found)
    yield from files.end()


class _Files:
    """Writes blocks, beginning a new file where a block would not fit the present one."""

    def __init__(self, folder: Path, most: int) -> None:
        self._folder, self._most = folder, max(most, 2)
        self._stream: BinaryIO | None = None
        self._number = self._count = self._size = 0

    def add(self, patient: str, spool: BinaryIO, places: array[int]) -> Iterator[tuple[Path, int, int, str]]:
        header = {"name": "header", "valueReference": {"reference": f"Patient/{patient}"}}
        line = msgspec.json.encode({"resourceType": "Parameters", "parameter": [header]}) + b"\n"
        if self._count and self._count + 1 + len(places) // 2 > self._most:
            yield self._closed("")
        self._write(line)
        for offset, length in zip(places[::2], places[1::2], strict=True):
            if self._count == self._most:
                yield self._closed(self._path(self._number + 1).name)
                self._write(line)
            spool.seek(offset)
            self._write(spool.read(length))

    def end(self) -> Iterator[tuple[Path, int, int, str]]:
        if self._stream is not None:
            yield self._closed("")

    def _write(self, line: bytes) -> None:
        if self._stream is None:
            self._stream = self._path(self._number).open("wb")
        self._stream.write(line)
        self._count, self._size = self._count + 1, self._size + len(line)

    def _closed(self, continues: str) -> tuple[Path, int, int, str]:
        if self._stream is not None:
            self._stream.close()
        written = (self._path(self._number), self._size, self._count, continues)
        self._stream, self._number, self._count, self._size = None, self._number + 1, 0, 0
        return written

    def _path(self, number: int) -> Path:
        return self._folder / f"patients.{number:03}.ndjson"


__all__ = ["blocks_by_patient"]
