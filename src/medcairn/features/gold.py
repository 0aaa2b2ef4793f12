"""The gold step: silver tables in; feature table, cohort, feature spec and flow out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from medcairn.core.canonical import JSON
from medcairn.core.digests import Digest, digest_json
from medcairn.core.files import storage_errors, write_file, write_json
from medcairn.core.progress import Progress
from medcairn.features.batch import features_in
from medcairn.features.cohort_batch import find_cohort_in
from medcairn.features.feature_set import FeatureSet
from medcairn.features.flow import Flow
from medcairn.features.flow_diagram import Ending, flow_diagram
from medcairn.features.leakage import inputs_for
from medcairn.features.silver_columns import Ints
from medcairn.features.silver_folder import SilverFolder, open_silver
from medcairn.features.splits import SPLITS, check_subjects_apart, split_cohort
from medcairn.features.task import AnyTask, Task

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_COHORT_FILE, _FEATURES_FILE = "cohort.parquet", "features.parquet"
_SPEC_FILE, _FLOW_FILE, _DIAGRAM_FILE = "feature_spec.json", "flow.json", "flow.svg"
_ROWS_A_GROUP = 16_384
_KEYS = ("subject_id", "prediction_time", "boolean_value", "split")


@dataclass(frozen=True)
class SplitCount:
    """Size of a split; ``positives`` are rows with the outcome."""

    rows: int
    subjects: int
    positives: int

    def as_json(self) -> dict[str, JSON]:
        return {"rows": self.rows, "subjects": self.subjects, "positives": self.positives}


@dataclass(frozen=True)
class GoldReport:
    """What was built. ``missing_share`` is the share of rows in [0, 1] that lack a feature."""

    task: str
    task_digest: Digest
    feature_set: str
    spec_digest: Digest
    rows: int
    subjects: int
    splits: Mapping[str, SplitCount]
    missing_share: Mapping[str, float]
    flow: Mapping[str, JSON]

    @property
    def features(self) -> int:
        """How many features each row has."""
        return len(self.missing_share)

    def facts(self) -> dict[str, JSON]:
        """Aggregate and deterministic; no ids, no dates."""
        return {
            "task": self.task,
            "task_digest": self.task_digest,
            "feature_set": self.feature_set,
            "feature_spec_digest": self.spec_digest,
            "rows": self.rows,
            "subjects": self.subjects,
            "features": self.features,
            "splits": {name: count.as_json() for name, count in self.splits.items()},
            "missing_share": dict(self.missing_share),
            "flow": dict(self.flow),
        }


def feature_spec(task: AnyTask, feature_set: FeatureSet) -> dict[str, JSON]:
    """What a model's columns mean: the task, the set and every feature in column order, with a digest."""
    features: list[JSON] = [feature.as_json() for feature in feature_set.features]
    spec: dict[str, JSON] = {
        "task": task.about(),
        "feature_set": feature_set.about(),
        "features": features,
    }
    return {**spec, "digest": digest_json(spec)}


def build_gold(
    silver_dir: Path,
    out_dir: Path,
    *,
    task: AnyTask,
    feature_set: FeatureSet,
    held_out_fraction: float,
    tuning_fraction: float,
    later_fraction: float,
    progress: Progress,
    spark: SparkSession | None = None,
) -> GoldReport:
    """Write ``features.parquet``, ``cohort.parquet``, ``feature_spec.json``, ``flow.json`` and ``flow.svg``.

    The same silver tables and settings give the same bytes. Rows are sorted by subject and time.
    With ``spark`` the features are computed there; they are the same.

    Raises :class:`~medcairn.core.errors.PolicyError` when the features hold the task's answer,
    :class:`~medcairn.core.errors.DataError` when no subject meets the task, and what
    :func:`~medcairn.features.silver_folder.open_silver` raises.
    """
    inputs = inputs_for(task, feature_set)
    with open_silver(silver_dir) as silver:
        cohort = find_cohort_in(silver, task, progress)
        split = split_cohort(
            cohort.table,
            held_out_fraction=held_out_fraction,
            tuning_fraction=tuning_fraction,
            later_fraction=later_fraction,
        )
        rows = cohort.table.append_column("split", split.names).filter(pa.array(split.kept))
        check_subjects_apart(rows.column("subject_id"), rows.column("split"))
        _write_parquet(out_dir / _COHORT_FILE, _cohort_columns(rows))
        computed = _features(silver, rows, inputs, progress, spark)
        missing = _write_features(out_dir / _FEATURES_FILE, computed, rows, inputs)
    flow = _flow(task, cohort.flow, split.rows_left_out)
    spec = feature_spec(task, inputs)
    counts = {name: _count(rows, name) for name in SPLITS}
    write_json(out_dir / _SPEC_FILE, spec)
    write_json(out_dir / _FLOW_FILE, flow)
    write_file(out_dir / _DIAGRAM_FILE, _diagram(task, cohort.flow, counts, split.rows_left_out).encode())
    share = {name: round(int(n) / rows.num_rows, 6) for name, n in zip(inputs.names, missing, strict=True)}
    return GoldReport(
        task=task.name,
        task_digest=task.digest,
        feature_set=inputs.name,
        spec_digest=Digest(str(spec["digest"])),
        rows=rows.num_rows,
        subjects=len(pc.unique(rows.column("subject_id"))),
        splits=counts,
        missing_share=share,
        flow=flow,
    )


def _flow(task: AnyTask, flow: Flow, rows_left_out: int) -> dict[str, JSON]:
    death = task.death_in_horizon if isinstance(task, Task) else None
    return {
        "task": task.name,
        "task_digest": task.digest,
        "death_in_horizon": None if death is None else death.value,
        **flow.as_json(),
        "rows_left_out_by_split": rows_left_out,
    }


def _diagram(task: AnyTask, flow: Flow, counts: Mapping[str, SplitCount], rows_left_out: int) -> str:
    endings = [Ending(n, c.rows, c.subjects, c.positives) for n, c in counts.items() if c.rows]
    return flow_diagram(f"Cohort of {task.name}", flow, endings, rows_left_out=rows_left_out)


def _cohort_columns(rows: pa.Table) -> pa.Table:
    return rows.select([*_KEYS, "sex", "age_band", "race", "ethnicity"])


def _write_parquet(path: Path, table: pa.Table) -> None:
    with storage_errors():
        pq.write_table(table.combine_chunks(), path, compression="zstd")


def _features(
    silver: SilverFolder, rows: pa.Table, inputs: FeatureSet, progress: Progress, spark: SparkSession | None
) -> Iterator[pa.Table]:
    if spark is None:
        return features_in(silver, rows, inputs, progress)
    from medcairn.features.spark import features_on_spark

    return features_on_spark(spark, silver.folder, rows, inputs, progress)


def _write_features(path: Path, parts: Iterator[pa.Table], rows: pa.Table, inputs: FeatureSet) -> Ints:
    """Write the feature table ``parts``; how many rows lack each feature."""
    types = [(name, pa.float64()) for name in inputs.names]
    schema = pa.schema([*(rows.schema.field(name) for name in _KEYS), *(pa.field(*t) for t in types)])
    missing = np.zeros(len(inputs.names), np.int64)
    done = 0
    with storage_errors(), pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for computed in _of_even_size(parts):
            keys = rows.slice(done, computed.num_rows).select(list(_KEYS))
            columns = [*keys.columns, *(computed.column(name) for name in inputs.names)]
            writer.write_table(pa.table(columns, schema=schema).combine_chunks())
            missing += np.array([computed.column(name).null_count for name in inputs.names])
            done += computed.num_rows
    return missing


def _of_even_size(parts: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """The same rows in tables of :data:`_ROWS_A_GROUP`, so that the file does not tell how they came."""
    waiting: list[pa.Table] = []
    for part in parts:
        waiting.append(part)
        while sum(table.num_rows for table in waiting) >= _ROWS_A_GROUP:
            together = pa.concat_tables(waiting)
            yield together.slice(0, _ROWS_A_GROUP)
            waiting = [together.slice(_ROWS_A_GROUP)]
    if any(table.num_rows for table in waiting):
        yield pa.concat_tables(waiting)


def _count(rows: pa.Table, split: str) -> SplitCount:
    chosen = rows.filter(pc.equal(rows.column("split"), split))
    positives = pc.sum(chosen.column("boolean_value").cast(pa.int64())).as_py() or 0
    return SplitCount(chosen.num_rows, len(pc.unique(chosen.column("subject_id"))), int(positives))


__all__ = ["GoldReport", "SplitCount", "build_gold", "feature_spec"]
