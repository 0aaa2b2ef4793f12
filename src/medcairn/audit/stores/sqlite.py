"""A ledger in one SQLite file: WAL, full sync, tables that refuse update and delete."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from medcairn.audit.stores.store import FORMAT, Entry, Node
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

_SCHEMA = """
CREATE TABLE entry (position INTEGER PRIMARY KEY, type TEXT NOT NULL, leaf BLOB NOT NULL) STRICT;
CREATE INDEX entry_type ON entry (type, position);
CREATE TABLE node (
    level INTEGER, position INTEGER, hash BLOB NOT NULL, PRIMARY KEY (level, position)
) STRICT, WITHOUT ROWID;
CREATE TABLE checkpoint (tree_size INTEGER PRIMARY KEY, note TEXT NOT NULL) STRICT;
CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
"""
# INSERT OR REPLACE deletes without a word unless the key is seen to be taken, hence the third trigger.
_APPEND_ONLY = """
CREATE TRIGGER {table}_no_update BEFORE UPDATE ON {table}
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table}
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER {table}_no_replace BEFORE INSERT ON {table}
WHEN EXISTS (SELECT 1 FROM {table} WHERE {key})
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
"""
_KEYS = {
    "entry": "position = new.position",
    "node": "level = new.level AND position = new.position",
    "checkpoint": "tree_size = new.tree_size",
    "about": "name = new.name",
}


class SqliteStore:
    """The :class:`~medcairn.audit.stores.store.Store` of one file."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        if not path.is_file():
            raise UsageError(
                "There is no ledger here", hint="Make a study with `medcairn init DIR`", file=path
            )
        address = f"{path.resolve().as_uri()}?mode={'ro' if read_only else 'rw'}"
        with _translated():
            self._db = _connected(address)
            if not read_only:
                self._db.execute("PRAGMA synchronous = FULL")
        if self._formats() - {FORMAT}:
            self.close()
            raise UsageError(
                "This ledger was made by another version of medcairn",
                hint="Read it with that version",
                file=path,
            )

    @classmethod
    def create(cls, path: Path, *, origin: str, public_key: bytes) -> SqliteStore:
        """A new, empty ledger. Raises :class:`UsageError` when the file exists."""
        if path.exists():
            raise UsageError("A ledger is there already", file=path)
        with storage_errors(), _translated():
            db = _connected(f"{path.resolve().as_uri()}?mode=rwc")
            db.execute("PRAGMA journal_mode = WAL")
            triggers = "".join(_APPEND_ONLY.format(table=table, key=key) for table, key in _KEYS.items())
            db.executescript(f"BEGIN;{_SCHEMA}{triggers}COMMIT;")
            about = [("format", FORMAT), ("origin", origin), ("public_key", public_key.hex())]
            db.executemany("INSERT INTO about VALUES (?, ?)", about)
            db.close()
        return cls(path)

    def about(self, name: str) -> str:
        with _translated():
            row = self._db.execute("SELECT value FROM about WHERE name = ?", (name,)).fetchone()
        if row is None:
            raise IntegrityError("The ledger's own description is incomplete")
        return str(row[0])

    def size(self) -> int:
        with _translated():
            row = self._db.execute("SELECT coalesce(max(position) + 1, 0) FROM entry").fetchone()
        return int(row[0])

    def append(self, entries: Sequence[Entry], nodes: Sequence[Node]) -> None:
        with _translated():
            self._db.executemany("INSERT INTO entry VALUES (?, ?, ?)", entries)
            self._db.executemany("INSERT INTO node VALUES (?, ?, ?)", nodes)

    def node(self, level: int, index: int) -> bytes:
        query = "SELECT hash FROM node WHERE level = ? AND position = ?"
        with _translated():
            row = self._db.execute(query, (level, index)).fetchone()
        if row is None:
            raise KeyError(index)
        return bytes(row[0])

    def entries(self) -> Iterator[Entry]:
        with _translated():
            yield from self._db.execute(
                "SELECT position, type, CAST(leaf AS BLOB) FROM entry ORDER BY position"
            )

    def leaves(self, types: Sequence[str] = ()) -> Iterator[tuple[int, bytes]]:
        marks = ",".join("?" * len(types))
        where = f"WHERE type IN ({marks})" if types else ""
        with _translated():
            yield from self._db.execute(
                f"SELECT position, CAST(leaf AS BLOB) FROM entry {where} ORDER BY position",  # noqa: S608 - marks only
                tuple(types),
            )

    def leaf(self, position: int) -> bytes:
        with _translated():
            row = self._db.execute(
                "SELECT CAST(leaf AS BLOB) FROM entry WHERE position = ?", (position,)
            ).fetchone()
        if row is None:
            raise KeyError(position)
        return bytes(row[0])

    def counts(self) -> dict[str, int]:
        query = "SELECT type, count(*) FROM entry INDEXED BY entry_type GROUP BY type"
        with _translated():
            return dict(self._db.execute(query).fetchall())

    def level(self, level: int, start: int = 0, end: int | None = None) -> Iterator[tuple[int, bytes]]:
        query = (
            "SELECT position, hash FROM node WHERE level = ? AND position BETWEEN ? AND ? ORDER BY position"
        )
        last = end - 1 if end is not None else 1 << 62
        with _translated():
            yield from self._db.execute(query, (level, start, last))

    def add_checkpoint(self, tree_size: int, note: str) -> None:
        query = (
            "INSERT INTO checkpoint SELECT ?1, ?2"
            " WHERE NOT EXISTS (SELECT 1 FROM checkpoint WHERE tree_size = ?1)"
        )
        with _translated():
            self._db.execute(query, (tree_size, note))

    def checkpoints(self) -> list[str]:
        with _translated():
            return [str(row[0]) for row in self._db.execute("SELECT note FROM checkpoint ORDER BY tree_size")]

    def checkpoint_above(self, position: int) -> str | None:
        query = "SELECT note FROM checkpoint WHERE tree_size > ? ORDER BY tree_size LIMIT 1"
        with _translated():
            row = self._db.execute(query, (position,)).fetchone()
        return None if row is None else str(row[0])

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with _translated():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        with _translated():
            self._db.execute("BEGIN")
            try:
                yield
            finally:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")

    def close(self) -> None:
        with _translated():
            self._db.close()

    def _formats(self) -> set[str]:
        """The version that the file says it has; empty where it cannot be read, which verification tells."""
        try:
            return {self.about("format")}
        except IntegrityError:
            return set()


def _connected(address: str) -> sqlite3.Connection:
    db = sqlite3.connect(
        address, uri=True, isolation_level=None, timeout=_BUSY_SECONDS, check_same_thread=False
    )
    # Bytes that are no UTF-8 must not stop a verification half way: what they were is then no longer there.
    db.text_factory = lambda raw: raw.decode("utf-8", "replace")
    return db


@contextmanager
def _translated() -> Iterator[None]:
    """SQLite's failures as ours; its messages may quote values and are left behind."""
    error: MedcairnError | None = None
    try:
        yield
    except sqlite3.OperationalError as failure:
        name = getattr(failure, "sqlite_errorname", "")
        if name == "SQLITE_FULL":
            error = StorageError("The disk is full", hint="Free some space and run the same command again")
        elif name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            error = TransientError("The ledger is busy with another writer", hint="Try again")
        elif name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_IOERR")):
            error = StorageError("The ledger cannot be read or written", hint="Check the file and its disk")
        else:
            error = IntegrityError("The ledger database is damaged")
    except sqlite3.Error:
        error = IntegrityError("The ledger database is damaged")
    if error is not None:
        raise_alone(error)


__all__ = ["SqliteStore"]
