"""A ledger in one SQLite file: WAL, full sync, tables that refuse update and delete."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from medcairn.audit import merkle
from medcairn.core.errors import (
    IntegrityError,
    MedcairnError,
    StorageError,
    TransientError,
    UsageError,
    raise_alone,
)
from medcairn.core.files import storage_errors

_BUSY_SECONDS = 30.0
_FORMAT = "1"

_SCHEMA = """
CREATE TABLE entry (
    position INTEGER PRIMARY KEY, type TEXT NOT NULL, leaf BLOB NOT NULL, leaf_hash BLOB NOT NULL
) STRICT;
CREATE INDEX entry_type ON entry (type, position);
CREATE TABLE node (level INTEGER, position INTEGER, hash BLOB NOT NULL, PRIMARY KEY (level, position)) STRICT;
CREATE TABLE checkpoint (tree_size INTEGER PRIMARY KEY, note TEXT NOT NULL) STRICT;
CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
"""
_APPEND_ONLY = """
CREATE TRIGGER {table}_no_{verb} BEFORE {verb} ON {table}
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
"""


class SqliteStore:
    """Entries, complete subtrees and checkpoints of one ledger. Not for use by two threads at once."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        if not path.is_file():
            raise UsageError(
                "There is no ledger here", hint="Make a study with `medcairn init DIR`", file=path
            )
        with _translated():
            if read_only:
                address = f"{path.resolve().as_uri()}?mode=ro"
                self._db = sqlite3.connect(
                    address, uri=True, isolation_level=None, timeout=_BUSY_SECONDS, check_same_thread=False
                )
            else:
                self._db = sqlite3.connect(
                    path, isolation_level=None, timeout=_BUSY_SECONDS, check_same_thread=False
                )
                self._db.execute("PRAGMA synchronous = FULL")

    @classmethod
    def create(cls, path: Path, *, origin: str, public_key: bytes) -> SqliteStore:
        """A new, empty ledger. Raises :class:`UsageError` when the file exists."""
        if path.exists():
            raise UsageError("A ledger is there already", file=path)
        with storage_errors(), _translated():
            db = sqlite3.connect(path, isolation_level=None)
            db.execute("PRAGMA journal_mode = WAL")
            triggers = "".join(
                _APPEND_ONLY.format(table=table, verb=verb)
                for table in ("entry", "node", "checkpoint", "about")
                for verb in ("UPDATE", "DELETE")
            )
            db.executescript(f"BEGIN;{_SCHEMA}{triggers}COMMIT;")
            about = [("format", _FORMAT), ("origin", origin), ("public_key", public_key.hex())]
            db.executemany("INSERT INTO about VALUES (?, ?)", about)
            db.close()
        return cls(path)

    def about(self, name: str) -> str:
        """A fact about the ledger: ``origin`` or ``public_key``. Raises :class:`IntegrityError` if absent."""
        with _translated():
            row = self._db.execute("SELECT value FROM about WHERE name = ?", (name,)).fetchone()
        if row is None:
            raise IntegrityError("The ledger's own description is incomplete")
        return str(row[0])

    def size(self) -> int:
        """The number of entries, by the highest position."""
        with _translated():
            row = self._db.execute("SELECT coalesce(max(position) + 1, 0) FROM entry").fetchone()
        return int(row[0])

    def append(self, entries: Sequence[tuple[str, bytes]], first: int) -> list[bytes]:
        """Append (type, leaf) pairs at positions ``first`` … in the present transaction; their leaf hashes.

        The type stands in a column only so that it can be looked up; verification compares it to the leaf.
        """
        hashes = [merkle.leaf_hash(leaf) for _, leaf in entries]
        with _translated():
            for offset, ((kind, leaf), digest) in enumerate(zip(entries, hashes, strict=True)):
                position = first + offset
                self._db.execute("INSERT INTO entry VALUES (?, ?, ?, ?)", (position, kind, leaf, digest))
                for level, index, node in merkle.completed_nodes(self, position, digest):
                    self._db.execute("INSERT INTO node VALUES (?, ?, ?)", (level, index, node))
        return hashes

    def node(self, level: int, index: int) -> bytes:
        """A complete subtree's hash (:class:`medcairn.audit.merkle.Nodes`)."""
        if level == 0:
            query, key = "SELECT leaf_hash FROM entry WHERE position = ?", (index,)
        else:
            query, key = "SELECT hash FROM node WHERE level = ? AND position = ?", (level, index)  # type: ignore[assignment]
        with _translated():
            row = self._db.execute(query, key).fetchone()
        if row is None:
            raise KeyError(index)
        return bytes(row[0])

    def entries(self) -> Iterator[tuple[int, str, bytes, bytes]]:
        """(position, type, leaf, leaf hash) of every entry, in order."""
        with _translated():
            yield from self._db.execute("SELECT position, type, leaf, leaf_hash FROM entry ORDER BY position")

    def leaves(self, types: Sequence[str] = ()) -> Iterator[tuple[int, bytes]]:
        """(position, leaf) in order; only of ``types`` when given, found without reading the others."""
        marks = ",".join("?" * len(types))
        where = f"WHERE type IN ({marks})" if types else ""
        with _translated():
            yield from self._db.execute(
                f"SELECT position, leaf FROM entry {where} ORDER BY position",  # noqa: S608 - marks only
                tuple(types),
            )

    def nodes(self) -> Iterator[tuple[int, int, bytes]]:
        """(level, position, hash) of every stored subtree."""
        with _translated():
            yield from self._db.execute("SELECT level, position, hash FROM node ORDER BY level, position")

    def add_checkpoint(self, tree_size: int, note: str) -> None:
        """Keep a signed checkpoint; one of the same size is kept as it was."""
        with _translated():
            self._db.execute("INSERT OR IGNORE INTO checkpoint VALUES (?, ?)", (tree_size, note))

    def checkpoints(self) -> list[str]:
        """The signed notes, smallest tree first."""
        with _translated():
            return [row[0] for row in self._db.execute("SELECT note FROM checkpoint ORDER BY tree_size")]

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """One writer at a time, over all processes; durable when the block ends."""
        with _translated():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def close(self) -> None:
        with _translated():
            self._db.close()


@contextmanager
def _translated() -> Iterator[None]:
    """SQLite's failures as ours; its messages may quote values and are left behind."""
    error: MedcairnError | None = None
    try:
        yield
    except sqlite3.OperationalError as failure:
        name = failure.sqlite_errorname
        if name == "SQLITE_FULL":
            error = StorageError("The disk is full", hint="Free some space and run the same command again")
        elif name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            error = TransientError("The ledger is busy with another writer", hint="Try again")
        elif name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_IOERR")):
            error = StorageError("The ledger cannot be read or written", hint="Check the file and its disk")
        else:
            error = IntegrityError("The ledger database is damaged")
    except sqlite3.DatabaseError:
        error = IntegrityError("The ledger database is damaged")
    if error is not None:
        raise_alone(error)


__all__ = ["SqliteStore"]
