"""The ledger's seal keys over time: each new one is named by the one before it.

A rotation is a checkpoint with one extension line, ``next-key <hex>``, sealed by the key that goes. It is
handed to the witnesses like any checkpoint, and stands in the entry of type ``key.rotated`` that follows: its
tree has exactly the entries before that one. Since it seals a tree it cannot be moved to another place or
another ledger. Larger trees must carry the new key, smaller ones the old.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from medcairn.audit.seals import Seal, SignedNote

_NEXT_KEY = re.compile(r"next-key ([0-9a-f]{64})\Z")


def next_key_line(public_key: bytes) -> str:
    """The extension line that names the next seal key."""
    return f"next-key {public_key.hex()}"


@dataclass(frozen=True)
class Rotation:
    """What a note says about the next key: it seals trees larger than ``tree_size``."""

    note: SignedNote
    new: bytes

    @classmethod
    def of(cls, note: SignedNote) -> Rotation | None:
        """The rotation that a note announces; None for an ordinary checkpoint."""
        named = [found[1] for line in note.text.split("\n")[3:] if (found := _NEXT_KEY.match(line))]
        return cls(note, bytes.fromhex(named[0])) if len(named) == 1 else None

    @property
    def tree_size(self) -> int:
        return self.note.checkpoint.tree_size


@dataclass(frozen=True)
class KeyHistory:
    """Who may seal what: (from which tree size on, public key), oldest first."""

    periods: tuple[tuple[int, bytes], ...]

    @classmethod
    def of(cls, first: bytes, rotations: Iterable[Rotation]) -> KeyHistory:
        """The history from the ``first`` key on, by the rotations that each key in turn sealed."""
        periods = [(0, first)]
        for rotation in sorted(rotations, key=lambda item: item.tree_size):
            start, present = periods[-1]
            if rotation.tree_size >= start and rotation.note.seal_of(present) is Seal.HOLDS:
                periods.append((rotation.tree_size + 1, rotation.new))
        return cls(tuple(periods))

    @property
    def current(self) -> bytes:
        """The key that seals now."""
        return self.periods[-1][1]

    @property
    def keys(self) -> tuple[bytes, ...]:
        """All keys, oldest first."""
        return tuple(key for _, key in self.periods)

    def at(self, tree_size: int) -> bytes:
        """The key that seals a tree of this size."""
        return next(key for start, key in reversed(self.periods) if tree_size >= start)


__all__ = ["KeyHistory", "Rotation", "next_key_line"]
