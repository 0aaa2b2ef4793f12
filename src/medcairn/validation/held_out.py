"""The held-out rows of a gold table, scored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from medcairn.core.errors import DataError, UsageError
from medcairn.core.labels import Label
from medcairn.core.scoring import Scorer
from medcairn.validation.sample import Sample
from medcairn.validation.subgroups import ATTRIBUTES

_KEYS = ["subject_id", "prediction_time", "boolean_value"]
_HELD_OUT = "held_out"


@dataclass(frozen=True)
class HeldOut:
    """Scored held-out rows and the attributes of their subjects."""

    sample: Sample
    attributes: Mapping[str, Sequence[str | None]]


def read_held_out(gold_dir: Path, scorer: Scorer) -> HeldOut:
    """The held-out split of ``gold_dir``, scored by ``scorer``. Other splits' rows are not scored.

    Raises :class:`UsageError` when a file is missing, :class:`DataError` when it cannot be read, lacks a
    column, or features and cohort do not hold the same rows.
    """
    names = list(scorer.feature_names)
    if not names:
        raise DataError("The model has no features")
    features = _read(gold_dir / "features.parquet", [*_KEYS, *names])
    cohort = _read(gold_dir / "cohort.parquet", [*_KEYS, *ATTRIBUTES])
    if not features.select(_KEYS).equals(cohort.select(_KEYS)):
        raise DataError("Features and cohort do not hold the same held-out rows in the same order")
    outcome = features.column("boolean_value")
    if outcome.null_count:
        raise DataError("Held-out rows have no outcome", rows=outcome.null_count)
    rows = np.column_stack([_numbers(features, name) for name in names])
    subject = np.array(features.column("subject_id").to_pylist(), dtype=np.str_)
    sample = Sample.of(np.array(outcome.to_pylist(), dtype=np.bool_), _scores(scorer, rows), subject)
    return HeldOut(sample, {name: _texts(cohort, name) for name in ATTRIBUTES})


def _scores(scorer: Scorer, rows: NDArray[np.float64]) -> NDArray[np.float64]:
    if not len(rows):
        return np.empty(0)
    scores = np.asarray(scorer.score(rows), np.float64)
    if scores.shape != (len(rows),):
        raise DataError("The model did not give one score a row", rows=len(rows))
    return scores


def _read(path: Path, columns: list[str]) -> pa.Table:
    if not path.is_file():
        raise UsageError("A gold table is missing", hint="Run the features stage first", file=path)
    table: pa.Table | None = None
    lacking: list[str] = []
    try:
        present = set(pq.read_schema(path).names)
        lacking = [name for name in [*columns, "split"] if name not in present]
        if not lacking:
            table = pq.read_table(path, columns=columns, filters=[("split", "=", _HELD_OUT)])
    except (pa.ArrowException, OSError, ValueError, TypeError):
        pass
    if lacking:
        raise DataError(
            "A gold table lacks a column", column=_label(lacking[0]), columns=len(lacking), file=path
        )
    if table is None:
        raise DataError("A gold table cannot be read", file=path)
    return table


def _numbers(table: pa.Table, name: str) -> NDArray[np.float64]:
    """A feature column; null becomes NaN, which is how a row says missing."""
    column: NDArray[np.float64] | None = None
    with suppress(pa.ArrowException):
        column = table.column(name).cast(pa.float64()).to_numpy()
    if column is None:
        raise DataError("A feature column is not numeric", column=_label(name))
    return np.asarray(column, np.float64)


def _texts(table: pa.Table, name: str) -> list[str | None]:
    return [None if value is None else str(value) for value in table.column(name).to_pylist()]


def _label(name: str) -> Label:
    try:
        return Label(name)
    except ValueError:
        return Label("a-column-that-is-no-name")


__all__ = ["HeldOut", "read_held_out"]
