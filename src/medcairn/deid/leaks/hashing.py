"""The words of many texts and the hashes of rows of words, for a whole buffer at once.

A row of words is hashed without what stands between them, so ``999-38-1274``, ``999 38 1274`` and
``999381274`` have one hash. It is a polynomial modulo 2^64 with a fixed odd base and a fixed random
coefficient for each byte (after Karp and Rabin, 1987), whose running sums give the hash of any row by one
subtraction. With a million identifiers and a billion rows, the chance of one false alarm is about 5 in
100,000.
"""

from __future__ import annotations

from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]
Places = NDArray[np.int64]

LONGEST_ROW = 8
"""Longer identifiers are searched by their first eight words."""

PART = b"\n"
"""Parts the texts of a buffer; no row reaches over it."""

_WORD, _PART, _DIGIT, _CLOCK = 1, 2, 4, 8
_BASE = 0x9E3779B97F4A7C15
_INVERSE = pow(_BASE, -1, 1 << 64)


def _kinds() -> NDArray[np.uint8]:
    kinds = np.zeros(256, dtype=np.uint8)
    kinds[[mark for mark in range(256) if mark >= 0x80 or chr(mark).isalnum()]] |= _WORD
    kinds[list(b"0123456789")] |= _DIGIT
    kinds[list(b"Tt")] |= _CLOCK
    kinds[list(PART)] |= _PART
    return kinds


def _coefficients() -> Hashes:
    digests = (blake2b(bytes([mark]), digest_size=8).digest() for mark in range(256))
    coefficients = np.frombuffer(b"".join(digests), dtype="<u8").astype(np.uint64)
    coefficients[ord("A") : ord("Z") + 1] = coefficients[ord("a") : ord("z") + 1]
    return coefficients


_KINDS, _COEFFICIENTS = _kinds(), _coefficients()


class _Powers:
    """The base's powers and those of its inverse; they grow with the largest buffer seen."""

    def __init__(self) -> None:
        self._up = self._down = np.ones(1, dtype=np.uint64)

    def up_to(self, count: int) -> tuple[Hashes, Hashes]:
        if len(self._up) < count:
            self._up, self._down = _powers(_BASE, count), _powers(_INVERSE, count)
        return self._up, self._down


def _powers(base: int, count: int) -> Hashes:
    powers = np.full(count, base, dtype=np.uint64)
    powers[0] = 1
    return np.cumprod(powers, out=powers)


_POWERS = _Powers()


class Words:
    """The words of ``buffer``, in order, without regard to small and capital ASCII letters.

    ``text`` tells for each word in which of the buffer's texts it stands, counted from 0.
    """

    def __init__(self, buffer: bytes) -> None:
        marks = np.frombuffer(buffer, dtype=np.uint8)
        kinds = _KINDS[marks]
        kept = np.flatnonzero(_in_words(kinds))
        up, self._down = _POWERS.up_to(len(kept) + 1)
        terms = _COEFFICIENTS[marks[kept]]
        terms *= up[: len(kept)]
        self._sums = np.zeros(len(kept) + 1, dtype=np.uint64)
        np.cumsum(terms, out=self._sums[1:])
        gaps = np.flatnonzero(kept[1:] - kept[:-1] != 1) + 1
        some = int(len(kept) > 0)
        self._begin = np.concatenate((np.zeros(some, dtype=np.int64), gaps))
        self._end = np.concatenate((gaps, np.full(some, len(kept), dtype=np.int64)))
        self.text: Places = np.searchsorted(np.flatnonzero(kinds & _PART), kept[self._begin])

    def __len__(self) -> int:
        return len(self._begin)

    def all(self) -> Places:
        """Every word."""
        return np.arange(len(self))

    def rows(self, length: int, among: Places) -> tuple[Places, Hashes]:
        """The rows of ``length`` words in one text: their first words (of ``among`` alone) and hashes."""
        if length > 1:
            among = among[among + (length - 1) < len(self)]
            among = among[self.text[among] == self.text[among + (length - 1)]]
        begin = self._begin[among]
        hashes = self._sums[self._end[among + (length - 1)]] - self._sums[begin]
        hashes *= self._down[begin]
        return among, hashes


def _in_words(kinds: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Letters and digits, but for a T between two digits: there a date ends and a time begins."""
    inside = (kinds & _WORD).astype(np.bool_)
    clocks = np.flatnonzero(kinds & _CLOCK)
    clocks = clocks[(clocks > 0) & (clocks < len(kinds) - 1)]
    between = (kinds[clocks - 1] & _DIGIT).astype(np.bool_) & (kinds[clocks + 1] & _DIGIT).astype(np.bool_)
    inside[clocks[between]] = False
    return inside


def hash_all(texts: list[str]) -> Hashes:
    """The hash of each text of letters and digits; equal to that of the row of its words in a buffer."""
    pieces = [text.encode("utf-8", "replace") for text in texts]
    marks = np.frombuffer(b"".join(pieces), dtype=np.uint8)
    up, down = _POWERS.up_to(len(marks) + 1)
    sums = np.zeros(len(marks) + 1, dtype=np.uint64)
    np.cumsum(_COEFFICIENTS[marks] * up[: len(marks)], out=sums[1:])
    ends = np.cumsum(np.array([len(piece) for piece in pieces], dtype=np.int64))
    starts = np.concatenate((np.zeros(1, dtype=np.int64), ends))[: len(ends)]
    hashes: Hashes = sums[ends] - sums[starts]
    return hashes * down[starts]


__all__ = ["LONGEST_ROW", "PART", "Hashes", "Places", "Words", "hash_all"]
