"""What the earlier stages left about a model, read once into one record."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from medcairn.core.canonical import JSON
from medcairn.core.errors import DataError, IntegrityError, UsageError
from medcairn.core.labels import Label

TRAINING_SPLIT = "train"
SMALLEST_COUNT = 11
"""A count of 1 to 10 people is withheld, as the US Centers for Medicare & Medicaid Services do."""


@dataclass(frozen=True)
class SplitCount:
    """How large a split is. A count from 1 to 10 is None: withheld."""

    split: str
    subjects: int | None
    rows: int | None
    positives: int | None

    def as_json(self) -> dict[str, JSON]:
        return {
            "split": self.split,
            "subjects": self.subjects,
            "rows": self.rows,
            "positives": self.positives,
        }


@dataclass(frozen=True)
class Evidence:
    """``model``, ``spec``, ``flow`` and ``report`` are the JSON files of the stages, as they are.

    ``training_rows`` has shape (n_rows, n_features), NaN for missing.
    """

    model: Mapping[str, Any]
    spec: Mapping[str, Any]
    flow: JSON
    report: Mapping[str, Any]
    splits: tuple[SplitCount, ...]
    training_rows: NDArray[np.float64]

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The features in the order of the spec."""
        return tuple(str(feature["name"]) for feature in self.spec["features"])

    @property
    def validation_passed(self) -> bool:
        """Whether the validation's verdict is that every criterion was met; anything else is a no."""
        return self.validation.get("verdict") == "passed"

    @property
    def validation(self) -> Mapping[str, Any]:
        """The part of the report that holds verdict, checks, metrics and subgroups."""
        found = self.report.get("validation")
        return found if isinstance(found, Mapping) else {}


def read_evidence(model_dir: Path, gold_dir: Path, validation_dir: Path) -> Evidence:
    """The evidence in the folders of training, features and validation.

    Raises :class:`UsageError` when a file is missing, :class:`DataError` when one cannot be read,
    :class:`IntegrityError` when the model was trained for another feature spec.
    """
    model = _read_object(model_dir / "model.json")
    spec = _read_object(gold_dir / "feature_spec.json")
    report = _read_object(validation_dir / "report.json")
    flow = _read_object(gold_dir / "flow.json") if (gold_dir / "flow.json").is_file() else {}
    names = _checked_names(model, spec)
    table = _read_table(gold_dir / "features.parquet", names)
    return Evidence(model, spec, flow, report, _split_counts(table), _training_rows(table, names))


def _checked_names(model: Mapping[str, Any], spec: Mapping[str, Any]) -> tuple[str, ...]:
    names: tuple[str, ...] | None = None
    agree = False
    try:
        names = tuple(str(feature["name"]) for feature in spec["features"])
        agree = names == tuple(model["features"]) and spec["digest"] == model["feature_spec_digest"]
    except (KeyError, TypeError):
        names = None
    if names is None:
        raise DataError("The model's or the features' description lacks a key that is needed")
    if not agree:
        raise IntegrityError("The model was trained for another feature spec")
    return names


def _read_object(path: Path) -> Mapping[str, Any]:
    if not path.is_file():
        raise UsageError("A file that a package needs is missing", file=path)
    value: object = None
    try:
        value = json.loads(path.read_bytes())
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise DataError("A file that a package needs is no JSON object", file=path)
    return value


def _read_table(path: Path, names: tuple[str, ...]) -> pa.Table:
    if not path.is_file():
        raise UsageError("A file that a package needs is missing", file=path)
    table: pa.Table | None = None
    try:
        table = pq.read_table(path, columns=["subject_id", "split", "boolean_value", *names])
    except (pa.ArrowException, OSError, KeyError):
        table = None
    if table is None or table.num_columns != len(names) + 3:
        raise DataError("The feature table cannot be read or lacks a column", file=path)
    return table


def _split_counts(table: pa.Table) -> tuple[SplitCount, ...]:
    counts = []
    for split in sorted(set(table["split"].to_pylist())):
        rows = table.filter(pc.equal(table["split"], split))
        numbers = (
            len(pc.unique(rows["subject_id"])),
            rows.num_rows,
            int(pc.sum(rows["boolean_value"].cast(pa.int64())).as_py() or 0),
        )
        counts.append(SplitCount(Label(split), *(_large_enough(number) for number in numbers)))
    return tuple(counts)


def _large_enough(count: int) -> int | None:
    return None if 0 < count < SMALLEST_COUNT else count


def _training_rows(table: pa.Table, names: tuple[str, ...]) -> NDArray[np.float64]:
    rows = table.filter(pc.equal(table["split"], TRAINING_SPLIT))
    matrix = np.full((rows.num_rows, len(names)), np.nan)
    for position, name in enumerate(names):
        matrix[:, position] = rows[name].cast(pa.float64()).to_numpy()
    return matrix


__all__ = ["TRAINING_SPLIT", "Evidence", "SplitCount", "read_evidence"]
