"""Tables for monitoring tests: many kinds of columns, with or without a change."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from medcairn.core.digests import digest_bytes
from medcairn.reports import ReportAbout

Floats = NDArray[np.float64]

ABOUT = ReportAbout(
    study="synthetic-readmission",
    purpose="Estimate, at discharge, the risk of a return to hospital within 30 days.",
    model_name="synthetic-readmission.readmission_30d",
    model_version="3",
    algorithm="gradient_boosting",
    created_at="2026-11-21T10:00:00Z",
    model_digest=digest_bytes(b"model"),
    dataset_digest=digest_bytes(b"data"),
)


def column(generator: np.random.Generator, kind: int, rows: int) -> Floats:
    """A column of one of six kinds, every third with missing values."""
    values: Floats = (
        generator.normal(size=rows),
        generator.exponential(size=rows),
        (generator.random(rows) < 0.1).astype(np.float64),
        generator.poisson(1.5, rows).astype(np.float64),
        np.round(generator.normal(size=rows), 1),
        np.zeros(rows),
    )[kind % 6]
    if kind % 3 == 0:
        values = np.where(generator.random(rows) < (0.02, 0.3, 0.6)[kind // 3 % 3], np.nan, values)
    return np.asarray(values, np.float64)


def table(columns: Mapping[str, Floats], *, subjects: NDArray[np.int64] | None = None) -> pa.Table:
    """A table of ``columns`` with one row a day-third, and subjects when given."""
    rows = len(next(iter(columns.values())))
    start = datetime(2026, 1, 1, tzinfo=UTC)
    times = [start + timedelta(hours=8 * row) for row in range(rows)]
    arrays: dict[str, pa.Array] = {
        "prediction_time": pa.array(times, pa.timestamp("us", "UTC")),
        **{name: pa.array(values, pa.float64(), from_pandas=True) for name, values in columns.items()},
    }
    if subjects is not None:
        arrays["subject_id"] = pa.array([f"canary-subject-{number:05d}" for number in subjects])
    return pa.table(arrays)
