"""The synthetic hospital: streams its records, writes them to files, and knows the best reachable AUROC."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import BinaryIO

from medcairn.core.canonical import JSON
from medcairn.core.errors import UsageError
from medcairn.core.files import replace_folder, storage_errors, write_json
from medcairn.core.progress import NoProgress, Progress
from medcairn.synthetic.auroc import RiskTally
from medcairn.synthetic.charts import write_chart
from medcairn.synthetic.house import build_house
from medcairn.synthetic.instants import as_datetime, fhir_instant, start_of
from medcairn.synthetic.lives import Life, draw_life
from medcairn.synthetic.mechanism import Task

AS_OF = date(2025, 6, 30)
"""The day at whose beginning (UTC) the demonstration hospital's data end."""

HOSPITAL_FILE = "hospital.json"
ROLL_OVER_BYTES = 256 * 1024 * 1024
_FLUSH_BYTES = 1 << 20


@dataclass(frozen=True)
class TrueRisk:
    """One index event with what a model may never see: the risk from which its outcome was drawn."""

    subject_id: str
    prediction_time: datetime
    risk: float
    outcome: bool


@dataclass(frozen=True)
class GenerateReport:
    """What was written. ``best_auroc`` is None for a task that has no outcome among so few patients."""

    patients: int
    seed: int
    as_of: date
    counts: Mapping[str, int]
    bytes_written: int
    index_events: Mapping[str, int]
    outcomes: Mapping[str, int]
    best_auroc: Mapping[str, float | None]

    @property
    def resources(self) -> int:
        """Resources of all types."""
        return sum(self.counts.values())

    def facts(self) -> dict[str, JSON]:
        """Aggregate, deterministic facts; also the content of ``hospital.json``."""
        return {
            "patients": self.patients,
            "seed": self.seed,
            "as_of": self.as_of.isoformat(),
            "transaction_time": fhir_instant(start_of(self.as_of)),
            "counts": dict(self.counts),
            "bytes": self.bytes_written,
            "index_events": dict(self.index_events),
            "outcomes": dict(self.outcomes),
            "best_auroc": dict(self.best_auroc),
            "groups": {"everyone": {"every": 1}, "cohort": {"every": 2}},
        }


def generate(patients: int, seed: int, *, as_of: date = AS_OF) -> Iterator[tuple[str, bytes]]:
    """Stream the hospital's records as (resource type, NDJSON line ended by a newline).

    First the organizations and practitioners, then patient by patient. Patient ``i`` depends on ``seed``,
    ``i`` and ``as_of`` alone, so memory stays bounded and more patients never change the earlier ones.

    Raises :class:`UsageError` for a number of patients or a seed below zero.
    """
    yield from (pair for _, lines in _records(patients, seed, as_of) for pair in lines)


def _records(patients: int, seed: int, as_of: date) -> Iterator[tuple[Life | None, list[tuple[str, bytes]]]]:
    """The house (no life), then each life with its lines."""
    _check(patients, seed)
    house, end = build_house(seed), start_of(as_of)
    yield None, list(house.lines)
    for index in range(patients):
        life = draw_life(seed, index, end)
        yield life, write_chart(life, house, seed=seed, end=end)


def true_risks(task: str, *, patients: int, seed: int, as_of: date = AS_OF) -> Iterator[TrueRisk]:
    """The index events of ``task`` with their true risks, by patient and time.

    Raises :class:`UsageError` for a task whose mechanism is not known.
    """
    _check(patients, seed)
    known, end = _task(task), start_of(as_of)
    for index in range(patients):
        life = draw_life(seed, index, end)
        for event in life.readmissions if known is Task.READMISSION else life.diabetes:
            yield TrueRisk(life.person.key, as_datetime(event.minute), event.risk, event.outcome)


def best_auroc(task: str, *, patients: int, seed: int, as_of: date = AS_OF) -> float:
    """AUROC of the true risks against the outcomes drawn: what no honest model beats, up to chance.

    Raises :class:`UsageError` for an unknown task, or when all or none of the index events had the outcome.
    """
    tally = RiskTally()
    for event in true_risks(task, patients=patients, seed=seed, as_of=as_of):
        tally.add(event.risk, event.outcome)
    found = tally.auroc()
    if found is None:
        raise UsageError("Too few patients: all or none have the outcome", patients=patients)
    return found


def write_ndjson(
    out_dir: Path,
    *,
    patients: int,
    seed: int,
    as_of: date = AS_OF,
    progress: Progress | None = None,
    roll_over_bytes: int = ROLL_OVER_BYTES,
) -> GenerateReport:
    """Write the hospital to ``<Type>.<NNN>.ndjson`` files and ``hospital.json`` in the folder ``out_dir``.

    A file that reaches ``roll_over_bytes`` is followed by the next number. The folder appears when all is
    written. Raises :class:`UsageError` when it exists and is not empty, :class:`StorageError` when the disk
    refuses.
    """
    shown = progress or NoProgress()
    with storage_errors():
        if out_dir.exists() and (not out_dir.is_dir() or any(out_dir.iterdir())):
            raise UsageError(
                "The output folder exists and is not empty", hint="Name a new folder", folder=out_dir
            )
        staging = out_dir.with_name(out_dir.name + ".partial")
        staging.mkdir(parents=True, exist_ok=True)
        for left_over in staging.iterdir():
            left_over.unlink()
    shown.begin("Writing the synthetic hospital", patients, "patients")
    tallies = {task: RiskTally() for task in Task}
    with storage_errors(), _Files(staging, roll_over_bytes) as files:
        for life, lines in _records(patients, seed, as_of):
            for resource_type, line in lines:
                files.add(resource_type, line)
            if life is not None:
                _tally(tallies, life)
                shown.advance(1)
    report = GenerateReport(
        patients=patients,
        seed=seed,
        as_of=as_of,
        counts=dict(sorted(files.counts.items())),
        bytes_written=files.written,
        index_events={task.value: tally.count for task, tally in tallies.items()},
        outcomes={task.value: tally.outcomes for task, tally in tallies.items()},
        best_auroc={task.value: _rounded(tally.auroc()) for task, tally in tallies.items()},
    )
    write_json(staging / HOSPITAL_FILE, report.facts())
    replace_folder(staging, out_dir)
    return report


def _tally(tallies: Mapping[Task, RiskTally], life: Life) -> None:
    for event in life.readmissions:
        tallies[Task.READMISSION].add(event.risk, event.outcome)
    for event in life.diabetes:
        tallies[Task.DIABETES].add(event.risk, event.outcome)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _check(patients: int, seed: int) -> None:
    if patients < 0 or seed < 0:
        raise UsageError("The number of patients and the seed must not be negative")


def _task(name: str) -> Task:
    for task in Task:
        if task.value == name:
            return task
    raise UsageError(
        "No mechanism is known for this task", hint="Known are readmission_30d and diabetes_onset_1y"
    )


@dataclass
class _Files:
    """Open files by resource type, rolled over by size."""

    folder: Path
    roll_over_bytes: int
    counts: dict[str, int] = field(default_factory=dict)
    written: int = 0

    def __post_init__(self) -> None:
        self._open: dict[str, tuple[BinaryIO, ExitStack]] = {}
        self._number: dict[str, int] = {}
        self._size: dict[str, int] = {}

    def __enter__(self) -> _Files:
        return self

    def __exit__(self, *_: object) -> None:
        for _stream, stack in self._open.values():
            stack.close()

    def add(self, resource_type: str, line: bytes) -> None:
        size = self._size.get(resource_type, self.roll_over_bytes)
        if size >= self.roll_over_bytes:
            self._next(resource_type)
            size = 0
        self._open[resource_type][0].write(line)
        self._size[resource_type] = size + len(line)
        self.counts[resource_type] = self.counts.get(resource_type, 0) + 1
        self.written += len(line)

    def _next(self, resource_type: str) -> None:
        if resource_type in self._open:
            self._open[resource_type][1].close()
        number = self._number.get(resource_type, -1) + 1
        self._number[resource_type] = number
        path = self.folder / f"{resource_type}.{number:03}.ndjson"
        stack = ExitStack()
        stream = stack.enter_context(path.open("wb", buffering=_FLUSH_BYTES))
        self._open[resource_type] = (stream, stack)


__all__ = [
    "AS_OF",
    "HOSPITAL_FILE",
    "GenerateReport",
    "TrueRisk",
    "best_auroc",
    "generate",
    "true_risks",
    "write_ndjson",
]
