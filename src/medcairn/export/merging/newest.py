"""Which line of a resource counts: an index of resources on disk, so that memory does not grow with them.

A resource may come twice: in the increment and in a backfill, on two pages of a search, in two files. The
line with the newest ``meta.lastUpdated`` counts; between equals the later file, and in it the later line.
"""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeVar

from medcairn.core.errors import DataError, StorageError, raise_alone
from medcairn.core.files import storage_errors
from medcairn.export.merging.lines import read_dated
from medcairn.export.ndjson import blocks_of, lines_of

_BATCH: Final = 10_000
_CACHE_KIB: Final = 32 * 1024
_FILTER_BYTES: Final = 16 << 20
_FILTER_MASK: Final = 8 * _FILTER_BYTES - 1

# A resource that is gone has -1 for its file.
_SCHEMA: Final = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA temp_store = FILE;
CREATE TABLE resource (key BLOB PRIMARY KEY, changed INTEGER, file INTEGER, line INTEGER) WITHOUT ROWID;
"""
_KEEP_NEWEST: Final = """
INSERT INTO resource VALUES (?, ?, ?, ?) ON CONFLICT (key) DO UPDATE
SET changed = excluded.changed, file = excluded.file, line = excluded.line
WHERE (excluded.changed, excluded.file, excluded.line) > (resource.changed, resource.file, resource.line)
"""
_GONE_UNLESS_PRESENT: Final = "INSERT OR IGNORE INTO resource VALUES (?, 0, -1, 0)"

_Row = tuple[bytes, int, int, int]
_T = TypeVar("_T")


class _Filter:
    """A bitmap that says of most keys that they are not in the index, without asking it. 16 MiB."""

    def __init__(self) -> None:
        self._bits = bytearray(_FILTER_BYTES)

    def add(self, keys: Iterable[bytes]) -> None:
        bits = self._bits
        for key in keys:
            place = int.from_bytes(key[:4], "little") & _FILTER_MASK
            bits[place >> 3] |= 1 << (place & 7)

    def may_hold(self, key: bytes) -> int:
        """Zero for a key that was not added. Of a million keys, one stranger in 130 passes."""
        place = int.from_bytes(key[:4], "little") & _FILTER_MASK
        return self._bits[place >> 3] & (1 << (place & 7))


class Newest:
    """The index. It is scratch: made anew at ``path`` each time, worth nothing after the process ends.

    ``files`` are the files that were added, in the order of their precedence, ``types`` the resource types
    in them, ``lines`` how many resources they hold, repetitions included.
    """

    def __init__(self, path: Path) -> None:
        self.files: list[Path] = []
        self.types: set[str] = set()
        self.lines = 0
        self._filter = _Filter()
        with _sqlite_errors():
            with storage_errors():
                path.unlink(missing_ok=True)
            self._database = sqlite3.connect(path, isolation_level=None)
            self._database.executescript(_SCHEMA)
            self._database.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
            self._database.execute("BEGIN")

    def close(self) -> None:
        self._database.close()

    def add(self, path: Path) -> None:
        """Every resource of an NDJSON file, as present. Later files go before earlier ones among equals.

        Raises :class:`DataError` for a line that is no resource with type and id.
        """
        number = len(self.files)
        self.files.append(path)
        with _sqlite_errors():
            for batch in _batches(self._rows(path, number)):
                self._filter.add(row[0] for row in batch)
                self._database.executemany(_KEEP_NEWEST, batch)

    def forget(self, keys: Iterable[bytes]) -> None:
        """Resources that are gone, unless a file that was added has them."""
        with _sqlite_errors():
            for batch in _batches(iter(keys)):
                self._filter.add(batch)
                self._database.executemany(_GONE_UNLESS_PRESENT, ((key,) for key in batch))

    def fate(self, key: bytes) -> bool | None:
        """What became of a resource: None when nothing is known of it, True when it is gone, else False."""
        if not self._filter.may_hold(key):
            return None
        found = self._database.execute("SELECT file FROM resource WHERE key = ?", (key,)).fetchone()
        return None if found is None else bool(found[0] < 0)

    @property
    def gone(self) -> int:
        """Resources that were forgotten."""
        row = self._database.execute("SELECT count(*) FROM resource WHERE file = -1").fetchone()
        return int(row[0])

    @property
    def present(self) -> int:
        """Distinct resources that were added."""
        row = self._database.execute("SELECT count(*) FROM resource WHERE file >= 0").fetchone()
        return int(row[0])

    def winners(self, number: int) -> Iterator[tuple[str, bytes]]:
        """Type and line of the resources in the file added as ``number`` (from 0) that count, in order."""
        repeated = self.lines > self.present
        for line_number, line in _numbered(self.files[number]):
            dated = read_dated(line)
            if dated is None:
                raise _changed_meanwhile(self.files[number])
            if not repeated:
                yield dated.resourceType, line
                continue
            found = self._database.execute("SELECT file, line FROM resource WHERE key = ?", (dated.key,))
            if found.fetchone() == (number, line_number):
                yield dated.resourceType, line

    def _rows(self, path: Path, number: int) -> Iterator[_Row]:
        for line_number, line in _numbered(path):
            dated = read_dated(line)
            if dated is None:
                raise DataError(
                    "A line is no resource with type and id",
                    hint="The server's export is at fault; ask for it anew",
                    file=path,
                    line=line_number,
                )
            self.lines += 1
            self.types.add(dated.resourceType)
            yield dated.key, dated.changed, number, line_number


def _numbered(path: Path) -> Iterator[tuple[int, bytes]]:
    """The lines of a file that are not blank, with their numbers from 1."""
    with storage_errors(), path.open("rb") as stream:
        for number, line in enumerate(lines_of(blocks_of(stream)), start=1):
            if line.strip():
                yield number, line


def _batches(items: Iterator[_T]) -> Iterator[list[_T]]:
    while batch := list(itertools.islice(items, _BATCH)):
        yield batch


def _changed_meanwhile(path: Path) -> DataError:
    return DataError("A file changed while it was read", hint="Run the same command again", file=path)


@contextmanager
def _sqlite_errors() -> Iterator[None]:
    """SQLite's texts may quote values; a full disk or a broken scratch file is all that can happen here."""
    failed = False
    try:
        yield
    except sqlite3.Error:
        failed = True
    if failed:
        raise_alone(
            StorageError(
                "The index of changes cannot be written",
                hint="Free some space and run the same command again; it resumes",
            )
        )


__all__ = ["Newest"]
