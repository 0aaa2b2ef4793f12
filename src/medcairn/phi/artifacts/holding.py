"""Holding what comes as a stream, so that it can be read from its start again."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO, Protocol, cast

_IN_MEMORY = 8 << 20
_BLOCK = 1 << 18


class Readable(Protocol):
    """What can be read in blocks."""

    def read(self, size: int, /) -> bytes: ...


@contextmanager
def held(stream: Readable, count: Callable[[int], None]) -> Iterator[BinaryIO]:
    """All of a stream, from its start. ``count`` hears of each block's size and may raise.

    Beyond 8 MiB it lies in a temporary file of mode 0600 that has no name and is gone when the block ends.
    """
    with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as holder:
        while block := stream.read(_BLOCK):
            count(len(block))
            holder.write(block)
        holder.seek(0)
        yield cast("BinaryIO", holder)


__all__ = ["Readable", "held"]
