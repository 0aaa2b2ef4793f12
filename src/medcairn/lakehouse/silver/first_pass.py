"""The first pass: bronze's resources become typed rows, divided by subject. What one process does of it."""

from __future__ import annotations

import gc
import multiprocessing
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from operator import length_hint
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from medcairn.core.errors import DataError, IntegrityError
from medcairn.lakehouse.bronze import bronze_rows, version_key
from medcairn.lakehouse.silver.codings import Coding
from medcairn.lakehouse.silver.parts import Scatter, Stretch, part_of, plain_part
from medcairn.lakehouse.silver.problems import Problem, problems_in
from medcairn.lakehouse.silver.quick import QuickTyper
from medcairn.lakehouse.silver.shapes import QUARANTINE, SHAPES, Shape
from medcairn.lakehouse.silver.times import micros
from medcairn.lakehouse.silver.typed import HEAD
from medcairn.lakehouse.silver.typer import Typer
from medcairn.lakehouse.silver.versions import Interval, Version, intervals

_ROWS_AT_ONCE = 1 << 14


@dataclass(frozen=True)
class Plan:
    """What every task of the pass knows. ``several`` are, by resource type, files of the sorted ids that have
    more than one row in bronze (tasks of whole resources leave them out)."""

    bronze_dir: Path
    spill: Path
    boundaries: dict[str, list[str]]
    several: Mapping[str, Path]
    medicines: Mapping[str, tuple[Coding, ...]]


@dataclass(frozen=True)
class Whole:
    """Resources that are known in one version: some row groups of a bronze file."""

    resource_type: str
    file: Path
    row_groups: tuple[int, ...]


@dataclass(frozen=True)
class Versions:
    """Resources with all their versions: ids ``start`` to ``stop`` of a file of sorted ids."""

    resource_type: str
    ids: Path
    start: int
    stop: int


Task = Whole | Versions
Written = dict[str, dict[int, Stretch]]
"""Table → division → what went there."""


class _Hidden:
    """An importer that finds no pandas."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> None:
        if name == "pandas":
            raise ModuleNotFoundError(name=name)


def lean_arrow() -> None:
    """Have Arrow use less memory in a worker process, which does nothing else.

    It gives memory back soon, and does not import pandas (40 MB, half a second) for the first list that it is
    given; it finds no pandas later either.
    """
    if multiprocessing.parent_process() is None:
        return
    if "jemalloc" in pa.supported_memory_backends():
        pa.set_memory_pool(pa.jemalloc_memory_pool())
    sys.meta_path.insert(0, _Hidden)
    try:
        pa.array([0])
    finally:
        sys.meta_path.remove(_Hidden)


def first_pass(plan: Plan) -> Callable[[Task], tuple[int, Written, str]]:
    """The work of the pass: a task in, (resources, what was written, the part files' name) out."""
    lean_arrow()
    work = _FirstPass(plan)

    def run(task: Task) -> tuple[int, Written, str]:
        with _without_collector():
            resources, written = work.whole(task) if isinstance(task, Whole) else work.versions(task)
        return resources, written, work.name

    return run


@contextmanager
def _without_collector() -> Iterator[None]:
    """Millions of tuples and no cycle: looking for cycles would take a quarter of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@dataclass
class _Rows:
    """Typed rows of one resource type, collected. Of ``whole`` resources, known in one version, there are no
    ``intervals``; of the others there is one a row."""

    resource_type: str
    shape: Shape
    whole: bool = True
    typed: list[Any] = field(default_factory=list)
    intervals: list[Interval] = field(default_factory=list)

    def clear(self) -> None:
        self.typed.clear()
        self.intervals.clear()

    def set_aside(self) -> set[tuple[object, ...]]:
        """Rows for the quarantine. What has no subject, or is prohibited, is taken out."""
        found: set[tuple[object, ...]] = set()
        out: set[int] = set()
        for place, row in enumerate(self.typed):
            if row[1] or row[2] is None:
                reasons = [Problem.NO_SUBJECT] if row[2] is None else problems_in(row[1])
                found.update((*self._where(place, reason), reason.value) for reason in reasons)
                if any(reason.keeps_out for reason in reasons):
                    out.add(place)
        if out:
            self.typed = [row for place, row in enumerate(self.typed) if place not in out]
            self.intervals = [i for place, i in enumerate(self.intervals) if place not in out]
        return found

    def _where(self, place: int, problem: Problem) -> tuple[object, ...]:
        """The quarantine's columns but for the reason."""
        row = self.typed[place]
        version = 1 if self.whole else self.intervals[place].number
        id = row[2] if self.shape.id == "subject_id" else row[HEAD]
        component = row[HEAD + 1] if problem.of_value else None
        return row[2] or "", self.shape.name, self.resource_type, id, version, component


_Row = tuple[str | None, str | None, bool, int, int, str | None]
"""(version_id, last_updated, deleted, life, sequence, resource)"""


class _FirstPass:
    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._scatter = Scatter(plan.spill, plan.boundaries)
        self._typers: dict[str, QuickTyper] = {}
        self._several: dict[str, pa.Array] = {}
        self._written: Written = {}
        self._problems: set[tuple[object, ...]] = set()

    @property
    def name(self) -> str:
        """Of the part files that this process writes."""
        return self._scatter.name

    def whole(self, task: Whole) -> tuple[int, Written]:
        """Type some row groups of whole resources."""
        resources = 0
        typer = self._typer(task.resource_type)
        with _opened(task.file) as file:
            for group in task.row_groups:
                ids, texts = self._read(file, group, task)
                resources += len(texts)
                self._type(typer, ids, texts)
        return resources, self._finish()

    def versions(self, task: Versions) -> tuple[int, Written]:
        """Type all versions of some resources, and say when each counts."""
        typer = self._typer(task.resource_type)
        found: dict[str, list[_Row]] = {}
        columns = ["id", "version_id", "last_updated", "deleted", "life", "sequence", "resource"]
        ids = read_ids(task.ids).slice(task.start, task.stop - task.start)
        for batch in bronze_rows(self._plan.bronze_dir, task.resource_type, columns=columns, ids=ids):
            for row in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                found.setdefault(row[0], []).append(row[1:])
        rows = _Rows(task.resource_type, SHAPES[typer.table], whole=False)
        for id in sorted(found):
            self._type_versions(typer, id, found[id], rows)
            if len(rows.typed) >= _ROWS_AT_ONCE:
                self._flush(rows)
        self._flush(rows)
        return len(found), self._finish()

    def _typer(self, resource_type: str) -> QuickTyper:
        if resource_type not in self._typers:
            self._typers[resource_type] = QuickTyper(Typer(resource_type, self._plan.medicines))
        return self._typers[resource_type]

    def _read(self, file: pq.ParquetFile, group: int, task: Whole) -> tuple[pa.Array, list[bytes]]:
        table = _row_group(file, group, task.file)
        several = self._plan.several.get(task.resource_type)
        keep = pc.is_valid(table.column("resource"))
        if several is not None:
            if task.resource_type not in self._several:
                self._several[task.resource_type] = read_ids(several)
            among = pc.is_in(table.column("id"), value_set=self._several[task.resource_type])
            keep = pc.and_(keep, pc.invert(among))
        if not pc.all(keep).as_py():
            table = table.filter(keep)
        return table.column("id"), table.column("resource").cast(pa.binary()).to_pylist()

    def _type(self, typer: QuickTyper, ids: pa.Array, texts: Sequence[bytes]) -> None:
        rows = _Rows(typer.resource_type, SHAPES[typer.table])
        waiting = iter(texts)
        while length_hint(waiting):
            try:
                typer.type(waiting, rows.typed.append)
            except DataError:
                self._refuse(typer, str(ids[len(texts) - length_hint(waiting) - 1]), 1)
        self._flush(rows)

    def _type_versions(self, typer: QuickTyper, id: str, rows: list[_Row], into: _Rows) -> None:
        rows.sort(key=_age)
        chain: list[Version] = []
        found: list[list[Any]] = []
        for _, updated, deleted, _, _, resource in rows:
            typed: list[Any] = []
            if resource is not None:
                try:
                    typer.type((resource.encode(),), typed.append)
                except DataError:
                    self._refuse(typer, id, 1 + sum(not version.deleted for version in chain))
            at = micros(updated) if updated is not None else None
            chain.append(Version(typed[0][3] if typed else None, at, deleted))
            found.append(typed)
        for interval, typed in zip(intervals(chain, always=typer.table == "patient"), found, strict=True):
            into.typed.extend(typed)
            into.intervals.extend([interval] * len(typed))

    def _flush(self, rows: _Rows) -> None:
        """Write the rows that were collected, but for those that are set aside."""
        if any(row[1] for row in rows.typed) or any(row[2] is None for row in rows.typed):
            self._problems |= rows.set_aside()
        if rows.typed:
            part = part_of(rows.shape, rows.typed, None if rows.whole else rows.intervals)
            self._count(rows.shape.name, self._scatter.write(rows.shape.name, part))
        rows.clear()

    def _refuse(self, typer: QuickTyper, id: str, version: int) -> None:
        """Bronze holds what it took for JSON; what another tool has put there may be something else."""
        self._problems.add(("", typer.table, typer.resource_type, id, version, None, Problem.NOT_JSON.value))

    def _count(self, table: str, found: Mapping[int, Stretch]) -> None:
        so_far = self._written.setdefault(table, {})
        for division, stretch in found.items():
            so_far[division] = stretch.with_(so_far.get(division))

    def _finish(self) -> Written:
        if self._problems:
            part = plain_part(SHAPES[QUARANTINE], list(self._problems))
            self._count(QUARANTINE, self._scatter.write(QUARANTINE, part))
            self._problems = set()
        written, self._written = self._written, {}
        return written


def _age(row: _Row) -> tuple[int, bool, int, int, int]:
    version_id, updated, deleted, life, sequence, _ = row
    return version_key(life, deleted, version_id, updated, sequence)


@contextmanager
def _opened(path: Path) -> Iterator[pq.ParquetFile]:
    file: pq.ParquetFile | None = None
    try:
        file = pq.ParquetFile(path)
    except (pa.ArrowException, OSError):
        file = None
    if file is None:
        raise IntegrityError("A Parquet file cannot be read", file=path)
    with file:
        yield file


def _row_group(file: pq.ParquetFile, group: int, path: Path) -> pa.Table:
    try:
        return file.read_row_group(group, columns=["id", "resource"], use_threads=False)
    except (pa.ArrowException, OSError):
        pass
    raise IntegrityError("A Parquet file cannot be read", file=path)


def write_ids(path: Path, ids: pa.Array) -> None:
    """Write sorted ids for the tasks of a pass."""
    with (
        pa.OSFile(str(path), "wb") as sink,
        pa.ipc.new_file(sink, pa.schema([("id", pa.string())])) as writer,
    ):
        writer.write_table(pa.table({"id": ids}))


def read_ids(path: Path) -> pa.Array:
    """The ids of such a file."""
    with pa.memory_map(str(path)) as file:
        return pa.ipc.open_file(file).read_all().column("id").combine_chunks()


__all__ = ["Plan", "Task", "Versions", "Whole", "Written", "first_pass", "read_ids", "write_ids"]
