"""The rows of the silver tables for a handful of resources in memory: one subject's Bundle, when served.

The same views, typing and versions as for a whole lake, without Arrow, files or an engine.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any, TypeAlias, cast

import msgspec
import pyarrow as pa

from medcairn.core.errors import DataError
from medcairn.core.silver import SILVER_SCHEMAS
from medcairn.lakehouse.bronze import version_key
from medcairn.lakehouse.header import Header, decode_odd_header
from medcairn.lakehouse.silver.assemble import silver_table, sort_table
from medcairn.lakehouse.silver.medicines import MEDICATION, medicines_of
from medcairn.lakehouse.silver.problems import Problem
from medcairn.lakehouse.silver.quick import QuickTyper
from medcairn.lakehouse.silver.shapes import SHAPES
from medcairn.lakehouse.silver.times import micros
from medcairn.lakehouse.silver.typed import HEAD, Profile, Typed
from medcairn.lakehouse.silver.typer import MOST_PROFILES, TYPED_RESOURCES, Typer
from medcairn.lakehouse.silver.versions import FIRST, Interval, Version, intervals

Row = tuple[object, ...]
"""A row of a silver table: values in the order of its columns, times as whole microseconds since 1970."""

_Given: TypeAlias = tuple[int, bytes]
"""A resource's position, from 1, and its text."""
_VERSIONED = ("version", "available_time", "superseded_time", "current")
_MANY = "observation"
"""The table of which a subject has a thousand rows where others have ten."""
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

    ``columns`` are the silver tables that are wanted, and of each the columns that will be looked at; by
    default all of everything. :attr:`columns` says which columns the rows of a table then have, in their
    order: these, and perhaps more.
    """

    def __init__(self, columns: Mapping[str, Collection[str]] | None = None) -> None:
        self.columns = {name: tuple(schema.names) for name, schema in SILVER_SCHEMAS.items()}
        if columns is not None:
            self.columns = {name: self.columns[name] for name in columns}
        # Typers keep this very mapping, which is filled anew for every call.
        self._medicines: dict[str, tuple[tuple[str | None, str | None], ...]] = {"": ()}
        self._types: dict[str, _OneType] = {}
        for resource_type in TYPED_RESOURCES:
            typer = Typer(resource_type, self._medicines)
            if typer.table not in self.columns:
                continue
            known = self._types[resource_type] = _OneType(typer, columns and columns[typer.table])
            if known.few is not None:
                self.columns[typer.table] = known.few.columns

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


class _Few:
    """Makes rows of the wanted columns only."""

    def __init__(self, typer: Typer, wanted: Collection[str]) -> None:
        recipe = typer.recipe
        own = [name for name in recipe.own if name in wanted]
        shared = [name for name in recipe.shared if name in wanted]
        self.columns = ("subject_id", *own, *shared, *_VERSIONED)
        self._own = itemgetter(2, *(HEAD + recipe.own.index(name) for name in own))
        self._places = [recipe.shared.index(name) for name in shared]
        self._shared: dict[Profile, Row] = {}

    def rows(self, typed: Iterable[Any], interval: Interval) -> list[Row]:
        """The rows of ``typed``, in the order of :attr:`columns`."""
        number, available, superseded, current, _ = interval
        own, known = self._own, self._shared
        found: list[Row] = []
        for row in typed:
            shared = known.get(row[0])
            if shared is None:
                shared = self._learn(row[0])
            since = row[3] if interval is FIRST else available
            found.append((*own(row), *shared, number, since, superseded, current))
        return found

    def _learn(self, profile: Profile) -> Row:
        if len(self._shared) >= MOST_PROFILES:
            self._shared.clear()
        shared = self._shared[profile] = tuple(profile.values[place] for place in self._places)
        return shared


class _OneType:
    """Resources of one type. ``wanted`` are columns of its table, None for all."""

    def __init__(self, typer: Typer, wanted: Collection[str] | None) -> None:
        self.table = typer.table
        self._quick = QuickTyper(typer)
        self._id = 2 if SHAPES[typer.table].id == "subject_id" else HEAD
        self.few = _Few(typer, wanted) if wanted is not None and typer.table == _MANY else None
        self._rows = typer.rows if self.few is None else self.few.rows

    def rows(self, given: Sequence[_Given]) -> list[Row]:
        """The rows of all versions of the resources."""
        typed, ids = self._typed(given)
        if len(set(ids)) == len(ids):
            return self._rows(_kept(typed), FIRST)
        by_id: dict[str, list[_Given]] = {}
        for id, one in zip(ids, given, strict=True):
            by_id.setdefault(id, []).append(one)
        found = self.rows([versions[0] for versions in by_id.values() if len(versions) == 1])
        for versions in by_id.values():
            if len(versions) > 1:
                found += self._versions(versions)
        return found

    def _typed(self, given: Iterable[_Given]) -> tuple[list[Typed], list[str]]:
        """The typed rows of some resources, and the resources' ids."""
        found: list[Typed] = []
        ids: list[Any] = []
        position = 0

        def lines() -> Iterator[bytes]:
            nonlocal position
            rows = 0
            for position, data in given:
                yield data
                # Its rows are there when the next one is asked for.
                id = found[-1][self._id] if len(found) > rows else None
                ids.append(_checked_header(position, data).id if id is None else id)
                rows = len(found)

        broken = False
        try:
            self._quick.type(lines(), found.append)
        except DataError:
            broken = True
        if broken:
            raise _unusable(position)
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
    """The resources with their positions, by type. Most name their type first, which is quick to see."""
    found: dict[str, list[_Given]] = {}
    quickly: dict[bytes, list[_Given]] = {}
    start = len(_TYPE_FIRST)
    for position, data in enumerate(resources, start=1):
        quick = data[start : data.find(b'"', start)] if data.startswith(_TYPE_FIRST) else b""
        same = quickly.get(quick)
        if same is None:
            resource_type = _checked_header(position, data).resourceType or ""
            same = found.setdefault(resource_type, [])
            if quick:
                quickly[quick] = same
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
