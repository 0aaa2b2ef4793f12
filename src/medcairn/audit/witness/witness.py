"""What a witness does: take a checkpoint when it is sealed, and tell later what it took.

With the checkpoint it may take the hashes of the leaves that the checkpoint seals, 32 bytes each. They tell
nothing about the entries, and they are what lets verification say exactly which entry was changed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeAlias

LeafHashes: TypeAlias = Callable[[int, int], bytes]
"""The hashes of the leaves from one index to before another, one after another."""


@dataclass(frozen=True)
class Attestation:
    """What a witness holds: signed notes, as many leaf hashes as it took, and when a note was stamped.

    Nothing in it is believed until its seals are checked. ``place`` says in our words where it lies;
    ``stamped`` gives (tree size, time of the time-stamping service) of stamps that hold; ``broken`` names
    what the witness should hold and does not.
    """

    place: str
    notes: tuple[str, ...]
    leaf_hashes: bytes = b""
    stamped: tuple[tuple[int, datetime], ...] = ()
    broken: tuple[str, ...] = ()


class Witness(Protocol):
    """Raises :class:`~medcairn.core.errors.ExternalError` where it cannot be reached or refuses."""

    def publish(self, note: str, tree_size: int, leaf_hashes: LeafHashes) -> None:
        """Take a checkpoint; kept when this returns. Taking it again changes nothing."""
        ...

    def attestation(self) -> Attestation:
        """Everything that was taken."""
        ...


__all__ = ["LeafHashes", "Attestation", "Witness"]
