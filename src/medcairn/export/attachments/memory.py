"""What was fetched already, by address: on disk, so that a rerun fetches only what is missing.

Addresses are kept as digests. What failed is forgotten at the start of a run, and so is tried again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import Final

from medcairn.core.digests import Digest
from medcairn.core.errors import StorageError, raise_alone
from medcairn.export.attachments.outcome import Content, Missing

_SCHEMA: Final = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
CREATE TABLE IF NOT EXISTS fetched (
    address BLOB PRIMARY KEY, digest TEXT, size INTEGER, sha1 TEXT, content_type TEXT, missing TEXT
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS used (digest TEXT PRIMARY KEY, size INTEGER) WITHOUT ROWID;
DELETE FROM fetched WHERE missing IS NOT NULL;
DELETE FROM used;
"""


def address_key(url: str) -> bytes:
    """16 bytes for an address."""
    return blake2b(url.encode("utf-8", "surrogatepass"), digest_size=16).digest()


class Memory:
    """The memory at ``path``. A file that is none is begun anew. For one thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with _storage():
            self._database = self._opened()

    def close(self) -> None:
        self._database.close()

    def remove(self) -> None:
        """All is done: forget it."""
        self.close()
        _unlink(self._path)

    def get(self, address: bytes) -> Content | Missing | None:
        """What became of an address; None when it was not fetched yet."""
        with _storage():
            row = self._database.execute(
                "SELECT digest, size, sha1, content_type, missing FROM fetched WHERE address = ?", (address,)
            ).fetchone()
        if row is None:
            return None
        digest, size, sha1, content_type, missing = row
        if missing is not None:
            return Missing(missing)
        return Content(Digest(digest), size, sha1, content_type)

    def put(self, address: bytes, result: Content | Missing) -> None:
        """Remember what became of an address."""
        row: tuple[str | int | None, ...] = (None, None, None, None, str(result))
        if isinstance(result, Content):
            row = (str(result.digest), result.size, result.sha1, result.content_type, None)
        with _storage():
            self._database.execute(
                "INSERT OR REPLACE INTO fetched VALUES (?, ?, ?, ?, ?, ?)", (address, *row)
            )

    def use(self, content: Content) -> None:
        """The index names this content."""
        with _storage():
            self._database.execute(
                "INSERT OR IGNORE INTO used VALUES (?, ?)", (content.digest.hex, content.size)
            )

    def is_used(self, name: str) -> bool:
        """Whether the index names the content in the file of this name."""
        with _storage():
            found = self._database.execute("SELECT 1 FROM used WHERE digest = ?", (name,)).fetchone()
        return found is not None

    def used(self) -> tuple[int, int]:
        """Distinct contents that the index names, and their bytes."""
        with _storage():
            row = self._database.execute("SELECT count(*), coalesce(sum(size), 0) FROM used").fetchone()
        return int(row[0]), int(row[1])

    def _opened(self) -> sqlite3.Connection:
        try:
            return _open(self._path)
        except sqlite3.DatabaseError:
            _unlink(self._path)
        return _open(self._path)


def _open(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, isolation_level=None)
    try:
        database.executescript(_SCHEMA)
    except sqlite3.Error:
        database.close()
        raise
    path.chmod(0o600)
    return database


def _unlink(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


@contextmanager
def _storage() -> Iterator[None]:
    failed = False
    try:
        yield
    except sqlite3.Error:
        failed = True
    if failed:
        raise_alone(
            StorageError(
                "The list of fetched attachments cannot be written",
                hint="Free some space and run the same command again; it resumes",
            )
        )


__all__ = ["Memory", "address_key"]
