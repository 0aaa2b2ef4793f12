"""A witness of two files: signed notes as text, and leaf hashes of 32 bytes each.

One lies beside every SQLite ledger. One in a folder of another machine, or on a disk that is written once,
is worth more.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from medcairn.audit.merkle import HASH_BYTES
from medcairn.audit.seals import split_notes
from medcairn.audit.witness.witness import Attestation, LeafHashes
from medcairn.core.files import storage_errors, sync_folder


class FolderWitness:
    """Appends to ``<name>.checkpoints`` and ``<name>.leaves`` in a folder."""

    def __init__(self, folder: Path, name: str) -> None:
        """``name`` may be a ledger's origin; what does not belong into a file name becomes ``_``."""
        safe = re.sub(r"[^A-Za-z0-9_.-]", "_", name)
        self.checkpoints = folder / f"{safe}.checkpoints"
        self.leaves = folder / f"{safe}.leaves"

    @classmethod
    def beside(cls, ledger: Path) -> FolderWitness:
        """The witness that every SQLite ledger has in its own folder."""
        return cls(ledger.parent, ledger.stem)

    def publish(self, note: str, tree_size: int, leaf_hashes: LeafHashes) -> None:
        with storage_errors():
            self.checkpoints.parent.mkdir(parents=True, exist_ok=True)
            self._take_leaves(tree_size, leaf_hashes)
            if not self._ends_with(note):
                # One write at the end of the file: several processes may do so at once.
                descriptor = os.open(self.checkpoints, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
                _written(descriptor, f"{note}\n".encode(), None)
            sync_folder(self.checkpoints.parent)

    def attestation(self) -> Attestation:
        text = self.checkpoints.read_bytes() if self.checkpoints.is_file() else b""
        leaves = self.leaves.read_bytes() if self.leaves.is_file() else b""
        notes = tuple(split_notes(text.decode("utf-8", "replace")))
        return Attestation(self.checkpoints.name, notes, leaves)

    def latest(self) -> str | None:
        """The note that was taken last."""
        if not self.checkpoints.is_file():
            return None
        with self.checkpoints.open("rb") as stream:
            stream.seek(max(0, self.checkpoints.stat().st_size - _TAIL_BYTES))
            notes = split_notes(stream.read().decode("utf-8", "replace"))
        return notes[-1] if notes else None

    def _ends_with(self, note: str) -> bool:
        return self.latest() == note

    def _take_leaves(self, tree_size: int, leaf_hashes: LeafHashes) -> None:
        # What was begun and not finished before a crash is written again; two at once write the same.
        size = self.leaves.stat().st_size if self.leaves.is_file() else 0
        known = size // HASH_BYTES
        if known < tree_size:
            descriptor = os.open(self.leaves, os.O_WRONLY | os.O_CREAT, 0o644)
            _written(descriptor, leaf_hashes(known, tree_size), known * HASH_BYTES)


_TAIL_BYTES = 4096
"""More than a note is long: three short lines and a few signatures."""


def _written(descriptor: int, data: bytes, offset: int | None) -> None:
    try:
        if offset is None:
            os.write(descriptor, data)
        else:
            while data:
                done = os.pwrite(descriptor, data, offset)
                data, offset = data[done:], offset + done
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


__all__ = ["FolderWitness"]
