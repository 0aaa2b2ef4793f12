"""What became of a sequence of leaves, from the hashes that were and the hashes that are."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from medcairn.audit.merkle import HASH_BYTES

_BLOCK = 4096 * HASH_BYTES


class Change(Enum):
    """How the present leaves differ from the expected ones."""

    CUT = "cut"  # the end is missing
    REMOVED = "removed"
    ADDED = "added"
    MOVED = "moved"
    REPLACED = "replaced"


@dataclass(frozen=True)
class Difference:
    """The kind of change and the first place where it shows."""

    change: Change
    first: int


def difference(present: bytes | bytearray, expected: bytes | bytearray) -> Difference | None:
    """How ``present`` departs from ``expected``, 32 bytes a leaf; None when it only goes on after it."""
    first = _first_difference(present, expected)
    if first is None:
        return None
    here, there = _leaves(present, first), _leaves(expected, first)
    if not here:
        return Difference(Change.CUT, first)
    kept = set(here) & set(there)
    gone = [leaf for leaf in there if leaf not in kept]
    # Leaves behind the last one that is known may be later entries, which nothing expected speaks of.
    known = max((place for place, leaf in enumerate(here) if leaf in kept), default=-1)
    come = any(leaf not in kept for leaf in here[:known]) or len(here[: known + 1]) > len(there)
    if len(gone) == len(there):  # nothing of the rest is left
        return Difference(Change.CUT if len(here) < len(there) else Change.REPLACED, first)
    change = {(True, True): Change.REPLACED, (True, False): Change.REMOVED, (False, True): Change.ADDED}
    return Difference(change.get((bool(gone), come), Change.MOVED), first)


def _first_difference(present: bytes | bytearray, expected: bytes | bytearray) -> int | None:
    for start in range(0, len(expected), _BLOCK):
        here, there = present[start : start + _BLOCK], expected[start : start + _BLOCK]
        if here[: len(there)] == there:
            continue
        for at in range(0, len(there), HASH_BYTES):
            if here[at : at + HASH_BYTES] != there[at : at + HASH_BYTES]:
                return (start + at) // HASH_BYTES
    return None


def _leaves(hashes: bytes | bytearray, first: int) -> list[bytes]:
    return [bytes(hashes[at : at + HASH_BYTES]) for at in range(first * HASH_BYTES, len(hashes), HASH_BYTES)]


__all__ = ["Change", "Difference", "difference"]
