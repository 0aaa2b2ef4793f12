"""A small gold folder: the outcome follows four of twelve features, a fifth of the cells is empty."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from medcairn.core.canonical import JSON, canonical_json
from medcairn.core.digests import digest_json

NAMES = tuple(f"measure_{number}.mean_365d" for number in range(12))
WEIGHTS = np.array([1.4, -1.0, 0.8, 0.5] + [0.0] * 8)
ALWAYS_EMPTY, CONSTANT = 10, 11


@dataclass(frozen=True)
class Gold:
    """The table in parts, so that a test can spoil one."""

    names: tuple[str, ...]
    values: NDArray[np.float64]
    outcome: NDArray[np.bool_]
    subject: NDArray[np.int64]
    split: NDArray[np.str_]

    @property
    def train(self) -> NDArray[np.bool_]:
        return np.asarray(self.split == "train")

    def with_values(self, values: NDArray[np.float64]) -> Gold:
        return replace(self, values=values)

    def write(self, folder: Path) -> Path:
        """Write the folder as the features stage does, and return it."""
        folder.mkdir(parents=True, exist_ok=True)
        moments = pa.array(np.arange(len(self.outcome)) * 86_400_000_000, pa.timestamp("us", "UTC"))
        keys = {
            "subject_id": [f"{number:06x}" for number in self.subject],
            "prediction_time": moments,
            "boolean_value": self.outcome,
            "split": self.split,
        }
        cells = {
            name: pa.array(self.values[:, place], from_pandas=True) for place, name in enumerate(self.names)
        }
        pq.write_table(pa.table(keys | cells), folder / "features.parquet")
        spec: dict[str, JSON] = {
            "task": {"name": "made_up"},
            "features": [{"name": name} for name in self.names],
        }
        whole: dict[str, JSON] = {**spec, "digest": digest_json(spec)}
        (folder / "feature_spec.json").write_bytes(canonical_json(whole))
        return folder


def make_gold(rows: int = 400, seed: int = 7) -> Gold:
    """``rows`` rows of about two to a subject; every fifth subject is held out."""
    random = np.random.default_rng(seed)
    scale = random.uniform(0.5, 200.0, len(NAMES))
    standard = random.normal(size=(rows, len(NAMES)))
    risk = 1 / (1 + np.exp(-(standard @ WEIGHTS - 0.8)))
    values = standard * scale + 3 * scale
    values[random.random(values.shape) < 0.2] = np.nan
    values[:, ALWAYS_EMPTY] = np.nan
    values[:, CONSTANT] = 1.0
    subject = np.sort(random.integers(0, rows // 2, rows))
    split = np.where(subject % 5 == 4, "held_out", "train")
    return Gold(NAMES, values, random.random(rows) < risk, subject, split)


__all__ = ["ALWAYS_EMPTY", "CONSTANT", "NAMES", "Gold", "make_gold"]
