"""The files of the merged export: taken over as they are, or written anew, numbered within their type."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO, Final

from medcairn.core.digests import Digest
from medcairn.core.files import storage_errors, sync_folder
from medcairn.core.labels import Label
from medcairn.export.outputs import PARTIAL, file_name
from medcairn.export.report import ExportedFile

FULL_BYTES: Final = 256 << 20
"""A file that has reached this size is not added to."""

_BLOCK_BYTES: Final = 1 << 20
_NO_LINKS: Final = frozenset(
    {errno.EXDEV, errno.EPERM, errno.EACCES, errno.EMLINK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}
)


@dataclass
class _Open:
    """A file in the making: lines gathered into blocks, hashed and written."""

    path: Path
    stream: BinaryIO
    lines: int = 0
    size: int = 0
    state: hashlib._Hash = field(default_factory=hashlib.sha256)
    gathered: list[bytes] = field(default_factory=list)
    gathered_size: int = 0

    def add(self, line: bytes) -> None:
        self.gathered += (line, b"\n")
        self.lines += 1
        self.size += len(line) + 1
        self.gathered_size += len(line) + 1
        if self.gathered_size >= _BLOCK_BYTES:
            self.write()

    def write(self) -> None:
        block = b"".join(self.gathered)
        with storage_errors():
            self.stream.write(block)
        self.state.update(block)
        self.gathered, self.gathered_size = [], 0


class TypeSequence:
    """The files of one resource type in ``folder``, in order: ``<Type>.000.ndjson``, ``<Type>.001.ndjson`` …

    Raises :class:`StorageError` when the disk refuses.
    """

    def __init__(self, folder: Path, resource_type: str, full_bytes: int = FULL_BYTES) -> None:
        self._folder, self._type, self._full = folder, Label(resource_type), full_bytes
        self._open: _Open | None = None
        self.finished: list[ExportedFile] = []

    def take_over(self, source: Path, file: ExportedFile) -> None:
        """The next file is ``source``, byte for byte: a hard link, or a copy where there can be none."""
        self.end()
        path = self._next_path()
        with storage_errors():
            _link_or_copy(source, path)
        self.finished.append(replace(file, name=Label(path.name)))

    def write(self, line: bytes) -> None:
        """Append to the file under way; to the next one when it is full."""
        if self._open is not None and self._open.size >= self._full:
            self.end()
        if self._open is None:
            with storage_errors():
                self._open = self._begin()
        self._open.add(line)

    def end(self) -> None:
        """Complete the file under way, if any: what comes next begins another."""
        if self._open is None:
            return
        file, self._open = self._open, None
        with storage_errors(), file.stream as stream:
            file.write()
            stream.flush()
            os.fsync(stream.fileno())
            _partial(file.path).replace(file.path)
        digest = Digest("sha256:" + file.state.hexdigest())
        self.finished.append(ExportedFile(Label(file.path.name), self._type, file.lines, file.size, digest))

    def abandon(self) -> None:
        """Close the file under way as it is."""
        if self._open is not None:
            self._open.stream.close()
            self._open = None

    def _begin(self) -> _Open:
        path = self._next_path()
        descriptor = os.open(_partial(path), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        return _Open(path, os.fdopen(descriptor, "wb"))

    def _next_path(self) -> Path:
        return self._folder / file_name(self._type, len(self.finished))


def _partial(path: Path) -> Path:
    return path.with_name(path.name + PARTIAL)


def _link_or_copy(source: Path, path: Path) -> None:
    try:
        path.hardlink_to(source)
    except OSError as failure:
        if failure.errno not in _NO_LINKS:
            raise
    else:
        return
    partial = _partial(path)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with source.open("rb") as read, os.fdopen(descriptor, "wb") as stream:
        shutil.copyfileobj(read, stream, _BLOCK_BYTES)
        stream.flush()
        os.fsync(stream.fileno())
    partial.replace(path)
    sync_folder(path.parent)


__all__ = ["FULL_BYTES", "TypeSequence"]
