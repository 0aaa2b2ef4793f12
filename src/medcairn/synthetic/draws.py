"""Random draws that depend on nothing but (seed, patient, purpose).

Each purpose has a stream of its own, so that drawing one more address does not change anybody's illness.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from math import log
from random import Random
from typing import TypeVar

T = TypeVar("T")

_MASK = (1 << 64) - 1


class Stream(IntEnum):
    """What a stream of draws is for."""

    LIFE = 1
    CHART = 2
    IDENTITY = 3
    HOUSE = 4


class Draws(Random):
    """A reproducible stream of draws; not for secrets."""

    def __init__(self, seed: int, index: int, stream: Stream) -> None:
        super().__init__((seed << 72) | (index << 8) | stream)

    def chance(self, probability: float) -> bool:
        """True with ``probability``."""
        return self.random() < probability

    def pick(self, items: Sequence[T]) -> T:
        """One of ``items``, each as likely."""
        return items[int(self.random() * len(items))]

    def between(self, low: float, high: float) -> float:
        """Uniform on [low, high)."""
        return low + (high - low) * self.random()

    def wait(self, mean: float) -> float:
        """Exponential with ``mean``."""
        return -mean * log(1.0 - self.random())

    def clipped(self, mean: float, sd: float, low: float, high: float) -> float:
        """Normal, moved to the nearer bound when outside [low, high]."""
        return min(max(self.gauss(mean, sd), low), high)


def opaque_key(seed: int, index: int) -> str:
    """16 hex digits that tell nothing about ``index`` and differ for each index of one seed.

    SplitMix64's finisher is a bijection of 64-bit words, so two indices cannot collide.
    """
    word = ((index + 1) * 0x9E3779B97F4A7C15 + seed * 0xD1342543DE82EF95) & _MASK
    word = ((word ^ (word >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    word = ((word ^ (word >> 27)) * 0x94D049BB133111EB) & _MASK
    return f"{word ^ (word >> 31):016x}"


__all__ = ["Draws", "Stream", "opaque_key"]
