"""Typed rows on their way to the files: narrow batches with their profiles, divided by subject.

A part file is a sequence of frames, each a narrow batch and the profiles that it refers to. Workers append to
files of their own, so that nothing needs a lock.
"""

from __future__ import annotations

import os
import struct
from bisect import bisect_right
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple, cast
from uuid import uuid4

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from medcairn.core.files import storage_errors
from medcairn.lakehouse.silver.assemble import column
from medcairn.lakehouse.silver.shapes import PROFILE, SHAPES, Shape
from medcairn.lakehouse.silver.typed import Profile, Typed
from medcairn.lakehouse.silver.versions import Interval

_FRAME = struct.Struct("<qq")
_NUMBER = attrgetter("number")


@dataclass(frozen=True)
class Part:
    """Rows of one table: ``rows`` in its narrow form, and the profiles that they refer to by number."""

    rows: pa.Table
    profiles: pa.Table


def part_of(shape: Shape, typed: Sequence[Typed], intervals: Sequence[Interval] | None = None) -> Part:
    """Typed rows, each with its interval (all of first versions when there are none)."""
    count = len(typed)
    profiles, _, subjects, available, *own = zip(*typed, strict=True)
    numbers, distinct = _numbered(cast("tuple[Profile, ...]", profiles))
    columns: list[Sequence[object]] = [subjects, *own]
    arrays = [column(field.type, values) for field, values in zip(shape.narrow, columns, strict=False)]
    if intervals is None:
        now = pa.repeat(pa.scalar(1, pa.int32()), count), pa.nulls(count, pa.int64())
        version, superseded, current = now[0], now[1], pa.repeat(True, count)
    else:
        version = pa.array([i.number for i in intervals], pa.int32())
        available = tuple(i.available for i in intervals)
        superseded = pa.array([i.superseded for i in intervals], pa.int64())
        current = pa.array([i.current for i in intervals], pa.bool_())
    time = shape.narrow.field("available_time").type
    arrays += [version, column(time, available), superseded.cast(time), current, numbers]
    return Part(pa.Table.from_arrays(arrays, schema=shape.narrow), _profile_table(shape, distinct))


def plain_part(shape: Shape, rows: Sequence[tuple[object, ...]]) -> Part:
    """Rows of a table that has no profiles, each with the columns of its schema."""
    arrays = [column(f.type, values) for f, values in zip(shape.schema, zip(*rows, strict=True), strict=True)]
    none = pa.repeat(pa.scalar(0, pa.int32()), len(rows))
    return Part(pa.Table.from_arrays([*arrays, none], schema=shape.narrow), _profile_table(shape, ()))


def joined(shape: Shape, parts: Iterable[Part]) -> Part:
    """All of ``parts`` as one."""
    rows: list[pa.Table] = []
    profiles: list[pa.Table] = []
    known = 0
    for part in parts:
        at = part.rows.num_columns - 1
        numbers = pc.add(part.rows.column(at), pa.scalar(known, pa.int32()))
        rows.append(part.rows.set_column(at, shape.narrow.field(at), numbers))
        profiles.append(part.profiles)
        known += part.profiles.num_rows
    if not rows:
        return Part(shape.narrow.empty_table(), shape.profiles.empty_table())
    return Part(pa.concat_tables(rows), pa.concat_tables(profiles))


def between(subjects: pa.ChunkedArray, first: str, last: str) -> pa.ChunkedArray:
    """Which subjects are ``first``, ``last``, or between them."""
    return pc.and_(pc.greater_equal(subjects, first), pc.less_equal(subjects, last))


def within(part: Part, first: str, last: str) -> Part:
    """``part`` with the rows of these subjects only."""
    subjects = part.rows.column("subject_id")
    bounds = pc.min_max(subjects).as_py()
    if bounds["min"] is None or (first <= bounds["min"] and bounds["max"] <= last):
        return part
    return Part(part.rows.filter(between(subjects, first, last)), part.profiles)


def sorted_part(shape: Shape, part: Part) -> Part:
    """``part`` in the order of its table."""
    keys = part.rows
    for name in shape.sort_keys:
        if name not in keys.schema.names:
            keys = keys.append_column(name, part.profiles.column(name).take(keys.column(PROFILE.name)))
    order = pc.sort_indices(keys, sort_keys=[(name, "ascending") for name in shape.sort_keys])
    return Part(part.rows.take(order), part.profiles)


def widened(shape: Shape, part: Part) -> pa.Table:
    """``part`` with all columns of its table, rows in the same order."""
    numbers = part.rows.column(PROFILE.name)
    shared = part.profiles.combine_chunks().take(numbers) if shape.shared else part.profiles
    columns = [
        shared.column(name) if name in shape.shared else part.rows.column(name) for name in shape.schema.names
    ]
    return pa.Table.from_arrays(columns, schema=shape.schema)


class Stretch(NamedTuple):
    """Rows of a division: how many, and their first and last subject."""

    rows: int
    first: str
    last: str

    def with_(self, other: Stretch | None) -> Stretch:
        """Both together."""
        if other is None:
            return self
        return Stretch(self.rows + other.rows, min(self.first, other.first), max(self.last, other.last))


class Scatter:
    """Divides parts by subject into part files below ``folder``.

    ``boundaries`` are for each table the first subjects of all divisions but the first. Its files have a
    ``name`` of their own: where a cluster does a task twice, what the lost attempt wrote can be told.
    """

    def __init__(self, folder: Path, boundaries: Mapping[str, list[str]]) -> None:
        self._folder, self._boundaries = folder, boundaries
        self.name = f"{os.getpid()}-{uuid4().hex}.part"

    def write(self, table: str, part: Part) -> dict[int, Stretch]:
        """Append ``part`` to the files of its divisions. Gives what went to which."""
        shape, bounds = SHAPES[table], self._boundaries.get(table, [])
        encoded = part.rows.column("subject_id").combine_chunks().dictionary_encode()
        subjects: list[str] = encoded.dictionary.to_pylist()
        codes = encoded.indices.to_numpy()
        if not bounds:
            self._append(shape, 0, part)
            return {0: Stretch(len(codes), min(subjects), max(subjects))}
        of_subject = [bisect_right(bounds, subject) for subject in subjects]
        division = np.array(of_subject, np.int32)[codes]
        rows = part.rows.take(pa.array(np.argsort(division, kind="stable"))).combine_chunks()
        sizes = np.bincount(division, minlength=len(bounds) + 1)
        found: dict[int, Stretch] = {}
        start = 0
        for number in np.flatnonzero(sizes).tolist():
            size = int(sizes[number])
            self._append(shape, number, _compact(shape, rows.slice(start, size), part.profiles))
            among = [s for s, of in zip(subjects, of_subject, strict=True) if of == number]
            found[number] = Stretch(size, min(among), max(among))
            start += size
        return found

    def _append(self, shape: Shape, division: int, part: Part) -> None:
        folder = self._folder / shape.name / f"{division:05d}"
        frames = [
            (
                table.combine_chunks().to_batches()
                or [pa.record_batch([[]] * len(table.schema), table.schema)]
            )[0].serialize()
            for table in (part.rows, part.profiles)
        ]
        with storage_errors():
            folder.mkdir(parents=True, exist_ok=True)
            with (folder / self.name).open("ab") as file:
                file.write(_FRAME.pack(frames[0].size, frames[1].size))
                for frame in frames:
                    file.write(frame)


def leave_only(folder: Path, names: Collection[str]) -> None:
    """Delete the part files whose names are not among ``names``."""
    with storage_errors():
        for path in folder.glob("*/*/*.part"):
            if path.name not in names:
                path.unlink()


def read_parts(shape: Shape, folder: Path, division: int) -> Iterator[Part]:
    """The parts of one division, in no particular order."""
    place = folder / shape.name / f"{division:05d}"
    for path in sorted(place.glob("*.part")):
        # Not mapped: what is left out of a part would count as memory of this process as long as it is open.
        with pa.OSFile(str(path)) as file:
            while file.tell() < file.size():
                sizes = _FRAME.unpack(file.read(_FRAME.size))
                rows, profiles = (
                    pa.Table.from_batches([pa.ipc.read_record_batch(file.read_buffer(size), schema)])
                    for size, schema in zip(sizes, (shape.narrow, shape.profiles), strict=True)
                )
                yield Part(rows, profiles)


def subjects_in(shape: Shape, folder: Path, division: int) -> Counter[str]:
    """The rows of each subject in a division."""
    found: Counter[str] = Counter()
    for part in read_parts(shape, folder, division):
        for entry in part.rows.column("subject_id").value_counts().to_pylist():
            found[entry["values"]] += entry["counts"]
    return found


def _numbered(profiles: Sequence[Profile]) -> tuple[pa.Array, list[Profile]]:
    """The number of each row's profile among the distinct ones."""
    distinct = list(dict.fromkeys(profiles))
    for number, profile in enumerate(distinct):
        profile.number = number
    return pa.array(map(_NUMBER, profiles), pa.int32(), size=len(profiles)), distinct


def _profile_table(shape: Shape, profiles: Sequence[Profile]) -> pa.Table:
    if not profiles or not shape.shared:
        return shape.profiles.empty_table()
    values = zip(*(profile.values for profile in profiles), strict=True)
    arrays = [column(f.type, v) for f, v in zip(shape.profiles, values, strict=True)]
    return pa.Table.from_arrays(arrays, schema=shape.profiles)


def _compact(shape: Shape, rows: pa.Table, profiles: pa.Table) -> Part:
    """``rows`` with no more profiles than they refer to."""
    if not shape.shared:
        return Part(rows, profiles)
    at = rows.num_columns - 1
    used, numbers = np.unique(rows.column(at).to_numpy(), return_inverse=True)
    replaced = rows.set_column(at, shape.narrow.field(at), pa.array(numbers, pa.int32()))
    return Part(replaced, profiles.take(pa.array(used)))


__all__ = [
    "Part",
    "Scatter",
    "Stretch",
    "between",
    "joined",
    "leave_only",
    "part_of",
    "plain_part",
    "read_parts",
    "sorted_part",
    "subjects_in",
    "widened",
    "within",
]
