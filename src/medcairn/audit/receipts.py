"""Receipts: proof that an entry stands in the ledger, for the person who acted to keep.

A receipt is the entry's leaf hash, its place, the RFC 9162 inclusion path (2.1.3), and a checkpoint that
seals the tree. Who holds one can show later that the entry was removed or changed; the ledger's owner
cannot make it come true for another entry.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from medcairn.audit import merkle
from medcairn.audit.seals import Checkpoint, SignedNote
from medcairn.core.canonical import JSON
from medcairn.core.errors import IntegrityError
from medcairn.core.files import write_json

FORMAT = 1


@dataclass(frozen=True)
class Receipt:
    """``proof`` leads from ``leaf_hash`` at ``entry`` to the root of ``checkpoint``, a signed note."""

    entry: int
    event_id: str
    leaf_hash: bytes
    proof: tuple[bytes, ...]
    checkpoint: str

    def as_json(self) -> dict[str, JSON]:
        return {
            "format": FORMAT,
            "entry": self.entry,
            "event_id": self.event_id,
            "leaf_hash": self.leaf_hash.hex(),
            "proof": [step.hex() for step in self.proof],
            "checkpoint": self.checkpoint,
        }

    @classmethod
    def from_json(cls, value: object) -> Receipt:
        """The receipt that :meth:`as_json` wrote. Raises :class:`IntegrityError` for anything else."""
        with suppress(KeyError, TypeError, ValueError):
            if isinstance(value, Mapping) and value["format"] == FORMAT and type(value["entry"]) is int:
                proof = tuple(bytes.fromhex(step) for step in value["proof"])
                leaf = bytes.fromhex(value["leaf_hash"])
                return cls(value["entry"], str(value["event_id"]), leaf, proof, str(value["checkpoint"]))
        raise IntegrityError("A receipt cannot be read")

    def leads_to(self, checkpoint: Checkpoint) -> bool:
        """Whether the proof ends at the checkpoint's root (RFC 9162, 2.1.3.2)."""
        size = checkpoint.tree_size
        root = merkle.root_from_inclusion(self.leaf_hash, self.entry, size, list(self.proof))
        return root == checkpoint.root_hash

    def holds(self) -> bool:
        """Whether the proof leads to the root of its own checkpoint; the seal is checked apart."""
        try:
            return self.leads_to(SignedNote.parsed(self.checkpoint).checkpoint)
        except IntegrityError:
            return False

    def check(self, public_key: bytes) -> Checkpoint:
        """The sealed checkpoint that proves the entry, by itself and without the ledger.

        Raises :class:`IntegrityError` when the seal is not the key's or the proof leads elsewhere.
        """
        checkpoint = Checkpoint.opened(self.checkpoint, public_key)
        if not self.leads_to(checkpoint):
            raise IntegrityError("A receipt's proof does not lead to its checkpoint")
        return checkpoint

    def write(self, folder: Path) -> Path:
        """Keep it in ``folder`` under a name that tells the entry."""
        path = folder / f"entry-{self.entry:09d}.json"
        write_json(path, self.as_json())
        return path


def read_receipts(folder: Path) -> Iterator[tuple[str, Receipt | None]]:
    """(file name, receipt) of each ``.json`` file in ``folder``, by name; None for what is no receipt."""
    for path in sorted(folder.glob("*.json")):
        receipt: Receipt | None = None
        with suppress(ValueError, IntegrityError, RecursionError):
            receipt = Receipt.from_json(json.loads(path.read_bytes()))
        yield path.name, receipt


@dataclass(frozen=True)
class ConsistencyProof:
    """Proof that the tree of ``first`` is the beginning of the tree of ``second`` (RFC 9162, 2.1.4)."""

    first: str
    second: str
    proof: tuple[bytes, ...]

    def as_json(self) -> dict[str, JSON]:
        return {"first": self.first, "second": self.second, "proof": [step.hex() for step in self.proof]}

    def holds(self) -> bool:
        """Whether the proof connects the two notes' trees. Their seals are checked apart."""
        first, second = (SignedNote.parsed(note).checkpoint for note in (self.first, self.second))
        return merkle.is_consistent(
            first.tree_size, first.root_hash, second.tree_size, second.root_hash, list(self.proof)
        )


__all__ = ["ConsistencyProof", "Receipt", "read_receipts"]
