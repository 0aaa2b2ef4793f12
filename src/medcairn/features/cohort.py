"""Index dates and labels: who is in, why the others are not, and what came of it.

Criteria that make a subject eligible look at what was *known* at the index date. Labels look at what
*happened*, whenever it was written down.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from medcairn.core.canonical import JSON
from medcairn.core.concepts import CONCEPTS
from medcairn.features.episodes import Episodes, read_episodes
from medcairn.features.events import OUTPATIENT, SCALE, Stream, read_events, valid_rows
from medcairn.features.feature_set import Source
from medcairn.features.silver_columns import NO_TIME, Flags, Ints
from medcairn.features.subjects import Subjects, age_bands, read_subjects
from medcairn.features.task import (
    AdmissionOutcome,
    AgeBelow,
    DeathPolicy,
    DischargeIndex,
    EverBefore,
    Exclusion,
    MeasuredAtLeast,
    Task,
    Which,
)

_DAY = 86_400_000_000
_NEVER = np.iinfo(np.int64).max

COHORT_SCHEMA = pa.schema(
    [
        ("subject_id", pa.string()),
        ("prediction_time", pa.timestamp("us", tz="UTC")),
        ("boolean_value", pa.bool_()),
        ("sex", pa.string()),
        ("age_band", pa.string()),
        ("race", pa.string()),
        ("ethnicity", pa.string()),
    ]
)
"""A cohort before it is split."""


@dataclass(frozen=True)
class Step:
    """One step of the flow: how many rows and subjects it left."""

    name: str
    rows: int
    subjects: int


@dataclass(frozen=True)
class Flow:
    """How index events became the cohort, step by step. Flows of different subjects add up."""

    steps: tuple[Step, ...]
    subjects_read: int
    with_follow_up_end: int
    transfers_joined: int

    def __add__(self, other: Flow) -> Flow:
        steps = tuple(
            Step(mine.name, mine.rows + its.rows, mine.subjects + its.subjects)
            for mine, its in zip(self.steps, other.steps, strict=True)
        )
        return Flow(
            steps,
            self.subjects_read + other.subjects_read,
            self.with_follow_up_end + other.with_follow_up_end,
            self.transfers_joined + other.transfers_joined,
        )

    def as_json(self) -> dict[str, JSON]:
        """Counts only."""
        steps: list[JSON] = []
        before = self.steps[0]
        for step in self.steps:
            steps.append(
                {
                    "step": step.name,
                    "rows": step.rows,
                    "subjects": step.subjects,
                    "rows_removed": before.rows - step.rows,
                }
            )
            before = step
        return {
            "subjects_read": self.subjects_read,
            "transfers_joined": self.transfers_joined,
            "follow_up": {
                "patient.follow_up_end": self.with_follow_up_end,
                "dataset_maximum": self.subjects_read - self.with_follow_up_end,
            },
            "steps": steps,
        }


@dataclass(frozen=True)
class Cohort:
    """Rows of :data:`COHORT_SCHEMA` sorted by subject and time, and how they came about."""

    table: pa.Table
    flow: Flow


@dataclass(frozen=True)
class _Rows:
    """Candidate index rows, sorted by subject (a position) and time."""

    subject: Ints
    time: Ints
    expired: Flags

    def where(self, mask: Flags) -> _Rows:
        return _Rows(self.subject[mask], self.time[mask], self.expired[mask])


def find_cohort(tables: Mapping[str, pa.Table], task: Task, *, dataset_end: int) -> Cohort:
    """The cohort of ``task`` among the subjects of ``tables`` (silver tables by name).

    ``dataset_end`` (microseconds) is the end of follow-up of subjects whose patient row does not say.

    Raises :class:`~medcairn.core.errors.DataError` for a silver table that cannot be used.
    """
    return _Search(tables, task, dataset_end).cohort()


@dataclass
class _Search:
    """One call of :func:`find_cohort`."""

    tables: Mapping[str, pa.Table]
    task: Task
    dataset_end: int
    steps: list[Step] = field(default_factory=list)

    def __post_init__(self) -> None:
        index, outcome = self.task.index, self.task.outcome
        self.subjects: Subjects = read_subjects(self.tables)
        self.episodes: Episodes = read_episodes(
            self.tables,
            self.subjects.ids,
            transfer_hours=index.transfer_hours if isinstance(index, DischargeIndex) else 0,
            planned_types=outcome.planned_types if isinstance(outcome, AdmissionOutcome) else (),
        )

    def cohort(self) -> Cohort:
        rows = self._eligible(self._candidates())
        outcome, counts = self._outcomes(rows)
        rows, outcome, counts = self._observed(rows, outcome, counts)
        label = counts & (outcome <= rows.time + self._horizon_end())
        rows, label = self._after_death_policy(rows, label)
        flow = Flow(
            tuple(self.steps),
            len(self.subjects),
            int(np.count_nonzero(self.subjects.follow_up_end != NO_TIME)),
            int(self.episodes.stays.sum()) - len(self.episodes.start),
        )
        return Cohort(self._table(rows, label), flow)

    def _candidates(self) -> _Rows:
        if isinstance(self.task.index, DischargeIndex):
            ended = self.episodes.end != NO_TIME
            rows = _Rows(self.episodes.subject, self.episodes.end, self.episodes.expired).where(ended)
        else:
            visits = valid_rows(self.tables, "encounter")
            owner, start = visits.position_in("subject_id", self.subjects.ids), visits.times("start_time")
            good = (owner >= 0) & visits.one_of("class_code", OUTPATIENT) & (start != NO_TIME)
            rows = _Rows(owner[good], start[good], np.zeros(int(good.sum()), np.bool_))
        order = np.lexsort((rows.expired, rows.time, rows.subject))
        rows = _Rows(rows.subject[order], rows.time[order], rows.expired[order])
        new = np.ones(len(order), np.bool_)
        new[1:] = (rows.subject[1:] != rows.subject[:-1]) | (rows.time[1:] != rows.time[:-1])
        return self._step("index_events", rows.where(new))

    def _eligible(self, rows: _Rows) -> _Rows:
        deceased = self.subjects.deceased[rows.subject]
        alive = (deceased == NO_TIME) | (deceased > rows.time)
        rows = self._step("alive_at_index", rows.where(alive))
        for rule in self.task.exclusions:
            rows = self._step(_step_name(rule), rows.where(~self._excluded(rule, rows)))
        if self.task.washout_days:
            begun = _first(self.subjects, *self._record_starts())[rows.subject]
            rows = self._step(
                "washout_observed", rows.where(begun <= rows.time - self.task.washout_days * _DAY)
            )
        return rows

    def _excluded(self, rule: Exclusion, rows: _Rows) -> Flags:
        if isinstance(rule, AgeBelow):
            age = self.subjects.age(rows.subject, rows.time)
            return np.asarray(~(age >= rule.years))  # an unknown age cannot be shown to be enough
        if isinstance(rule, EverBefore):
            return np.asarray(self._first_of(rule.concepts, known=True)[rows.subject] <= rows.time)
        if isinstance(rule, MeasuredAtLeast):
            limit = round(rule.value * SCALE)
            return np.asarray(
                self._first_of((rule.concept,), known=True, at_least=limit)[rows.subject] <= rows.time
            )
        return rows.expired

    def _outcomes(self, rows: _Rows) -> tuple[Ints, Flags]:
        """When the outcome comes to each row (:data:`_NEVER` for not), and whether it counts as one."""
        if isinstance(self.task.outcome, AdmissionOutcome):
            place = self.episodes.next_after(rows.subject, rows.time)
            if len(self.episodes.start) == 0:
                return np.full(len(place), _NEVER, np.int64), np.zeros(len(place), np.bool_)
            start = np.where(place < 0, _NEVER, self.episodes.start[place])
            return start, (place >= 0) & ~self.episodes.planned[place]
        onset = self._first_of(self.task.outcome.concepts, known=False)[rows.subject]
        return onset, onset != _NEVER

    def _observed(self, rows: _Rows, outcome: Ints, counts: Flags) -> tuple[_Rows, Ints, Flags]:
        """Rows at risk when the horizon opens, and watched until it closes, whatever came of them."""

        def keep(name: str, mask: Flags) -> None:
            nonlocal rows, outcome, counts
            rows, outcome, counts = self._step(name, rows.where(mask)), outcome[mask], counts[mask]

        keep("no_outcome_before_horizon", outcome > rows.time + self.task.gap_days * _DAY)
        end = self.subjects.watched_until(self.dataset_end)[rows.subject]
        keep("horizon_observed", rows.time + self._horizon_end() <= end)
        keep(f"which_{self.task.index.which.value}", self._chosen(rows))
        return rows, outcome, counts

    def _chosen(self, rows: _Rows) -> Flags:
        """Which rows stay when a subject may have one only."""
        which = self.task.index.which
        rank = rows.time
        if which is Which.EVERY or len(rank) == 0:
            return np.ones(len(rank), np.bool_)
        if which is Which.LAST:
            rank = -rank
        elif which is Which.RANDOM:
            rank = np.array([self._draw(s, t) for s, t in zip(rows.subject, rows.time, strict=True)])
        order = np.lexsort((rank, rows.subject))
        first = np.ones(len(order), np.bool_)
        first[1:] = rows.subject[order][1:] != rows.subject[order][:-1]
        chosen = np.zeros(len(order), np.bool_)
        chosen[order[first]] = True
        return chosen

    def _draw(self, subject: int, time: int) -> int:
        """A number that depends on task, subject and time only, and looks random."""
        text = f"{self.task.name}|{self.subjects.ids[subject].as_py()}|{time}"
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], "big")

    def _after_death_policy(self, rows: _Rows, label: Flags) -> tuple[_Rows, Flags]:
        if self.task.death_in_horizon is DeathPolicy.NEGATIVE:
            return rows, label
        deceased = self.subjects.deceased[rows.subject]
        died = (deceased != NO_TIME) & (deceased <= rows.time + self._horizon_end()) & ~label
        return self._step("no_death_in_horizon", rows.where(~died)), label[~died]

    def _horizon_end(self) -> int:
        return (self.task.gap_days + self.task.horizon_days) * _DAY

    def _record_starts(self) -> tuple[Ints, Ints]:
        rows = valid_rows(self.tables, "encounter")
        owner, start = rows.position_in("subject_id", self.subjects.ids), rows.times("start_time")
        good = (owner >= 0) & (start != NO_TIME)
        return owner[good], start[good]

    def _first_of(self, concepts: tuple[str, ...], *, known: bool, at_least: int | None = None) -> Ints:
        """When each subject first had one of the concepts, or when that was first known; else never."""
        streams = [Stream(Source(CONCEPTS[name].kind.value), name) for name in concepts]
        events = read_events(self.tables, self.subjects.ids, streams)
        times = np.maximum(events.time, events.known) if known else events.time
        chosen = np.ones(len(events), np.bool_) if at_least is None else events.value >= at_least
        return _first(self.subjects, events.subject[chosen], times[chosen])

    def _step(self, name: str, rows: _Rows) -> _Rows:
        self.steps.append(Step(name, len(rows.time), len(np.unique(rows.subject))))
        return rows

    def _table(self, rows: _Rows, label: Flags) -> pa.Table:
        at = pa.array(rows.subject)
        columns = [
            self.subjects.ids.take(at),
            pa.array(rows.time).cast(pa.timestamp("us", tz="UTC")),
            pa.array(label),
            self.subjects.gender.take(at),
            age_bands(self.subjects.age(rows.subject, rows.time)),
            self.subjects.race.take(at),
            self.subjects.ethnicity.take(at),
        ]
        return pa.table(columns, schema=COHORT_SCHEMA)


def _first(subjects: Subjects, owner: Ints, times: Ints) -> Ints:
    first = np.full(len(subjects), _NEVER, np.int64)
    np.minimum.at(first, owner, times)
    return first


def _step_name(rule: Exclusion) -> str:
    if isinstance(rule, AgeBelow):
        return f"age_at_least_{rule.years}"
    if isinstance(rule, EverBefore):
        return "never_before_" + "_".join(rule.concepts)
    if isinstance(rule, MeasuredAtLeast):
        return f"{rule.concept}_below_{rule.value:g}"
    return "left_stay_alive"


__all__ = ["COHORT_SCHEMA", "Cohort", "Flow", "Step", "find_cohort"]
