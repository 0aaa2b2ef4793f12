"""Where the bytes of an exported file come from: a range of a stored file, or lines made on the way out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

_BLOCK_BYTES: Final = 256 * 1024
_LINES_PER_BLOCK: Final = 600
_LINE: Final = (
    b'{"resourceType":"Observation","id":"generated-%010d","meta":{"lastUpdated":"2025-01-31T09:30:00Z"},'
    b'"status":"final","category":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/'
    b'observation-category","code":"laboratory"}]}],"code":{"coding":[{"system":"http://loinc.org",'
    b'"code":"2345-7"}]},"subject":{"reference":"Patient/generated"},"effectiveDateTime":'
    b'"2025-01-31T09:00:00Z","valueQuantity":{"value":5.50,"unit":"mmol/L",'
    b'"system":"http://unitsofmeasure.org","code":"mmol/L"}}\n'
)
GENERATED_LINE_BYTES: Final = len(_LINE % 0)
"""Length of every generated line."""


class Content(Protocol):
    """The content of a file of an export."""

    @property
    def size(self) -> int:
        """Bytes in all."""
        ...

    def blocks(self) -> Iterator[bytes]:
        """The bytes, in order."""
        ...


@dataclass(frozen=True)
class FileRange:
    """Bytes ``start`` to ``stop`` of a file."""

    path: Path
    start: int
    stop: int

    @property
    def size(self) -> int:
        return self.stop - self.start

    def blocks(self) -> Iterator[bytes]:
        with self.path.open("rb", buffering=0) as stream:
            stream.seek(self.start)
            left = self.size
            while left > 0 and (block := stream.read(min(_BLOCK_BYTES, left))):
                left -= len(block)
                yield block


@dataclass(frozen=True)
class Generated:
    """``count`` Observations numbered from ``first``, that are nowhere on disk."""

    first: int
    count: int

    @property
    def size(self) -> int:
        return self.count * GENERATED_LINE_BYTES

    def blocks(self) -> Iterator[bytes]:
        stop = self.first + self.count
        for start in range(self.first, stop, _LINES_PER_BLOCK):
            numbers = range(start, min(start + _LINES_PER_BLOCK, stop))
            yield b"".join([_LINE % number for number in numbers])


__all__ = ["GENERATED_LINE_BYTES", "Content", "FileRange", "Generated"]
