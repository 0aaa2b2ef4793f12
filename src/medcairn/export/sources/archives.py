"""Landed bytes, decompressed under a limit: gzip (RFC 1952) and Zstandard (RFC 8878), any number of members.

Our reading: a name that ends in ``.gz`` or ``.zst`` promises compressed content, and plain or no content
under it is a damaged file. Under any other name the first bytes decide, for stores hand out compressed
objects without saying so in the name; no JSON text begins like either format.
"""

from __future__ import annotations

import gzip
import io
import os
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Final, cast

from medcairn.core.errors import DataError, MedcairnError, UsageError, raise_alone
from medcairn.export.sources.landing import LandedFile

if sys.version_info >= (3, 14):
    from compression.zstd import ZstdError, ZstdFile
else:
    from backports.zstd import ZstdError, ZstdFile

_GZIP: Final = b"\x1f\x8b"
_ZSTD: Final = b"\x28\xb5\x2f\xfd"
_SKIPPABLE: Final = tuple(bytes([low]) + b"\x2a\x4d\x18" for low in range(0x50, 0x60))
_FREE_BYTES: Final = 64 << 20
_DAMAGED: Final = (gzip.BadGzipFile, zlib.error, ZstdError, EOFError)


@dataclass(frozen=True)
class ArchiveLimits:
    """How far one compressed file may expand, so that a small file cannot fill the disk.

    ``expanded_bytes`` is the most that may come out of one file; ``ratio`` the most bytes out for each
    byte of the file, looked at only beyond the first 64 MiB. FHIR as NDJSON has a ratio of 10 to 60.

    Raises ``ValueError`` for a limit that is not positive.
    """

    expanded_bytes: int = 64 << 30
    ratio: int = 250

    def __post_init__(self) -> None:
        if self.expanded_bytes < 1 or self.ratio < 1:
            raise ValueError("limits are positive")


class _Measured(io.RawIOBase):
    """A decompressor's output, counted."""

    def __init__(self, inner: IO[bytes], file: LandedFile, size: int, limits: ArchiveLimits) -> None:
        self._inner, self._file, self._limits = inner, file, limits
        self._most = min(limits.expanded_bytes, max(_FREE_BYTES, size * limits.ratio))
        self._size, self._out = size, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = cast("memoryview", buffer)
        got = self._inner.read(len(view))
        view[: len(got)] = got
        self._out += len(got)
        if self._out > self._most:
            raise self._too_much()
        return len(got)

    def _too_much(self) -> DataError:
        return DataError(
            "A compressed file expands to more than is allowed",
            hint="If the file is sound, raise the limit for the expanded size or the ratio",
            file=self._file.shown,
            compressed_bytes=self._size,
            limit_bytes=self._limits.expanded_bytes,
            limit_ratio=self._limits.ratio,
        )


@contextmanager
def opened(file: LandedFile, limits: ArchiveLimits) -> Iterator[IO[bytes]]:
    """The file's bytes, decompressed.

    Raises :class:`UsageError` when it may not be read, :class:`DataError` when it cannot be decompressed
    or expands beyond ``limits``.
    """
    plain = _open(file)
    error: MedcairnError | None = None
    with plain:
        stream = _decompressed(plain, file, limits)
        try:
            yield stream
        except _DAMAGED:
            error = _damaged(file)
    if error is not None:
        raise_alone(error)


def _open(file: LandedFile) -> io.BufferedReader:
    stream: io.BufferedReader | None = None
    try:
        stream = file.path.open("rb")
    except OSError:
        stream = None
    if stream is None:
        raise UsageError("A file may not be read", hint="Check its permissions", file=file.shown)
    return stream


def _decompressed(plain: io.BufferedReader, file: LandedFile, limits: ArchiveLimits) -> IO[bytes]:
    start = plain.peek(4)[:4]
    size = os.fstat(plain.fileno()).st_size
    if start.startswith(_GZIP):
        inner = cast("IO[bytes]", gzip.GzipFile(fileobj=plain))
    elif start.startswith((_ZSTD, *_SKIPPABLE)):
        inner = cast("IO[bytes]", ZstdFile(plain))
    elif file.compressed:
        raise _damaged(file)
    else:
        return plain
    return cast("IO[bytes]", _Measured(inner, file, size, limits))


def _damaged(file: LandedFile) -> DataError:
    return DataError(
        "A file cannot be decompressed: it is damaged or cut short",
        hint="Copy it anew from where it came",
        file=file.shown,
    )


__all__ = ["ArchiveLimits", "opened"]
