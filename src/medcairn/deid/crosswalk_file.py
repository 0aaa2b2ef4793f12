"""The crosswalk's file: a SQLite table of pairs, unique in both directions."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from medcairn.core.errors import (
    IntegrityError,
    MedcairnError,
    StorageError,
    TransientError,
    UsageError,
    raise_alone,
)
from medcairn.core.files import storage_errors, sync_folder
from medcairn.core.labels import Label
from medcairn.deid.crosswalk_notes import Pair

APPLICATION_ID = 0x6D63_7877
_FORMAT = 1
_CACHE_KIB = 16 * 1024
_SCHEMA = """
CREATE TABLE pair (
    resource_type TEXT NOT NULL, source_id BLOB NOT NULL, pseudonym BLOB NOT NULL UNIQUE,
    PRIMARY KEY (resource_type, source_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
"""
_ADD = "INSERT INTO pair VALUES (?, ?, ?) ON CONFLICT (resource_type, source_id) DO NOTHING"
_FIND = "SELECT pseudonym FROM pair WHERE resource_type = ? AND source_id = ?"
_FIND_SOURCE = "SELECT resource_type, source_id FROM pair WHERE pseudonym = ?"
_HOLDS = "SELECT EXISTS (SELECT 1 FROM pair WHERE resource_type = ?)"


def make_crosswalk_file(path: Path, crosswalk_id: str) -> None:
    """An empty crosswalk of mode 0600 from its first byte, under its name only when it is whole."""
    partial = path.with_name(path.name + ".partial")
    with storage_errors(), _translated(path):
        partial.unlink(missing_ok=True)
        os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        database = sqlite3.connect(partial, isolation_level=None)
        try:
            database.execute("PRAGMA temp_store = MEMORY")
            database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            database.execute(f"PRAGMA user_version = {_FORMAT}")
            database.executescript(f"BEGIN;{_SCHEMA}COMMIT;")
            database.execute("INSERT INTO about VALUES ('crosswalk_id', ?)", (crosswalk_id,))
        finally:
            database.close()
        partial.replace(path)
        sync_folder(path.parent)


class CrosswalkFile:
    """An open crosswalk. A transaction is whole or absent, also after ``kill -9``.

    ``unchanging`` opens it for reading alone and without locks, which costs a third of the time for each
    look-up: for the workers of a run that holds it.

    Raises :class:`UsageError` when the file is no crosswalk, :class:`IntegrityError` when it is damaged.
    """

    def __init__(self, path: Path, *, unchanging: bool = False) -> None:
        self._path = path
        with self._translated():
            address = f"{path.resolve().as_uri()}?mode={'ro&immutable=1' if unchanging else 'rw'}"
            self._database = sqlite3.connect(address, uri=True, isolation_level=None)
            self._database.execute("PRAGMA temp_store = MEMORY")  # no pair reaches the system's folder
            self._database.execute("PRAGMA synchronous = FULL")
            self._database.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
            head = [self._number(f"PRAGMA {name}") for name in ("application_id", "user_version")]
        if head != [APPLICATION_ID, _FORMAT]:
            self.close()
            raise UsageError("This file is no crosswalk of medcairn", file=path)
        with self._translated():
            row = self._database.execute("SELECT value FROM about WHERE name = 'crosswalk_id'").fetchone()
            self.crosswalk_id = Label(str(row[0]))

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def count(self) -> int:
        """The number of pairs."""
        with self._translated():
            return self._number("SELECT count(*) FROM pair")

    def holds(self, resource_type: str) -> bool:
        """Whether there is any pair of a resource type."""
        with self._translated():
            return self._number(_HOLDS, (resource_type,)) == 1

    def finder(self, resource_type: str) -> Callable[[bytes], str | None]:
        """What finds the pseudonym of a source id of one resource type, or None."""
        execute = self._database.execute

        def find(source_id: bytes) -> str | None:
            failure: MedcairnError | None = None
            try:
                row = execute(_FIND, (resource_type, source_id)).fetchone()
            except sqlite3.Error as error:
                failure = _ours(error, self._path)
            if failure is not None:
                raise failure
            return None if row is None else row[0].hex()

        return find

    def source(self, pseudonym: bytes) -> tuple[str, bytes] | None:
        """The (resource type, source id) of a pseudonym, or None."""
        with self._translated():
            row = self._database.execute(_FIND_SOURCE, (pseudonym,)).fetchone()
        return None if row is None else (str(row[0]), bytes(row[1]))

    def add(self, pairs: Iterable[Pair]) -> None:
        """Take ``pairs`` in, all or none. A source id that has a pseudonym keeps it.

        Raises :class:`IntegrityError` when a pseudonym belongs to another source.
        """
        database = self._database
        with self._translated():
            database.execute("BEGIN IMMEDIATE")
            try:
                database.executemany(_ADD, pairs)
                database.execute("COMMIT")
            finally:
                if database.in_transaction:
                    database.execute("ROLLBACK")

    def _number(self, sql: str, parameters: tuple[str, ...] = ()) -> int:
        return int(self._database.execute(sql, parameters).fetchone()[0])

    def _translated(self) -> AbstractContextManager[None]:
        return _translated(self._path)


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    """SQLite's errors as ours; their text is dropped, because it may quote a value."""
    error: MedcairnError | None = None
    try:
        yield
    except sqlite3.Error as failure:
        error = _ours(failure, path)
    if error is not None:
        raise_alone(error)


def _ours(failure: sqlite3.Error, path: Path) -> MedcairnError:
    code = getattr(failure, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return StorageError("The disk is full", hint="Free some space and run the same command again")
    if code in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM):
        return StorageError("The crosswalk cannot be opened or written", hint="Check its owner and folder")
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return TransientError("Another process is writing the crosswalk", hint="Try again", file=path)
    if code == sqlite3.SQLITE_NOTADB:
        return UsageError("This file is no crosswalk of medcairn", file=path)
    if code == sqlite3.SQLITE_CONSTRAINT:
        return IntegrityError("A new pseudonym belongs to another source already", hint="Run it again")
    return IntegrityError("The crosswalk is damaged", hint="Restore it from a backup", file=path)


__all__ = ["APPLICATION_ID", "CrosswalkFile", "make_crosswalk_file"]
