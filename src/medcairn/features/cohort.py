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

from medcairn.features.candidates import candidates, in_stay
from medcairn.features.eligibility import kept
from medcairn.features.flow import Flow, Step
from medcairn.features.instants import first_of
from medcairn.features.outcomes import Outcomes, outcomes_of
from medcairn.features.record import Record, Rows
from medcairn.features.silver_columns import NO_TIME, Flags, Ints
from medcairn.features.subjects import Subjects, age_bands
from medcairn.features.task_definition import DeathPolicy, Task
from medcairn.features.task_index import AdmissionIndex, DischargeIndex, Which
from medcairn.features.task_outcome import FallOutcome
from medcairn.features.task_rules import reason_removed, step_name

_DAY = 86_400_000_000
_NOT_TAKEN = {
    Which.EVERY: "",
    Which.FIRST: "Not the subject's first",
    Which.LAST: "Not the subject's last",
    Which.RANDOM: "Not drawn: one a subject",
}

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
class Cohort:
    """Rows of :data:`COHORT_SCHEMA` sorted by subject and time, and how they came about."""

    table: pa.Table
    flow: Flow


def find_cohort(tables: Mapping[str, pa.Table], task: Task, *, dataset_end: int) -> Cohort:
    """The cohort of ``task`` among the subjects of ``tables`` (silver tables by name).

    ``dataset_end`` (microseconds) is the end of follow-up of subjects whose patient row does not say.

    Raises :class:`~medcairn.core.errors.DataError` for a silver table that cannot be used.
    """
    return _Search(Record(tables, task), task, dataset_end).cohort()


@dataclass
class _Search:
    """One call of :func:`find_cohort`."""

    record: Record
    task: Task
    dataset_end: int
    steps: list[Step] = field(default_factory=list)

    def cohort(self) -> Cohort:
        rows = self._eligible(self._candidates())
        rows, outcomes = self._observed(rows, outcomes_of(self.record, rows))
        label = outcomes.counts & (outcomes.time <= rows.time + self._horizon_end())
        rows, label = self._after_death_policy(rows, label)
        subjects = self.record.subjects
        flow = Flow(
            tuple(self.steps),
            len(subjects),
            int(np.count_nonzero(subjects.follow_up_end != NO_TIME)),
            self._transfers_joined(),
        )
        return Cohort(cohort_table(subjects, rows.subject, rows.time, label), flow)

    def _candidates(self) -> Rows:
        rows = self._step("index_events", candidates(self.record))
        index = self.task.index
        if isinstance(index, AdmissionIndex):
            hours = index.hours_after
            reason = f"The stay was over within {hours} hours"
            rows = self._step(f"in_hospital_after_{hours}h", rows.where(in_stay(self.record, rows)), reason)
        return rows

    def _eligible(self, rows: Rows) -> Rows:
        deceased = self.record.subjects.deceased[rows.subject]
        alive = (deceased == NO_TIME) | (deceased > rows.time)
        rows = self._step("alive_at_index", rows.where(alive), "Dead at the index date")
        for include, rules in ((True, self.task.inclusions), (False, self.task.exclusions)):
            for rule in rules:
                mask = kept(rule, self.record, rows, include=include)
                reason = reason_removed(rule, include=include)
                rows = self._step(step_name(rule, include=include), rows.where(mask), reason)
        if self.task.washout_days:
            visits = self.record.encounters(())
            begun = first_of(len(self.record.subjects), visits.subject, visits.start)[rows.subject]
            early = begun <= rows.time - self.task.washout_days * _DAY
            reason = f"The record began less than {self.task.washout_days} days before"
            rows = self._step("washout_observed", rows.where(early), reason)
        return rows

    def _observed(self, rows: Rows, outcomes: Outcomes) -> tuple[Rows, Outcomes]:
        """Rows at risk when the horizon opens, and watched until it closes, whatever came of them."""

        def keep(name: str, mask: Flags, reason: str) -> None:
            nonlocal rows, outcomes
            rows = self._step(name, rows.where(mask), reason)
            outcomes = Outcomes(outcomes.time[mask], outcomes.counts[mask], outcomes.defined[mask])

        if any(isinstance(outcome, FallOutcome) for outcome in self.task.outcomes):
            keep("baseline_known", outcomes.defined, "No baseline value was known")
        opens = rows.time + self.task.gap_days * _DAY
        keep("no_outcome_before_horizon", outcomes.time > opens, "The outcome came before the horizon opened")
        end = self.record.subjects.watched_until(self.dataset_end)[rows.subject]
        closes = rows.time + self._horizon_end()
        keep("horizon_observed", closes <= end, "Follow-up ended before the horizon closed")
        which = self.task.index.which
        keep(f"which_{which.value}", self._chosen(rows), _NOT_TAKEN[which])
        return rows, outcomes

    def _chosen(self, rows: Rows) -> Flags:
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
        """A number that depends on task, seed, subject and time only, and looks random."""
        text = (
            f"{self.task.name}|{self.task.index.seed or 0}|{self.record.subjects.ids[subject].as_py()}|{time}"
        )
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], "big")

    def _after_death_policy(self, rows: Rows, label: Flags) -> tuple[Rows, Flags]:
        if self.task.death_in_horizon is not DeathPolicy.EXCLUDE:
            return rows, label
        deceased = self.record.subjects.deceased[rows.subject]
        died = (deceased != NO_TIME) & (deceased <= rows.time + self._horizon_end()) & ~label
        reason = "Died within the horizon without the outcome"
        return self._step("no_death_in_horizon", rows.where(~died), reason), label[~died]

    def _horizon_end(self) -> int:
        return (self.task.gap_days + self.task.horizon_days) * _DAY

    def _transfers_joined(self) -> int:
        if not isinstance(self.task.index, (DischargeIndex, AdmissionIndex)):
            return 0
        return int(self.record.episodes.stays.sum()) - len(self.record.episodes.start)

    def _step(self, name: str, rows: Rows, reason: str = "") -> Rows:
        self.steps.append(Step(name, len(rows), len(np.unique(rows.subject)), reason))
        return rows


def cohort_table(subjects: Subjects, subject: Ints, time: Ints, label: Flags) -> pa.Table:
    """Index rows (positions of subjects, microseconds) as a table of :data:`COHORT_SCHEMA`."""
    at = pa.array(subject)
    columns = [
        subjects.ids.take(at),
        pa.array(time).cast(pa.timestamp("us", tz="UTC")),
        pa.array(label),
        subjects.gender.take(at),
        age_bands(subjects.age(subject, time)),
        subjects.race.take(at),
        subjects.ethnicity.take(at),
    ]
    return pa.table(columns, schema=COHORT_SCHEMA)


__all__ = ["COHORT_SCHEMA", "Cohort", "Flow", "Step", "cohort_table", "find_cohort"]
