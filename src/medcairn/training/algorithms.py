"""The algorithms that training tries, with their settings as data.

The settings are for tables of about a thousand rows and a hundred features: strong regularisation, small
trees, large leaves. They are fixed, not searched: with so few rows a search mostly finds noise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeAlias

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from medcairn.core.errors import DataError, UsageError
from medcairn.core.labels import Label
from medcairn.training.rows import Floats, Ints

Estimator: TypeAlias = Any
"""A fitted scikit-learn classifier; scikit-learn publishes no types."""

Setting: TypeAlias = int | float | str | bool


class Algorithm(StrEnum):
    """What training can fit, from the plainest to the most flexible; earlier wins a tie."""

    LOGISTIC_REGRESSION = "logistic_regression"
    RANDOM_FOREST = "random_forest"
    GRADIENT_BOOSTING = "gradient_boosting"


PARAMETERS: Mapping[Algorithm, Mapping[str, Setting]] = {
    Algorithm.LOGISTIC_REGRESSION: {"C": 0.005, "max_iter": 2000, "tol": 1e-6},
    Algorithm.RANDOM_FOREST: {"n_estimators": 120, "min_samples_leaf": 5, "max_features": 0.15},
    Algorithm.GRADIENT_BOOSTING: {
        "learning_rate": 0.05,
        "max_iter": 100,
        "max_leaf_nodes": 6,
        "min_samples_leaf": 20,
        "l2_regularization": 10.0,
        "max_features": 0.5,
        "early_stopping": False,
    },
}
"""Settings by scikit-learn's own names. ``C`` is the inverse strength of the L2 penalty."""


@dataclass(frozen=True)
class FittedModel:
    """A fitted classifier and the columns that it looks at.

    A feature without one value in the rows of the fit teaches nothing and is left out: ``columns`` are the
    places of the others among all features.
    """

    algorithm: Algorithm
    estimator: Estimator
    columns: Ints
    features: int

    def score(self, rows: Floats) -> Floats:
        """Probability of the outcome for rows over all features; the reference that parity is held to."""
        with threadpool_limits(limits=1):
            return np.asarray(self.estimator.predict_proba(rows[:, self.columns])[:, 1], dtype=np.float64)


def parse_algorithms(names: object) -> tuple[Algorithm, ...]:
    """The named algorithms, plainest first, each once.

    Raises :class:`UsageError` for an unknown name or an empty list.
    """
    known = {algorithm.value: algorithm for algorithm in Algorithm}
    wanted = list(names) if isinstance(names, (list, tuple)) else []
    if not wanted or any(name not in known for name in wanted):
        raise UsageError(
            "A model is named that is not known, or none is named",
            hint="Choose from logistic_regression, random_forest, gradient_boosting",
            models=len(wanted),
        )
    return tuple(algorithm for algorithm in Algorithm if algorithm.value in wanted)


def fit(algorithm: Algorithm, values: Floats, outcome: Ints, *, seed: int, n_jobs: int) -> FittedModel:
    """Fit ``algorithm`` on rows of shape (n_rows, n_features).

    The numeric libraries run on one thread: sums over several threads end in other last bits. Forests are
    grown ``n_jobs`` trees at a time, which changes nothing, because each tree has its own seed.

    Raises :class:`DataError` when no feature has a value.
    """
    columns = np.flatnonzero(~np.isnan(values).all(axis=0)).astype(np.int64)
    if len(columns) == 0:
        raise DataError("No feature has a value in the rows to train on", rows=len(values))
    estimator = _new(algorithm, seed=seed, n_jobs=n_jobs)
    with threadpool_limits(limits=1):
        estimator.fit(values[:, columns], outcome)
    if algorithm is Algorithm.RANDOM_FOREST:
        estimator.set_params(n_jobs=None)  # how it was grown is no part of the model
    return FittedModel(algorithm, estimator, columns, values.shape[1])


def parameters_of(algorithm: Algorithm) -> dict[str, int | float | bool | Label]:
    """The settings of ``algorithm``, safe to show and to log."""
    return {
        name: Label(value) if isinstance(value, str) else value
        for name, value in PARAMETERS[algorithm].items()
    }


def _new(algorithm: Algorithm, *, seed: int, n_jobs: int) -> Estimator:
    # Here and not above: a service that loads an ONNX or treelite model never needs scikit-learn.
    from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import StandardScaler

    settings = dict(PARAMETERS[algorithm])
    match algorithm:
        case Algorithm.LOGISTIC_REGRESSION:
            return Pipeline(
                [
                    ("impute", SimpleImputer(strategy="median", add_indicator=True)),
                    ("scale", StandardScaler()),
                    ("classify", LogisticRegression(**settings)),
                ]
            )
        case Algorithm.RANDOM_FOREST:
            return RandomForestClassifier(**settings, n_jobs=n_jobs, random_state=seed)
        case Algorithm.GRADIENT_BOOSTING:
            return HistGradientBoostingClassifier(**settings, random_state=seed)


__all__ = [
    "PARAMETERS",
    "Algorithm",
    "Estimator",
    "FittedModel",
    "Setting",
    "fit",
    "parameters_of",
    "parse_algorithms",
]
