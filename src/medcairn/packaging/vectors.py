"""Test vectors: rows that belong to nobody, with the scores that a deployed model must reproduce."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medcairn.core.canonical import JSON
from medcairn.core.errors import DataError, IntegrityError
from medcairn.core.scoring import Scorer

TOLERANCE = 1e-9
SMALLEST_GROUP = 20
"""A quantile over fewer rows could be somebody's value; such a feature stays missing in the vectors."""

_QUANTILES = {"lower_quartiles": 0.25, "medians": 0.5, "upper_quartiles": 0.75}


@dataclass(frozen=True)
class TestVector:
    """One made-up row and the probability that the packaged model gives it."""

    __test__ = False  # not a test class, whatever pytest thinks of its name

    name: str
    features: Mapping[str, float | None]
    probability: float

    def as_json(self) -> dict[str, JSON]:
        return {"name": self.name, "features": dict(self.features), "probability": self.probability}


def make_vectors(scorer: Scorer, training_rows: NDArray[np.float64]) -> tuple[TestVector, ...]:
    """Vectors from aggregates of ``training_rows`` (n_rows, n_features): all missing, all zero, quartiles.

    Raises :class:`DataError` when the model gives something that is no probability.
    """
    names = scorer.feature_names
    width = len(names)
    rows = {"all_missing": np.full(width, np.nan), "all_zero": np.zeros(width)}
    known = (~np.isnan(training_rows)).sum(axis=0) >= SMALLEST_GROUP
    for name, quantile in _QUANTILES.items():
        row = np.full(width, np.nan)
        if known.any():
            row[known] = np.nanquantile(training_rows[:, known], quantile, axis=0)
        rows[name] = row
    scores = scorer.score(np.stack(list(rows.values())))
    if scores.shape != (len(rows),) or not bool(np.all((scores >= 0) & (scores <= 1))):
        raise DataError("The model gives something that is no probability for a test vector")
    return tuple(
        TestVector(name, _features(names, row), float(score))
        for (name, row), score in zip(rows.items(), scores, strict=True)
    )


def _features(names: Sequence[str], row: NDArray[np.float64]) -> dict[str, float | None]:
    return {name: None if np.isnan(value) else float(value) for name, value in zip(names, row, strict=True)}


def vectors_json(vectors: Sequence[TestVector]) -> dict[str, JSON]:
    """The content of ``test-vectors.json``."""
    return {"tolerance": TOLERANCE, "vectors": [vector.as_json() for vector in vectors]}


def parse_vectors(data: bytes) -> tuple[TestVector, ...]:
    """The vectors of a ``test-vectors.json``. Raises :class:`IntegrityError` when it cannot be read."""
    vectors: tuple[TestVector, ...] | None = None
    try:
        vectors = tuple(
            TestVector(str(value["name"]), dict(value["features"]), float(value["probability"]))
            for value in json.loads(data)["vectors"]
        )
    except (ValueError, KeyError, TypeError):
        vectors = None
    if vectors is None:
        raise IntegrityError("The package's test vectors cannot be read")
    return vectors


__all__ = ["SMALLEST_GROUP", "TOLERANCE", "TestVector", "make_vectors", "parse_vectors", "vectors_json"]
