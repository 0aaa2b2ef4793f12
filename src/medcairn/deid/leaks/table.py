"""The identifiers that are searched for: sorted 64-bit hashes, about 11 bytes each, and a bitmap before them.

No text is kept, so a dump of the scanner's memory is no list of patients.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medcairn.deid.leaks.hashing import LONGEST_ROW, Hashes, Places, hash_all

ANY_LENGTH = (1 << LONGEST_ROW) - 1
"""The row may have any number of words."""

PRIMARY = 1 << 15
"""Marks the form by which an identifier is counted."""

_PENDING = 20_000
_SMALLEST_BITMAP, _LARGEST_BITMAP = 16, 27


def rows_of(*lengths: int) -> int:
    """The mask of rows of these numbers of words."""
    return sum({1 << (min(length, LONGEST_ROW) - 1) for length in lengths if length > 0})


@dataclass(frozen=True)
class Entries:
    """Hashes in order, each with its class (a small number) and the rows in which it counts."""

    hashes: Hashes
    classes: NDArray[np.uint8]
    rows: NDArray[np.uint16]

    @staticmethod
    def none() -> Entries:
        """No entries."""
        return Entries(np.zeros(0, np.uint64), np.zeros(0, np.uint8), np.zeros(0, np.uint16))

    def __len__(self) -> int:
        return len(self.hashes)

    def counts(self, classes: int) -> list[int]:
        """How many primary entries each class has."""
        found = np.bincount(self.classes[(self.rows & PRIMARY) != 0], minlength=classes)
        return [int(count) for count in found]


def merged(parts: list[Entries]) -> Entries:
    """All entries once. Of one hash, the lowest class stays and the rows are united."""
    hashes = np.concatenate([part.hashes for part in parts])
    if not len(hashes):
        return Entries.none()
    classes = np.concatenate([part.classes for part in parts])
    rows = np.concatenate([part.rows for part in parts])
    order = np.argsort(hashes, kind="stable")
    hashes = hashes[order]
    first = np.flatnonzero(np.concatenate((np.ones(1, np.bool_), hashes[1:] != hashes[:-1])))
    return Entries(
        hashes[first],
        np.minimum.reduceat(classes[order], first),
        np.bitwise_or.reduceat(rows[order], first),
    )


class Collector:
    """Gathers entries in bounded memory: texts are hashed in batches, and batches merged as they double."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._classes: list[int] = []
        self._rows: list[int] = []
        self._parts: list[Entries] = []

    def add(self, squeezed: str, leak: int, rows: int) -> None:
        """An identifier's form: its folded words without anything between them."""
        self._texts.append(squeezed)
        self._classes.append(leak)
        self._rows.append(rows)
        if len(self._texts) >= _PENDING:
            self._flush()

    def take(self, entries: Entries) -> None:
        """Entries that were gathered elsewhere."""
        self._parts.append(entries)
        while len(self._parts) > 1 and len(self._parts[-2]) <= 2 * len(self._parts[-1]):
            self._parts[-2:] = [merged(self._parts[-2:])]

    def entries(self) -> Entries:
        """Everything that was gathered."""
        self._flush()
        self._parts = [merged(self._parts)] if self._parts else [Entries.none()]
        return self._parts[0]

    def _flush(self) -> None:
        if self._texts:
            batch = Entries(
                hash_all(self._texts),
                np.array(self._classes, dtype=np.uint8),
                np.array(self._rows, dtype=np.uint16),
            )
            self.take(merged([batch]))
            self._texts, self._classes, self._rows = [], [], []


class Table:
    """Entries to look up many hashes in."""

    def __init__(self, entries: Entries) -> None:
        self._entries = entries
        bits = max(_SMALLEST_BITMAP, min(_LARGEST_BITMAP, (32 * max(1, len(entries))).bit_length()))
        self._shift = np.uint64(64 - bits)
        slots = (entries.hashes >> self._shift).astype(np.int64)
        self._bitmap = np.zeros(1 << (bits - 3), dtype=np.uint8)
        np.bitwise_or.at(self._bitmap, slots >> 3, np.left_shift(1, slots & 7).astype(np.uint8))

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, hashes: Hashes, length: int) -> tuple[Places, NDArray[np.uint8]]:
        """Which of ``hashes``, of rows of ``length`` words, are entries; and their classes."""
        slots = (hashes >> self._shift).astype(np.int64)
        maybe = np.flatnonzero((self._bitmap[slots >> 3] >> (slots & 7).astype(np.uint8)) & 1)
        if not len(maybe):
            return maybe, np.zeros(0, np.uint8)
        wanted = hashes[maybe]
        at = np.searchsorted(self._entries.hashes, wanted)
        at[at == len(self._entries)] = 0
        sound = self._entries.hashes[at] == wanted
        sound &= (self._entries.rows[at] >> (length - 1) & 1).astype(np.bool_)
        return maybe[sound], self._entries.classes[at[sound]]


__all__ = ["ANY_LENGTH", "PRIMARY", "Collector", "Entries", "Table", "merged", "rows_of"]
