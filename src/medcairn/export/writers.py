"""Output files by resource type, written as partial files and renamed when all is written."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final

from medcairn.core.canonical import JSON, canonical_json
from medcairn.core.digests import Digest
from medcairn.core.files import storage_errors, sync_folder
from medcairn.core.labels import Label
from medcairn.export.ndjson import Fault
from medcairn.export.outputs import PARTIAL, QUARANTINE_FILE, file_name
from medcairn.export.report import ExportedFile
from medcairn.export.resource_types import RESOURCE_TYPES

_FULL_BYTES: Final = 256 << 20
_BLOCK_BYTES: Final = 1 << 20


def _create(path: Path) -> BinaryIO:
    descriptor = os.open(path.with_name(path.name + PARTIAL), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    return os.fdopen(descriptor, "wb")


def _complete(stream: BinaryIO, path: Path) -> None:
    stream.flush()
    os.fsync(stream.fileno())
    stream.close()
    path.with_name(path.name + PARTIAL).replace(path)


@dataclass
class _Open:
    """A file being written. Lines are gathered into blocks before they are hashed and written."""

    path: Path
    resource_type: Label
    stream: BinaryIO
    lines: int = 0
    size: int = 0
    _state: hashlib._Hash = field(default_factory=hashlib.sha256)
    _gathered: list[bytes] = field(default_factory=list)
    _gathered_size: int = 0

    def add(self, line: bytes) -> None:
        self._gathered.append(line)
        self.lines += 1
        self.size += len(line) + 1
        self._gathered_size += len(line) + 1
        if self._gathered_size >= _BLOCK_BYTES:
            self._write()

    def finished(self) -> ExportedFile:
        self._write()
        _complete(self.stream, self.path)
        digest = Digest("sha256:" + self._state.hexdigest())
        return ExportedFile(Label(self.path.name), self.resource_type, self.lines, self.size, digest)

    def _write(self) -> None:
        self._gathered.append(b"")
        block = b"\n".join(self._gathered)
        self.stream.write(block)
        self._state.update(block)
        self._gathered, self._gathered_size = [], 0


class TypeFiles:
    """One file a resource type, a further one when the last is full. Not thread-safe."""

    def __init__(self, folder: Path, full_bytes: int = _FULL_BYTES) -> None:
        self._folder, self._full = folder, full_bytes
        self._open: dict[str, _Open] = {}
        self._finished: list[ExportedFile] = []
        self._numbers: dict[str, int] = {}

    def write(self, resource_type: str, line: bytes) -> None:
        """Append ``line`` (without its end) to the file of a known resource type.

        A refusal of the disk comes out as ``OSError``: the caller has ``storage_errors`` around the whole.
        """
        file = self._open.get(resource_type) or self._begin(resource_type)
        file.add(line)
        if file.size >= self._full:
            self._finished.append(self._open.pop(resource_type).finished())

    def close(self) -> tuple[ExportedFile, ...]:
        """Give every file its final name; the files by name."""
        with storage_errors():
            self._finished += [file.finished() for file in self._open.values()]
            self._open.clear()
            sync_folder(self._folder)
        return tuple(sorted(self._finished, key=lambda file: (file.resource_type, len(file.name), file.name)))

    def abandon(self) -> None:
        """Close the partial files as they are."""
        for file in self._open.values():
            file.stream.close()
        self._open.clear()

    def _begin(self, resource_type: str) -> _Open:
        number = self._numbers.get(resource_type, 0)
        self._numbers[resource_type] = number + 1
        path = self._folder / file_name(resource_type, number)
        file = _Open(path, RESOURCE_TYPES[resource_type], _create(path))
        self._open[resource_type] = file
        return file


class Quarantine:
    """The list of what was set aside: file, line and reason, never content. No file when nothing was."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / QUARANTINE_FILE
        self._stream: BinaryIO | None = None
        self.counts: dict[str, int] = {}

    def add(self, file: str, line: int, reason: Fault) -> None:
        """Record one line (of NDJSON), entry (of a Bundle), or whole file (0)."""
        with storage_errors():
            self._stream = self._stream or _create(self._path)
            record: dict[str, JSON] = {"file": file, "line": line, "reason": reason.value}
            self._stream.write(canonical_json(record) + b"\n")
        self.counts[reason.value] = self.counts.get(reason.value, 0) + 1

    def close(self) -> None:
        """Give the list its final name."""
        if self._stream is not None:
            with storage_errors():
                _complete(self._stream, self._path)
            self._stream = None

    def abandon(self) -> None:
        """Close the partial list as it is."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None


__all__ = ["Quarantine", "TypeFiles"]
