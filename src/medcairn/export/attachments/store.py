"""Attachments by the digest of their content. No name comes from anywhere else."""

from __future__ import annotations

import hashlib
import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final

from medcairn.core.digests import Digest
from medcairn.core.files import private_folder, storage_errors, sync_folder

_INCOMING: Final = "incoming-"


@dataclass
class Incoming:
    """Content on its way into the store."""

    path: Path
    stream: BinaryIO
    size: int = 0
    _sha256: hashlib._Hash = field(default_factory=hashlib.sha256)
    _sha1: hashlib._Hash = field(default_factory=lambda: hashlib.sha1(usedforsecurity=False))

    def write(self, block: bytes) -> None:
        self.stream.write(block)
        self._sha256.update(block)
        self._sha1.update(block)
        self.size += len(block)

    @property
    def digest(self) -> Digest:
        return Digest("sha256:" + self._sha256.hexdigest())

    @property
    def sha1(self) -> str:
        """SHA-1 in hex: what ``Attachment.hash`` is of (FHIR R4)."""
        return self._sha1.hexdigest()


class Store:
    """A folder of contents. Thread-safe; incoming files that a crash left are removed on opening."""

    def __init__(self, folder: Path) -> None:
        self.folder = private_folder(folder)
        self._numbers = itertools.count()
        with storage_errors():
            for path in folder.iterdir():
                if path.name.startswith(_INCOMING):
                    path.unlink()

    @contextmanager
    def incoming(self) -> Iterator[Incoming]:
        """A new content. Unless it is kept, it is gone when the block ends."""
        path = self.folder / f"{_INCOMING}{next(self._numbers)}"
        with storage_errors():
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as stream:
                yield Incoming(path, stream)
        finally:
            path.unlink(missing_ok=True)

    def keep(self, content: Incoming) -> None:
        """Give the content the name of its digest, durably."""
        final = self.path_of(content.digest)
        with storage_errors():
            content.stream.flush()
            os.fsync(content.stream.fileno())
            if not final.is_file():
                content.path.replace(final)
                sync_folder(self.folder)

    def path_of(self, digest: Digest) -> Path:
        """Where the content with this digest lies."""
        return self.folder / digest.hex

    def has(self, digest: Digest, size: int) -> bool:
        """Whether it is there, as long as it was."""
        path = self.path_of(digest)
        return path.is_file() and path.stat().st_size == size


__all__ = ["Incoming", "Store"]
