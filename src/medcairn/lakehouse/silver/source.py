"""What a silver lake was made of: the bronze loads that it has seen, and the rules that made it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

import msgspec

from medcairn.core.errors import IntegrityError
from medcairn.core.files import write_file

_FILE = "source.json"
_RULES = (
    "medcairn.core.concepts",
    "medcairn.core.r4",
    "medcairn.lakehouse.definitions",
    "medcairn.lakehouse.silver",
    "medcairn.lakehouse.views",
)


class Seen(msgspec.Struct, frozen=True):
    """A bronze table as it was read: the id of the Delta table, and its newest load."""

    table: str
    load: int


class Source(msgspec.Struct, frozen=True):
    """``tables`` are by resource type what was read of bronze; ``rules`` is a digest."""

    rules: str
    rows_per_file: int
    tables: dict[str, Seen]


@cache
def rules_digest() -> str:
    """A digest over everything that decides what rows resources become: concepts, views and this code."""
    state = hashlib.sha256()
    for package in _RULES:
        for name, file in _files(resources.files(package), package):
            data = file.read_bytes()
            state.update(f"{name} {len(data)}\n".encode() + data)
    return state.hexdigest()


def read_source(out_dir: Path) -> Source | None:
    """What the silver in ``out_dir`` was made of; None when there is none.

    Raises :class:`IntegrityError` when the file cannot be read.
    """
    path = out_dir / _FILE
    if not path.is_file():
        return None
    found: Source | None = None
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Source)
    except (msgspec.MsgspecError, OSError):
        found = None
    if found is None:
        raise IntegrityError("The note of what silver was made of cannot be read", file=path)
    return found


def write_source(out_dir: Path, tables: Mapping[str, Seen], rows_per_file: int) -> None:
    """Note what the silver in ``out_dir`` was made of."""
    write_file(
        out_dir / _FILE, msgspec.json.encode(Source(rules_digest(), rows_per_file, dict(tables))) + b"\n"
    )


def _files(folder: Traversable, name: str) -> Iterator[tuple[str, Traversable]]:
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir():
            if entry.name != "__pycache__":
                yield from _files(entry, f"{name}/{entry.name}")
        elif not entry.name.endswith(".pyc"):
            yield f"{name}/{entry.name}", entry


__all__ = ["Seen", "Source", "read_source", "rules_digest", "write_source"]
