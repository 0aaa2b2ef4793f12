"""Medications that others refer to: what a reference to one of them stands for.

A Medication states no time of its own; its newest version stands for all times. Where it has codings these
count, else those of its ingredients.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import cast

from medcairn.core.errors import DataError
from medcairn.lakehouse.bronze import bronze_rows, bronze_types, version_key
from medcairn.lakehouse.definitions import definition
from medcairn.lakehouse.silver.codings import Coding
from medcairn.lakehouse.views.direct import DirectReader, direct_reader

MEDICATION = "Medication"
_COLUMNS = ["id", "version_id", "last_updated", "deleted", "life", "sequence", "resource"]


def medicines_of(resources: Iterable[bytes | str]) -> dict[str, tuple[Coding, ...]]:
    """The codings of each of some Medication resources, by its id; of one id, the last counts."""
    found: dict[str, tuple[Coding, ...]] = {}
    for resource in resources:
        own: list[Coding] = []
        ingredients: list[Coding] = []
        id: str | None = None
        for row in _rows(resource):
            id, ingredient, _, system, code = cast("tuple[str, int, int, str | None, str | None]", row)
            if system is not None or code is not None:
                (own if ingredient < 0 else ingredients).append((system, code))
        if id is not None:
            found[id] = tuple(own or ingredients)
    return found


def medicines_in(bronze_dir: Path) -> Mapping[str, tuple[Coding, ...]]:
    """The same of the newest versions of those in bronze that were not deleted."""
    if MEDICATION not in bronze_types(bronze_dir):
        return {}
    newest: dict[str, tuple[tuple[object, ...], str | None]] = {}
    for batch in bronze_rows(bronze_dir, MEDICATION, columns=_COLUMNS):
        for row in batch.to_pylist():
            age = version_key(
                row["life"], row["deleted"], row["version_id"], row["last_updated"], row["sequence"]
            )
            if row["id"] not in newest or newest[row["id"]][0] < age:
                newest[row["id"]] = age, row["resource"]
    return medicines_of(resource for _, resource in newest.values() if resource is not None)


def _rows(resource: bytes | str) -> list[tuple[object, ...]]:
    try:
        return _reader().rows(resource)[0]
    except DataError:
        return []


@cache
def _reader() -> DirectReader:
    return direct_reader([definition("medication")])


__all__ = ["MEDICATION", "medicines_in", "medicines_of"]
