"""Builds the silver tables of a lake, afresh or from what was there before; the same files either way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from medcairn.core.canonical import JSON
from medcairn.core.delta import delta_files, delta_version, is_delta
from medcairn.core.digests import digest_json
from medcairn.core.errors import UsageError
from medcairn.core.files import link_files, storage_errors
from medcairn.core.progress import NoProgress, Progress
from medcairn.core.workers import WorkerPool, Workers
from medcairn.lakehouse.bronze import bronze_types
from medcairn.lakehouse.commit import commit_files
from medcairn.lakehouse.silver.arrangement import Arrangement, TablePlan
from medcairn.lakehouse.silver.contents import Totals, read_contents
from medcairn.lakehouse.silver.files import ROWS_PER_FILE
from medcairn.lakehouse.silver.first_pass import Plan, Written, first_pass
from medcairn.lakehouse.silver.medicines import MEDICATION, medicines_in
from medcairn.lakehouse.silver.parts import Stretch, leave_only
from medcairn.lakehouse.silver.planning import Work, divisions, plan_work, tasks
from medcairn.lakehouse.silver.report import SilverReport, unmapped_codes
from medcairn.lakehouse.silver.second_pass import Places, second_pass
from medcairn.lakehouse.silver.shapes import QUARANTINE, SHAPES, Shape
from medcairn.lakehouse.silver.source import read_source, write_source
from medcairn.lakehouse.silver.typed import RECIPES
from medcairn.lakehouse.spill import spill_beside

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from medcairn.core.spark_workers import SparkWorkers

_WORTH_A_PROCESS = 20_000
"""Resources, below which to start processes takes longer than it saves."""


def build_silver(
    bronze_dir: Path,
    out_dir: Path,
    *,
    previous: Path | None = None,
    processes: int = 2,
    progress: Progress | None = None,
    rows_per_file: int = ROWS_PER_FILE,
    spark: SparkSession | None = None,
) -> SilverReport:
    """Make the silver tables in ``out_dir`` what the bronze tables in ``bronze_dir`` say.

    Silver that is there already (or in ``previous``, from where it is linked first) gets a new Delta version:
    only resources with news in bronze are typed again, and only files that they touch are written. Where the
    rules have changed since, or bronze was begun anew, everything is typed again. Either way the same bronze
    gives the same data files of at most ``rows_per_file`` rows, byte for byte. Memory does not grow with the
    data: rows are sorted through files beside ``out_dir``. The work is done by ``processes``, or on the
    executors of ``spark``.

    Raises :class:`UsageError` when there is no bronze, :class:`~medcairn.core.errors.DataError` or
    :class:`~medcairn.core.errors.IntegrityError` when a table of it, or of silver, cannot be read,
    :class:`~medcairn.core.errors.StorageError` when the disk refuses.
    """
    present = bronze_types(bronze_dir)
    if not present:
        raise UsageError("This folder holds no bronze tables", folder=bronze_dir)
    if previous is not None and previous != out_dir and read_source(out_dir) is None:
        link_files(previous, out_dir)
    shown = progress or NoProgress()
    with spill_beside(out_dir) as spill:
        work = plan_work(bronze_dir, spill, read_source(out_dir), rows_per_file)
        files = 0
        if work.renewed or not is_delta(out_dir / QUARANTINE):
            with _workers(processes if work.resources > _WORTH_A_PROCESS else 1, spark) as workers:
                files = _Run(bronze_dir, out_dir, spill, work, workers, shown).build()
            write_source(out_dir, work.seen, rows_per_file)
    return _report(out_dir, present, work.resources, files)


def _workers(processes: int, spark: SparkSession | None) -> Workers | SparkWorkers:
    if spark is None:
        return Workers(processes)
    from medcairn.core.spark_workers import SparkWorkers

    return SparkWorkers(spark)


@dataclass
class _Run:
    bronze_dir: Path
    out_dir: Path
    spill: Path
    work: Work
    workers: WorkerPool
    progress: Progress
    boundaries: dict[str, list[str]] = field(default_factory=dict)

    def build(self) -> int:
        """Both passes and the commits. Gives the number of files written."""
        written = self._type()
        places = Places(self.spill, self.out_dir, self.work.renewed)
        plans = [self._plan(shape, written.get(shape.name, {})) for shape in SHAPES.values()]
        branches = [branch for plan in plans for branch in plan.branches]
        self.progress.begin("silver: writing tables", len(branches), "files")
        answers = self.workers.in_order(second_pass, (places,), branches)
        for plan in plans:
            files = list(plan.stay)
            for _ in plan.branches:
                files.append(next(answers))
                self.progress.advance(1)
            self._commit(plan.shape, files)
        return len(branches)

    def _type(self) -> Written:
        self.boundaries = divisions(self.work)
        medicines = medicines_in(self.bronze_dir)
        plan = Plan(self.bronze_dir, self.spill, self.boundaries, self.work.several, medicines)
        self.progress.begin("silver: typing resources", self.work.resources, "resources")
        written: Written = {}
        jobs = tasks(self.work)
        names: set[str] = set()
        for resources, found, name in self.workers.in_order(first_pass, (plan,), jobs):
            self.progress.advance(resources)
            names.add(name)
            for table, stretches in found.items():
                so_far = written.setdefault(table, {})
                for division, stretch in stretches.items():
                    so_far[division] = stretch.with_(so_far.get(division))
        leave_only(self.spill, names)
        return written

    def _plan(self, shape: Shape, written: Mapping[int, Stretch]) -> TablePlan:
        folder = self.out_dir / shape.name
        with storage_errors():
            folder.mkdir(parents=True, exist_ok=True)
            for partial in folder.glob("*.partial"):
                partial.unlink()
        return Arrangement(
            shape, folder, self.spill, self.work, written, self.boundaries.get(shape.name, [])
        ).plan()

    def _commit(self, shape: Shape, files: Sequence[Path]) -> None:
        folder = self.out_dir / shape.name
        before = set(delta_files(folder)) if is_delta(folder) else set()
        add = sorted(set(files) - before)
        commit_files(folder, shape.schema, add=add, remove=sorted(before - set(files)))


def _report(out_dir: Path, present: Sequence[str], renewed: int, files_written: int) -> SilverReport:
    """Counts what the tables hold, from the footers of their files."""
    totals = Totals()
    versions: dict[str, int] = {}
    names: dict[str, JSON] = {}
    for table in SHAPES:
        files = delta_files(out_dir / table)
        versions[table] = delta_version(out_dir / table)
        names[table] = [file.name for file in files]
        totals.add(table, map(read_contents, files))
    rows = {table: totals.rows[table] for table in SHAPES if table != QUARANTINE}
    by_reason: Counter[str] = Counter()
    by_table: dict[str, dict[str, int]] = {}
    for (table, reason), count in sorted(totals.problems.items()):
        by_reason[reason] += count
        by_table.setdefault(table, {})[reason] = count
    return SilverReport(
        rows=rows,
        concepts=dict(sorted(totals.concepts.items())),
        unmapped=unmapped_codes(totals.unmapped, rows),
        quarantined=dict(sorted(by_reason.items())),
        unusable=by_table,
        untimed_corrections=totals.untimed,
        only_in_bronze=tuple(name for name in present if name not in RECIPES and name != MEDICATION),
        content=digest_json(names),
        versions=versions,
        renewed=renewed,
        files_written=files_written,
    )


__all__ = ["build_silver"]
