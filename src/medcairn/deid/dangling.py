"""References to what this run keeps back: found in the output, so that they can be taken out.

A resource in quarantine leaves a hole, and a reference to it would point nowhere that it did not before.
Whether there is such a reference is known only when everything is written; so the files that hold one are
written again, which is rare.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from medcairn.core.files import storage_errors

_BLOCK_BYTES = 4 << 20
_OWN_ID = re.compile(rb'^\{"resourceType":"([A-Za-z]+)","id":"([^"]+)"', re.MULTILINE)
_REFERENCE = re.compile(rb'"reference":"([^"]+)"')


def holes(kept_back: frozenset[str], written: list[Path]) -> frozenset[str]:
    """Those of ``kept_back`` of which no other version left."""
    waiting = {form.encode() for form in kept_back}
    types = {form.partition("/")[0] for form in kept_back}
    for path in written:
        if path.name.split(".")[0] in types:
            for block in _blocks(path):
                waiting -= {b"/".join(found) for found in _OWN_ID.findall(block)}
    return frozenset(form.decode() for form in waiting)


def pointing_at(gone: frozenset[str], written: list[Path]) -> list[Path]:
    """The files that hold a reference to one of ``gone``."""
    forms = frozenset(form.encode() for form in gone)
    return [path for path in written if _points(path, forms)]


def _points(path: Path, forms: frozenset[bytes]) -> bool:
    return any(not forms.isdisjoint(_REFERENCE.findall(block)) for block in _blocks(path))


def _blocks(path: Path) -> Iterator[bytes]:
    """Whole lines of a file, some megabytes at a time."""
    with storage_errors(), path.open("rb") as stream:
        while block := b"".join(stream.readlines(_BLOCK_BYTES)):
            yield block


__all__ = ["holes", "pointing_at"]
