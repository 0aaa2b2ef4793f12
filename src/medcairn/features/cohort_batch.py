"""The cohort of a whole silver folder or MEDS dataset, some subjects at a time, so that memory is bounded."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from medcairn.core.concepts import CONCEPTS
from medcairn.core.errors import DataError
from medcairn.core.progress import Progress
from medcairn.features.aces import AcesTask, execute
from medcairn.features.cohort import COHORT_SCHEMA, Cohort, cohort_table, find_cohort
from medcairn.features.dictionaries import decoded
from medcairn.features.feature_set import Source
from medcairn.features.flow import Flow, Step
from medcairn.features.meds.read import MedsFolder
from medcairn.features.meds.rows import SILVER_COLUMNS, meds_rows
from medcairn.features.meds.tables import latest_time, silver_tables
from medcairn.features.policy_file import safe_label
from medcairn.features.silver_columns import COLUMNS, NO_TIME
from medcairn.features.silver_folder import SilverFolder
from medcairn.features.streams import TABLE_OF
from medcairn.features.subjects import read_subjects
from medcairn.features.task_definition import Task, concepts_in

ROWS_AT_ONCE = 500_000
"""About how many rows of silver are in memory together."""


def find_cohort_in(silver: SilverFolder, task: Task | AcesTask, progress: Progress) -> Cohort:
    """The cohort of ``task`` over all subjects of a silver folder. An ACES task sees its rows in MEDS form.

    Raises :class:`DataError` when there is no subject, or none meets the task.
    """
    subjects = silver.subject_ids()
    if len(subjects) == 0:
        raise DataError("The silver tables hold no subject", hint="Look at what the lakehouse step loaded")
    latest = silver.latest_available()
    end = NO_TIME if latest is None else latest

    columns, concepts = _needed(task)

    def parts() -> Iterator[Cohort]:
        progress.begin("Finding index dates", total=len(subjects), unit="subjects")
        for stretch in silver.stretches(columns, concepts=concepts, rows_at_once=ROWS_AT_ONCE):
            tables = {name: decoded(table) for name, table in stretch.tables.items()}
            if isinstance(task, AcesTask):
                yield _of_aces(task, meds_rows(tables), tables)
            else:
                yield find_cohort(tables, task, dataset_end=end)
            progress.advance(len(pc.unique(tables["patient"].column("subject_id"))))

    return _joined(parts())


def find_cohort_in_meds(meds: MedsFolder, task: Task | AcesTask, progress: Progress) -> Cohort:
    """The cohort of ``task`` over all subjects of a MEDS dataset; ``subject_id`` is the number as text.

    Raises :class:`DataError` when none meets the task, and what
    :meth:`~medcairn.features.meds.read.MedsFolder.shards` raises.
    """

    def parts() -> Iterator[Cohort]:
        end = NO_TIME
        if isinstance(task, Task):  # the end of the whole dataset is needed before the first subject
            for rows in meds.shards():
                end = max(end, latest_time(rows) or NO_TIME)
        progress.begin("Finding index dates", total=len(meds.files), unit="files")
        for rows in meds.shards():
            tables = silver_tables(rows)
            if isinstance(task, AcesTask):
                yield _of_aces(task, rows, tables)
            else:
                yield find_cohort(tables, task, dataset_end=end)
            progress.advance(1)

    return _joined(parts())


def _of_aces(task: AcesTask, rows: pa.Table, tables: Mapping[str, pa.Table]) -> Cohort:
    found = execute(task, rows)
    subjects = read_subjects(tables, found.ids.cast(pa.string()))
    table = cohort_table(subjects, found.subject, found.prediction_time, found.label)
    steps = tuple(Step(step.name, step.rows, step.subjects, _reason(step.name)) for step in found.steps)
    ends = int(np.count_nonzero(subjects.follow_up_end != NO_TIME))
    return Cohort(table, Flow(steps, len(subjects), ends, 0))


def _reason(step: str) -> str:
    kind, _, name = step.partition("_")
    return f"Window {name}: an end is missing, or a count is not met" if kind == "window" else ""


def _joined(parts: Iterator[Cohort]) -> Cohort:
    tables: list[pa.Table] = []
    flow: Flow | None = None
    for part in parts:
        tables.append(part.table)
        flow = part.flow if flow is None else flow + part.flow
    if flow is None:
        raise DataError("There is no subject to find index dates for")
    table = pa.concat_tables(tables, promote_options="none").combine_chunks()
    if table.num_rows == 0:
        raise _nobody(flow)
    order = [("subject_id", "ascending"), ("prediction_time", "ascending"), ("boolean_value", "ascending")]
    return Cohort(table.sort_by(order).cast(COHORT_SCHEMA), flow)


def _needed(
    task: Task | AcesTask,
) -> tuple[Mapping[str, Sequence[str]], Mapping[str, Collection[str]] | None]:
    """The tables and columns that decide who is in and the label, and the concepts of which rows."""
    if isinstance(task, AcesTask):
        return {**SILVER_COLUMNS, "patient": sorted({*SILVER_COLUMNS["patient"], *COLUMNS["patient"]})}, None
    columns = {name: list(COLUMNS[name]) for name in ("patient", "encounter")}
    concepts: dict[str, set[str]] = {}
    for _, name, _ in concepts_in(task):
        table = TABLE_OF[Source(CONCEPTS[name].kind.value)]
        columns[table] = list(COLUMNS[table])
        concepts.setdefault(table, set()).add(name)
    return columns, concepts


def _nobody(flow: Flow) -> DataError:
    emptied = next((step.name for step in flow.steps if step.rows == 0), flow.steps[-1].name)
    return DataError(
        "No subject meets the task",
        hint="The step named here left none; look at the task's criteria, or load more data",
        step=safe_label(emptied),
        subjects=flow.subjects_read,
        index_events=flow.steps[0].rows,
    )


__all__ = ["ROWS_AT_ONCE", "find_cohort_in", "find_cohort_in_meds"]
