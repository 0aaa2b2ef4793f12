"""The rows of the silver tables for a handful of resources in memory: one subject's Bundle, when served.

The same views, typing and versions as for a whole lake, without Arrow, files or an engine.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise, repeat
from typing import Any, TypeAlias, cast

import msgspec
import pyarrow as pa

from medcairn.core.errors import DataError
from medcairn.core.silver import SILVER_SCHEMAS
from medcairn.lakehouse.bronze import version_key
from medcairn.lakehouse.header import Header, decode_odd_header
from medcairn.lakehouse.silver.assemble import silver_table, sort_table
from medcairn.lakehouse.silver.at_once import BundleReader, kind_of
from medcairn.lakehouse.silver.bundle import resources_in
from medcairn.lakehouse.silver.medicines import MEDICATION, medicines_of
from medcairn.lakehouse.silver.problems import Problem
from medcairn.lakehouse.silver.quick import QuickTyper
from medcairn.lakehouse.silver.quick_form import Unusual
from medcairn.lakehouse.silver.shapes import SHAPES
from medcairn.lakehouse.silver.times import micros
from medcairn.lakehouse.silver.typed import HEAD, RECIPES, Typed
from medcairn.lakehouse.silver.typer import TYPED_RESOURCES, Typer
from medcairn.lakehouse.silver.versions import FIRST, Interval, Version, intervals

Row = tuple[object, ...]
"""A row of a silver table: values in the order of its columns, times as whole microseconds since 1970."""

_Given: TypeAlias = tuple[int, bytes]
"""A resource's position, from 1, and its text."""
_TYPE_FIRST = b'{"resourceType":"'
_KEEPS_OUT = sum(problem.bit for problem in Problem if problem.keeps_out)

_local = threading.local()


def silver_from_resources(resources: Sequence[bytes]) -> Mapping[str, pa.Table]:
    """The silver tables of ``resources``, each the JSON text of one resource.

    Rows, columns and order are those of :func:`~medcairn.lakehouse.silver.build.build_silver`. Resource
    types that feed no table are passed over; rows without a subject are left out.

    Raises :class:`DataError` with the position (from 1) of a resource that is no JSON or lacks type or id.
    """
    reader: SilverReader | None = getattr(_local, "reader", None)
    if reader is None:
        reader = _local.reader = SilverReader()
    found = reader.rows(resources)
    return {name: sort_table(name, silver_table(name, rows)) for name, rows in found.items()}


class SilverReader:
    """Makes silver rows of resources. It remembers codes, units and times: keep it, and one a thread.

    ``columns`` are the silver tables that are wanted, and of each the columns; by default all of everything.
    :attr:`columns` says which columns the rows of a table then have, in their order: silver's, with the
    subject always among them.
    """

    def __init__(self, columns: Mapping[str, Collection[str]] | None = None) -> None:
        self.columns = {name: tuple(schema.names) for name, schema in SILVER_SCHEMAS.items()}
        if columns is not None:
            self.columns = {
                name: tuple(n for n in self.columns[name] if n == "subject_id" or n in wanted)
                for name, wanted in columns.items()
            }
        # Typers keep this very mapping, which is filled anew for every call.
        self._medicines: dict[str, tuple[tuple[str | None, str | None], ...]] = {"": ()}
        self._types: dict[str, _OneType] = {}
        for resource_type in TYPED_RESOURCES:
            wanted = self.columns.get(RECIPES[resource_type].table)
            if wanted is not None:
                typer = Typer(resource_type, self._medicines)
                self._types[resource_type] = _OneType(typer, None if columns is None else wanted)

        self._at_once = BundleReader({name: kind_of(one.quick) for name, one in self._types.items()})

    def rows_of_bundle(self, bundle: bytes) -> dict[str, list[Row]]:
        """As :meth:`rows`, of the resources in a Bundle or a JSON list.

        Raises :class:`DataError` also when ``bundle`` is neither.
        """
        with contextlib.suppress(Unusual, DataError):
            return self._rows_at_once(bundle)
        return self.rows(resources_in(bundle))

    def rows(self, resources: Iterable[bytes]) -> dict[str, list[Row]]:
        """The rows of each silver table, in no special order.

        Raises :class:`DataError` with the position (from 1) of a resource that is no JSON object, or lacks
        type or id.
        """
        by_type = _by_type(resources)
        self._medicines.clear()
        if MEDICATION in by_type:
            self._medicines.update(medicines_of(_newest(by_type.pop(MEDICATION))))
        found: dict[str, list[Row]] = {name: [] for name in self.columns}
        for resource_type, given in by_type.items():
            known = self._types.get(resource_type)
            if known is None:
                for position, data in given:
                    _checked_header(position, data)
            else:
                found[known.table] += known.rows(given)
        return found

    def _rows_at_once(self, bundle: bytes) -> dict[str, list[Row]]:
        self._medicines.clear()
        found: dict[str, list[Row]] = {name: [] for name in self.columns}
        typed, texts = self._at_once.read(bundle)
        for resource_type, rows in typed.items():
            known = self._types[resource_type]
            found[known.table] += known.first_versions(rows)
        for resource_type, given in texts.items():
            known = self._types[resource_type]
            found[known.table] += known.rows(list(enumerate(given, start=1)))
        return found


class _Chosen:
    """Makes rows of some columns only, a column at a time. The subject must be one of them."""

    def __init__(self, typer: Typer, columns: Sequence[str]) -> None:
        self._places = [typer.columns.index(name) for name in columns]
        self._first_shared = HEAD + len(typer.recipe.own)
        self._first_versioned = self._first_shared + len(typer.recipe.shared)
        self._shared = [p for p in self._places if self._first_shared <= p < self._first_versioned]

    def rows(self, typed: Sequence[Typed], interval: Interval) -> list[Row]:
        """The rows of ``typed``."""
        if not typed:
            return []
        columns: dict[int, Iterable[Any]] = dict(enumerate(zip(*typed, strict=True)))
        number, available, superseded, current, _ = interval
        since = columns[3] if interval is FIRST else repeat(available)
        versioned = (repeat(number), since, repeat(superseded), repeat(current))
        columns |= enumerate(versioned, start=self._first_versioned)
        values = [profile.values for profile in columns[0]]
        first = self._first_shared
        columns |= {place: [row[place - first] for row in values] for place in self._shared}
        return list(zip(*(columns[place] for place in self._places), strict=False))  # repeat() has no end


class _OneType:
    """Resources of one type. ``columns`` of its table are wanted, None for all."""

    def __init__(self, typer: Typer, columns: Sequence[str] | None) -> None:
        self.table = typer.table
        self.quick = QuickTyper(typer)
        self._id = 2 if SHAPES[typer.table].id == "subject_id" else HEAD
        self._rows = typer.rows if columns is None else _Chosen(typer, columns).rows

    def rows(self, given: Sequence[_Given]) -> list[Row]:
        """The rows of all versions of the resources."""
        typed, ids = self._typed(given)
        if len(set(ids)) == len(ids):
            return self.first_versions(typed)
        by_id: dict[str, list[_Given]] = {}
        for id, one in zip(ids, given, strict=True):
            by_id.setdefault(id, []).append(one)
        found = self.rows([versions[0] for versions in by_id.values() if len(versions) == 1])
        for versions in by_id.values():
            if len(versions) > 1:
                found += self._versions(versions)
        return found

    def first_versions(self, typed: Sequence[Typed]) -> list[Row]:
        """The rows of resources of which there is one version each."""
        return self._rows(_kept(typed), FIRST)

    def _typed(self, given: Sequence[_Given]) -> tuple[list[Typed], list[str]]:
        """The typed rows of some resources, and the resources' ids."""
        found: list[Any] = []
        ends: list[int] = []  # how many rows there were after each resource

        def lines() -> Iterator[bytes]:
            for _, data in given:
                yield data
                # Its rows are there when the next one is asked for.
                ends.append(len(found))

        broken = False
        try:
            self.quick.type(lines(), found.append)
        except DataError:
            broken = True
        if broken:
            raise _unusable(given[len(ends)][0])
        ids: list[Any] = [
            found[end - 1][self._id] if end > begin else None for begin, end in pairwise((0, *ends))
        ]
        if None in ids:
            # A resource without rows, or one whose id is no text, may be no resource at all.
            pairs = zip(ids, given, strict=True)
            ids = [_checked_header(*one).id if id is None else id for id, one in pairs]
        return found, ids

    def _versions(self, given: Sequence[_Given]) -> list[Row]:
        """The rows of a resource that came more than once, each version for its time."""
        heads = {one[0]: _checked_header(*one) for one in given}
        ordered = sorted(given, key=lambda one: _age(heads[one[0]], one[0]))
        # Of several with one version number the newest is that version; no number counts as one.
        newest = {_age(heads[one[0]])[2]: one for one in ordered}.values()
        chain, rows = [], []
        for one in newest:
            typed, meta = self._typed([one])[0], heads[one[0]].meta
            updated = micros(meta.lastUpdated) if meta is not None and meta.lastUpdated is not None else None
            chain.append(Version(cast("int | None", typed[0][3]) if typed else None, updated))
            rows.append(_kept(typed))
        counts = intervals(chain, always=self.table == "patient")
        return [row for each, of in zip(counts, rows, strict=True) for row in self._rows(of, each)]


def _kept(typed: Iterable[Any]) -> list[Typed]:
    """Without what has no subject, or is prohibited."""
    return [row for row in typed if row[2] is not None and not row[1] & _KEEPS_OUT]


def _newest(given: Iterable[_Given]) -> list[bytes]:
    """The resources, of each id the newest last."""
    return [data for _, data in sorted(given, key=lambda one: _age(_checked_header(*one), one[0]))]


def _age(header: Header, position: int = 0) -> tuple[int, bool, int, int, int]:
    meta = header.meta
    version, updated = (meta.versionId, meta.lastUpdated) if meta is not None else (None, None)
    return version_key(1, False, version, updated, position)


def _by_type(resources: Iterable[bytes]) -> dict[str, list[_Given]]:
    """The resources with their positions, by type. Most name their type first, and are of the type of the
    resource before, which is quick to see."""
    found: dict[str, list[_Given]] = {}
    quickly: dict[bytes, list[_Given]] = {}
    start, prefix, same = len(_TYPE_FIRST), b"", list[_Given]()
    for position, data in enumerate(resources, start=1):
        if not (prefix and data.startswith(prefix)):
            end = data.find(b'"', start) + 1 if data.startswith(_TYPE_FIRST) else 0
            prefix = data[:end]
            known = quickly.get(prefix)
            if known is None:
                resource_type = _checked_header(position, data).resourceType or ""
                known = found.setdefault(resource_type, [])
                if prefix:
                    quickly[prefix] = known
            same = known
        same.append((position, data))
    return found


def _checked_header(position: int, data: bytes) -> Header:
    """The head of a resource. Raises :class:`DataError` when it is no JSON object, or lacks type or id."""
    header: Header | None = None
    with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        header = decode_odd_header(data)
    if header is None or not header.resourceType or not header.id:
        raise _unusable(position)
    return header


def _unusable(position: int) -> DataError:
    return DataError("A resource is no JSON object with a resourceType and an id", position=position)


__all__ = ["Row", "SilverReader", "silver_from_resources"]
