"""What becomes of the bytes of a download: the partial file, the digest, the check of the lines."""

from __future__ import annotations

import hashlib
import os
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Self

from medcairn.core.digests import Digest
from medcairn.core.progress import Progress
from medcairn.export.bulkdata.lines import LineCheck

BLOCK_BYTES: Final = 1 << 18
_AHEAD: Final = 8
_OWN_THREAD_BYTES: Final = 16 * BLOCK_BYTES


class Receiver:
    """Takes the body of one file. Use as a context manager: it closes the file whatever happens.

    Blocks are checked here, and written and hashed in a thread of their own once the file turns out to be
    large: both let other threads run meanwhile. A refusal of the disk comes out as ``OSError``.
    """

    def __init__(self, partial: Path, check: LineCheck, progress: Progress, *, keep: bool) -> None:
        flags = os.O_RDWR | os.O_CREAT | (0 if keep else os.O_TRUNC)
        self._stream: BinaryIO = os.fdopen(os.open(partial, flags, 0o600), "r+b", buffering=0)
        self._check, self._progress = check, progress
        self._state = hashlib.sha256()
        self._gathered: list[bytes] = []
        self._gathered_size = 0
        self._writer: ThreadPoolExecutor | None = None
        self._written: deque[Future[None]] = deque()
        self.size = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._writer is not None:
            self._writer.shutdown(wait=True)
        self._stream.close()

    def take_up(self) -> None:
        """Begin with the bytes that an earlier try left in the partial file, checked again."""
        while block := self._stream.read(BLOCK_BYTES):
            self._checked(block)
            self._state.update(block)
            self.size += len(block)

    def write(self, piece: bytes) -> None:
        """The next bytes."""
        self._gathered.append(piece)
        self._gathered_size += len(piece)
        if self._gathered_size >= BLOCK_BYTES:
            self.flush()

    def flush(self) -> None:
        """Hand on what was gathered."""
        if not self._gathered:
            return
        block = b"".join(self._gathered)
        self._gathered, self._gathered_size = [], 0
        self.size += len(block)
        if self._writer is None and self.size < _OWN_THREAD_BYTES:
            self._keep(block)
        else:
            self._hand_over(block)
        self._checked(block)

    def finish(self) -> Digest:
        """All is there: the digest of the file. Raises :class:`DataError` for a last line that is none."""
        self.flush()
        self.drain()
        before = self._check.lines
        self._check.end()
        self._progress.advance(self._check.lines - before)
        return Digest("sha256:" + self._state.hexdigest())

    def drain(self) -> None:
        """Wait until what was handed on is written."""
        while self._written:
            self._written.popleft().result()

    def _hand_over(self, block: bytes) -> None:
        self._writer = self._writer or ThreadPoolExecutor(1, "medcairn-write")
        while len(self._written) >= _AHEAD:
            self._written.popleft().result()
        self._written.append(self._writer.submit(self._keep, block))

    def _keep(self, block: bytes) -> None:
        view = memoryview(block)
        while view:
            view = view[self._stream.write(view) :]
        self._state.update(block)

    def _checked(self, block: bytes) -> None:
        before = self._check.lines
        self._check.feed(block)
        if self._check.lines > before:
            self._progress.advance(self._check.lines - before)


__all__ = ["BLOCK_BYTES", "Receiver"]
