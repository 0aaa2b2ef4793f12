"""Cohort and features of a whole silver folder, a thousand subjects at a time, so that memory is bounded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pyarrow as pa
import pyarrow.compute as pc

from medcairn.core.concepts import CONCEPTS, Kind
from medcairn.core.errors import DataError
from medcairn.core.labels import Label
from medcairn.core.progress import Progress
from medcairn.features.cohort import Cohort, Flow, find_cohort
from medcairn.features.compute import INDEX_SCHEMA, features_at
from medcairn.features.feature_set import FeatureSet, Source
from medcairn.features.silver_columns import NO_TIME
from medcairn.features.silver_folder import SilverFolder
from medcairn.features.task import EverBefore, MeasuredAtLeast, OnsetOutcome, Task

SUBJECTS_AT_ONCE = 1_000

_TABLE_OF_KIND = {
    Kind.CONDITION: "condition",
    Kind.MEDICATION: "medication",
    Kind.MEASUREMENT: "observation",
    Kind.PROCEDURE: "procedure",
}
_TABLES_OF_SOURCE: Mapping[Source, tuple[str, ...]] = {
    Source.DEMOGRAPHICS: ("patient",),
    Source.MEASUREMENT: ("observation",),
    Source.CONDITION: ("condition",),
    Source.MEDICATION: ("medication",),
    Source.PROCEDURE: ("procedure",),
    Source.ENCOUNTER: ("encounter",),
    Source.INDEX_STAY: ("encounter", "condition", "medication", "procedure"),
}


def find_cohort_in(silver: SilverFolder, task: Task, progress: Progress) -> Cohort:
    """The cohort of ``task`` over all subjects of a silver folder.

    Raises :class:`DataError` when there is no subject, or none meets the task.
    """
    subjects = silver.subject_ids()
    if len(subjects) == 0:
        raise DataError("The silver tables hold no subject", hint="Look at what the lakehouse step loaded")
    latest = silver.latest_available()
    dataset_end = NO_TIME if latest is None else latest
    progress.begin("Finding index dates", total=len(subjects), unit="subjects")
    tables: list[pa.Table] = []
    flow: Flow | None = None
    for first, last, count in _ranges(subjects):
        found = find_cohort(_tables_for_task(silver, task, first, last), task, dataset_end=dataset_end)
        tables.append(found.table)
        flow = found.flow if flow is None else flow + found.flow
        progress.advance(count)
    assert flow is not None
    cohort = Cohort(pa.concat_tables(tables).combine_chunks(), flow)
    if cohort.table.num_rows == 0:
        raise _nobody(flow)
    return cohort


def features_in(
    silver: SilverFolder, index: pa.Table, feature_set: FeatureSet, progress: Progress
) -> Iterator[pa.Table]:
    """The features of ``index``, in tables of some subjects each, sorted by subject and time."""
    needed = {"patient"}
    for feature in feature_set.features:
        needed.update(_TABLES_OF_SOURCE[feature.source])
    index = index.select(INDEX_SCHEMA.names).sort_by([(name, "ascending") for name in INDEX_SCHEMA.names])
    subjects = pc.unique(index.column("subject_id"))
    progress.begin("Computing features", total=index.num_rows, unit="rows")
    for first, last, _ in _ranges(subjects):
        inside = pc.and_(
            pc.greater_equal(index.column("subject_id"), first),
            pc.less_equal(index.column("subject_id"), last),
        )
        rows = index.filter(inside)
        tables = {name: silver.read(name, first, last) for name in sorted(needed)}
        yield features_at(tables, rows, feature_set)
        progress.advance(rows.num_rows)


def _ranges(subjects: pa.Array) -> Iterator[tuple[str, str, int]]:
    """First, last and number of each stretch of sorted subject ids."""
    for start in range(0, len(subjects), SUBJECTS_AT_ONCE):
        stretch = subjects.slice(start, SUBJECTS_AT_ONCE)
        yield stretch[0].as_py(), stretch[-1].as_py(), len(stretch)


def _tables_for_task(silver: SilverFolder, task: Task, first: str, last: str) -> dict[str, pa.Table]:
    concepts: set[str] = set()
    if isinstance(task.outcome, OnsetOutcome):
        concepts.update(task.outcome.concepts)
    for rule in task.exclusions:
        if isinstance(rule, EverBefore):
            concepts.update(rule.concepts)
        elif isinstance(rule, MeasuredAtLeast):
            concepts.add(rule.concept)
    tables = {name: silver.read(name, first, last) for name in ("patient", "encounter")}
    for kind, table in _TABLE_OF_KIND.items():
        of_kind = sorted(name for name in concepts if CONCEPTS[name].kind is kind)
        if of_kind:
            tables[table] = silver.read(table, first, last, concepts=of_kind)
    return tables


def _nobody(flow: Flow) -> DataError:
    emptied = next((step.name for step in flow.steps if step.rows == 0), flow.steps[-1].name)
    return DataError(
        "No subject meets the task",
        hint="The step named here left none; look at the task's criteria, or load more data",
        step=Label(emptied),
        subjects=flow.subjects_read,
        index_events=flow.steps[0].rows,
    )


__all__ = ["SUBJECTS_AT_ONCE", "features_in", "find_cohort_in"]
