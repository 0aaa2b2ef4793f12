"""Small gold tables with a known mechanism, and scorers that know more or less of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from medcairn.core.digests import digest_bytes
from medcairn.reports import ReportAbout

CANARY_SUBJECT = "canary-subject"
CANARY_RACE = "Canary Race Text"
_TIME = pa.timestamp("us", "UTC")

ABOUT = ReportAbout(
    study="synthetic-readmission",
    purpose="Estimate, at discharge, the risk of a return to hospital within 30 days.",
    model_name="synthetic-readmission.readmission_30d",
    model_version="3",
    algorithm="gradient_boosting",
    created_at="2026-11-21T10:00:00Z",
    model_digest=digest_bytes(b"model"),
    dataset_digest=digest_bytes(b"data"),
    notes=("Synthetic hospital: no real patients.",),
)


@dataclass(frozen=True)
class LogisticScorer:
    """Probability expit(intercept + slope · f0)."""

    intercept: float = -1.6
    slope: float = 1.4
    feature_names: tuple[str, ...] = ("f0", "f1")

    def score(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        assert rows.shape[1] == 2
        assert np.isnan(rows[:, 1]).any(), "missing must arrive as NaN"
        return np.asarray(1 / (1 + np.exp(-(self.intercept + self.slope * rows[:, 0]))))


def write_gold(
    folder: Path, *, subjects: int = 360, seed: int = 1, outcome: bool | None = None, held_out: bool = True
) -> Path:
    """``features.parquet`` and ``cohort.parquet``; risk is expit(-1.6 + 1.4 · f0)."""
    generator = np.random.default_rng(seed)
    start = datetime(2025, 1, 1, tzinfo=UTC)
    keys: list[tuple[str, datetime, bool, str]] = []
    people: list[tuple[str, str, str, str]] = []
    values: list[tuple[float, float | None]] = []
    for number in range(subjects):
        person = (
            ("female", "male")[number % 2],
            ("18-44", "45-64", "65-79", "80+")[number % 4],
            CANARY_RACE if number % 50 == 0 else ("2106-3", "2054-5")[number % 3 == 0],
            "2186-5",
        )
        for visit in range(int(generator.integers(1, 3))):
            first = float(generator.normal())
            label = bool(generator.random() < 1 / (1 + np.exp(1.6 - 1.4 * first)))
            split = "held_out" if held_out and number % 4 else "train"
            name = f"{CANARY_SUBJECT}-{number:04d}"
            keys.append(
                (name, start + timedelta(days=40 * visit), label if outcome is None else outcome, split)
            )
            people.append(person)
            values.append((first, None if generator.random() < 0.1 else 1.0))
    base = {
        "subject_id": pa.array([key[0] for key in keys]),
        "prediction_time": pa.array([key[1] for key in keys], _TIME),
        "boolean_value": pa.array([key[2] for key in keys]),
        "split": pa.array([key[3] for key in keys]),
    }
    folder.mkdir(parents=True, exist_ok=True)
    features = {f"f{i}": pa.array([value[i] for value in values], pa.float64()) for i in range(2)}
    pq.write_table(pa.table({**base, **features}), folder / "features.parquet")
    names = ("sex", "age_band", "race", "ethnicity")
    cohort = {name: pa.array([person[i] for person in people]) for i, name in enumerate(names)}
    pq.write_table(pa.table({**base, **cohort}), folder / "cohort.parquet")
    return folder
