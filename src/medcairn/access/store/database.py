"""The people store's SQLite file: private from its first byte, foreign errors translated."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from medcairn.access.store.schema import bring_up_to_date
from medcairn.core.errors import ExternalError, IntegrityError, MedcairnError, StorageError
from medcairn.core.files import storage_errors

_BUSY_SECONDS = 30.0
_CORRUPT = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_UNWRITABLE = {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN}


def create_database(path: Path) -> None:
    """Make the store at ``path`` (mode 0600) if it is absent; bring one of an earlier version up to date.

    Raises :class:`~medcairn.core.errors.UsageError` when a later medcairn made it.
    """
    with storage_errors():
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        path.chmod(0o600)
    with transaction(path) as database:
        bring_up_to_date(database)


@contextmanager
def transaction(path: Path) -> Iterator[sqlite3.Connection]:
    """One write transaction, from its first statement on alone; committed when the block ends.

    Raises :class:`StorageError`, :class:`IntegrityError` (not the file that we wrote) or
    :class:`ExternalError`; an error of ours that the block raises rolls back and goes through.
    """
    error: MedcairnError | None = None
    try:
        with closing(sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None)) as database:
            database.execute("PRAGMA synchronous = FULL")
            database.execute("PRAGMA foreign_keys = ON")
            database.execute("PRAGMA secure_delete = ON")
            database.execute("BEGIN IMMEDIATE")
            yield database
            database.execute("COMMIT")
    except sqlite3.Error as failure:
        error = _translated(failure)
    if error is not None:
        raise error


def _translated(failure: sqlite3.Error) -> MedcairnError:
    code = getattr(failure, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return StorageError("The disk is full")
    if code in _UNWRITABLE:
        return StorageError("The people store cannot be written", hint="Check its owner and permissions")
    if code in _CORRUPT:
        return IntegrityError("The people store is damaged")
    return ExternalError("The people store cannot be used", sqlite_code=code)


__all__ = ["create_database", "transaction"]
