"""What a ledger asks of the place where it is kept.

A store keeps four tables and only ever adds to them: entries (position, type, leaf), nodes (the hashes of
complete subtrees, level 0 the leaves), checkpoints (signed notes), and facts about the ledger itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeAlias

from medcairn.core.errors import IntegrityError

FORMAT = "2"
"""Version of the tables; a store of another version is refused."""


@dataclass(frozen=True)
class PostgresAddress:
    """A schema of a PostgreSQL database. ``dsn`` may hold a password: it is never shown."""

    dsn: str = field(repr=False)
    schema: str = "medcairn_ledger"


LedgerAddress: TypeAlias = Path | PostgresAddress
"""A SQLite file, or a PostgreSQL schema."""

Entry: TypeAlias = tuple[int, str, bytes]
"""Position from 0, type, leaf. The type stands in a column only so that it can be looked up."""

Node: TypeAlias = tuple[int, int, bytes]
"""Level, index in the level, hash."""


class Store(Protocol):
    """One ledger's tables. Not for use by two threads at once.

    Every method raises :class:`~medcairn.core.errors.StorageError`,
    :class:`~medcairn.core.errors.TransientError` or :class:`~medcairn.core.errors.IntegrityError` (what is
    stored cannot be read), never the driver's own.
    """

    def about(self, name: str) -> str:
        """A fact about the ledger: ``origin`` or ``public_key``, the first seal key in hex."""
        ...

    def size(self) -> int:
        """The number of entries, by the highest position."""
        ...

    def append(self, entries: Sequence[Entry], nodes: Sequence[Node]) -> None:
        """Add rows in the present transaction."""
        ...

    def node(self, level: int, index: int) -> bytes:
        """A stored subtree's hash. Raises ``KeyError`` when absent."""
        ...

    def entries(self) -> Iterator[Entry]:
        """Every entry, by position."""
        ...

    def leaves(self, types: Sequence[str] = ()) -> Iterator[tuple[int, bytes]]:
        """(position, leaf) in order; only of ``types`` when given, found without reading the others."""
        ...

    def leaf(self, position: int) -> bytes:
        """One leaf. Raises ``KeyError`` when absent."""
        ...

    def counts(self) -> dict[str, int]:
        """How many entries a look-up by type finds of each type."""
        ...

    def level(self, level: int, start: int = 0, end: int | None = None) -> Iterator[tuple[int, bytes]]:
        """(index, hash) of the stored nodes of a level, by index, from ``start`` up to before ``end``."""
        ...

    def add_checkpoint(self, tree_size: int, note: str) -> None:
        """Keep a signed checkpoint; one of the same size stays as it was."""
        ...

    def checkpoints(self) -> list[str]:
        """The signed notes, smallest tree first."""
        ...

    def checkpoint_above(self, position: int) -> str | None:
        """The signed note of the smallest tree that holds the entry ``position``; None when none does."""
        ...

    def transaction(self) -> AbstractContextManager[None]:
        """One writer at a time, over all processes; durable when the block ends, undone when it fails."""
        ...

    def snapshot(self) -> AbstractContextManager[None]:
        """What is read within the block is of one moment, whatever others append meanwhile."""
        ...

    def close(self) -> None:
        """Give back the connection."""
        ...


def leaf_hashes(store: Store, start: int, end: int) -> bytes:
    """The hashes of the leaves ``start`` … ``end`` − 1, 32 bytes each, one after another.

    Raises :class:`IntegrityError` when one is not there.
    """
    found = [digest for _, digest in store.level(0, start, end)]
    if len(found) != end - start or any(len(digest) != 32 for digest in found):
        raise IntegrityError("The stored tree of the ledger is incomplete")
    return b"".join(found)


__all__ = [
    "FORMAT",
    "Entry",
    "LedgerAddress",
    "Node",
    "PostgresAddress",
    "Store",
    "leaf_hashes",
]
