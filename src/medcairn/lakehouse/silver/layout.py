"""How the rows of a table are divided into files, as a function of nothing but the rows.

Subjects, as UTF-8 bytes, form a binary tree: each branch parts those whose next bit is 0 from those whose
next is 1. A file is the topmost branch with at most a given number of rows (or one subject with more). So a
subject is in one file of a table, files in order hold subjects in order, and a change moves only the branches
that it touches: an incremental run arrives at the same files as a run over everything.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path


@dataclass(frozen=True)
class Item:
    """Rows that lie together: of one subject (``first`` and ``last``), or of several that lie in ``source``:
    a file that is there already, or a division of new rows."""

    first: str
    last: str
    rows: int
    source: Path | int | None = None


@dataclass(frozen=True)
class Leaf:
    """One file to be: the branch's path (0 and 1 where it forks) and what is in it, in order."""

    path: str
    items: tuple[Item, ...]

    @property
    def rows(self) -> int:
        return sum(item.rows for item in self.items)


Expand = Callable[[Item], Sequence[Item]]


def leaves(items: Sequence[Item], most: int, expand: Expand | None = None) -> list[Leaf]:
    """The files of ``items``, which are in order and apart; each of at most ``most`` rows where it can be.

    ``expand`` gives the subjects of a source when a branch's fork goes through it.
    """
    found: list[Leaf] = []
    waiting = [("", tuple(items))]
    while waiting:
        path, below = waiting.pop()
        if sum(item.rows for item in below) <= most or not below or below[0].first == below[-1].last:
            found.append(Leaf(path, below))
            continue
        place, least = _fork(below[0].first.encode(), below[-1].last.encode())
        at = bisect_left(below, least, key=lambda item: _value(item.last.encode(), place))
        if _value(below[at].first.encode(), place) < least:  # the fork goes through this source
            assert expand is not None
            below = (*below[:at], *expand(below[at]), *below[at + 1 :])
            waiting.append((path, below))
            continue
        waiting.append((path + "1", below[at:]))
        waiting.append((path + "0", below[:at]))
    return found


def boundaries(subjects: Sequence[str], rows: int, most: int) -> list[str]:
    """The first subject of each part but the first, when ``rows`` are spread evenly over ``subjects``."""
    unique = sorted(set(subjects))
    if not unique:
        return []
    places = list(accumulate((rows / len(unique) for _ in unique), initial=0.0))
    items = [
        Item(subject, subject, round(places[n + 1]) - round(places[n])) for n, subject in enumerate(unique)
    ]
    return [leaf.items[0].first for leaf in leaves(items, most)][1:]


def _fork(first: bytes, last: bytes) -> tuple[int, int]:
    """Where the first of two texts parts from the last: the position of the byte, and the least value there
    of the upper branch. A text that ends there has the value 0, a byte its own plus 1."""
    place = next((n for n, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
    low, high = _value(first, place), _value(last, place)
    bit = (low ^ high).bit_length() - 1
    return place, high >> bit << bit


def _value(text: bytes, place: int) -> int:
    return text[place] + 1 if place < len(text) else 0


__all__ = ["Expand", "Item", "Leaf", "boundaries", "leaves"]
