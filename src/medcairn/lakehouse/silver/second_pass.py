"""The second pass: the rows of one branch of subjects, from all sources, sorted into one file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from medcairn.core.errors import IntegrityError
from medcairn.lakehouse.silver.assemble import sort_table
from medcairn.lakehouse.silver.files import ROWS_AT_ONCE, write_file
from medcairn.lakehouse.silver.first_pass import read_ids
from medcairn.lakehouse.silver.parts import Part, between, joined, read_parts, sorted_part, widened, within
from medcairn.lakehouse.silver.shapes import SHAPES, Shape


@dataclass(frozen=True)
class Branch:
    """One file to write: subjects ``first`` to ``last`` out of some ``divisions`` of the first pass, and out
    of ``files`` that were there before (without the resources that were typed again)."""

    table: str
    path: str
    first: str
    last: str
    divisions: tuple[int, ...]
    files: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Places:
    """Where things lie. ``renewed`` are, by resource type, files of the ids that were typed again; None
    stands for all ids."""

    spill: Path
    out_dir: Path
    renewed: Mapping[str, Path | None]


def second_pass(places: Places) -> Callable[[Branch], Path]:
    """The work of the pass: a branch in, its file out."""

    def run(branch: Branch) -> Path:
        shape = SHAPES[branch.table]
        part = _new_rows(shape, branch, places)
        batches = (widened(shape, one) for one in _batches(part))
        if branch.files:
            old = _old_rows(shape, branch, places)
            rows = sort_table(shape.name, pa.concat_tables([widened(shape, part), *old]))
            batches = (one.rows for one in _batches(Part(rows, part.profiles)))
        return write_file(shape, batches, branch.path, places.out_dir / branch.table)

    return run


def _batches(part: Part) -> Iterator[Part]:
    for start in range(0, part.rows.num_rows, ROWS_AT_ONCE):
        yield Part(part.rows.slice(start, ROWS_AT_ONCE), part.profiles)


def _new_rows(shape: Shape, branch: Branch, places: Places) -> Part:
    """The rows of the first pass, sorted."""
    parts = (part for n in branch.divisions for part in read_parts(shape, places.spill, n))
    return sorted_part(shape, joined(shape, (within(part, branch.first, branch.last) for part in parts)))


def _old_rows(shape: Shape, branch: Branch, places: Places) -> list[pa.Table]:
    found = []
    for file in branch.files:
        rows = read_file(file, shape)
        mine = between(rows.column("subject_id"), branch.first, branch.last)
        found.append(rows.filter(pc.and_(mine, staying(shape, rows, places.renewed))))
    return found


def staying(shape: Shape, rows: pa.Table, renewed: Mapping[str, Path | None]) -> pa.ChunkedArray:
    """Which rows of a file are of resources that were not typed again. ``rows`` has the shape's id column,
    and ``resource_type`` where the table has it."""
    stay = pa.chunked_array([pa.repeat(True, rows.num_rows)])
    several_types = "resource_type" in shape.schema.names
    for resource_type, ids in renewed.items():
        if resource_type not in shape.resource_types:
            continue
        again = pa.chunked_array([pa.repeat(True, rows.num_rows)])
        if ids is not None:
            again = pc.is_in(rows.column(shape.id), value_set=read_ids(ids))
        if several_types:
            again = pc.and_(again, pc.equal(rows.column("resource_type"), resource_type))
        stay = pc.and_(stay, pc.invert(again))
    return stay


def read_file(file: Path, shape: Shape, columns: list[str] | None = None) -> pa.Table:
    """The rows of a data file. Raises :class:`IntegrityError` with its path when it cannot be read."""
    schema = shape.schema if columns is None else pa.schema([shape.schema.field(name) for name in columns])
    found: pa.Table | None = None
    with suppress(pa.ArrowException, OSError, ValueError):
        found = pq.ParquetFile(file).read(columns=columns, use_threads=False).cast(schema)
    if found is None:
        raise IntegrityError("A Parquet file cannot be read", file=file)
    return found


__all__ = ["Branch", "Places", "read_file", "second_pass", "staying"]
