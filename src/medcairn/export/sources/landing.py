"""Files in a landing folder: which of them are read, and how they are opened."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, cast

from medcairn.core.errors import DataError, UsageError, raise_alone
from medcairn.export.outputs import QUARANTINE_FILE

_LINES: Final = (".ndjson", ".jsonl")
_DOCUMENT: Final = (".json",)
_GZIP: Final = ".gz"


@dataclass(frozen=True)
class LandedFile:
    """A file to read. ``document`` means one JSON document, by its name; its content has the last word."""

    path: Path
    document: bool


def landed_files(folder: Path) -> tuple[list[LandedFile], int]:
    """The files of ``folder`` that can be read, sorted by name, and how many others lie there.

    Raises :class:`UsageError` when there is no such folder, :class:`DataError` when it holds no such file.
    """
    if not folder.is_dir():
        raise UsageError(
            "There is no such folder",
            hint="Give a folder of .ndjson, .ndjson.gz or Bundle .json files",
            folder=folder,
        )
    present = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    found = [file for path in present if (file := _landed(path)) is not None]
    if not found:
        raise DataError(
            "The folder holds no FHIR files",
            hint="Expected .ndjson, .ndjson.gz or Bundle .json files directly in it",
            folder=folder,
            other_files=len(present),
        )
    return found, len(present) - len(found)


def _landed(path: Path) -> LandedFile | None:
    name = path.name.lower().removesuffix(_GZIP)
    if name == QUARANTINE_FILE:
        return None
    if name.endswith(_LINES):
        return LandedFile(path, document=False)
    return LandedFile(path, document=True) if name.endswith(_DOCUMENT) else None


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """The file's bytes, decompressed.

    Raises :class:`UsageError` when it may not be read, :class:`DataError` when it cannot be decompressed.
    """
    plain: IO[bytes] | None = None
    try:
        plain = path.open("rb")
    except PermissionError:
        plain = None
    if plain is None:
        raise UsageError("A file may not be read", hint="Check its permissions", file=path)
    damaged = False
    try:
        with plain:
            yield cast("IO[bytes]", gzip.GzipFile(fileobj=plain)) if _is_gzip(path) else plain
    except (gzip.BadGzipFile, EOFError, zlib.error):
        damaged = True
    if damaged:
        raise_alone(DataError("A file cannot be decompressed: it is damaged or cut short", file=path))


def _is_gzip(path: Path) -> bool:
    return path.name.lower().endswith(_GZIP)


__all__ = ["LandedFile", "landed_files", "opened"]
