"""How well the scores agree with observed risk: Brier score, calibration slope and intercept, groups."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medcairn.validation.bootstrap import interval_of
from medcairn.validation.estimate import (
    NO_ROWS,
    ONE_CLASS,
    Estimate,
    Measured,
    Unavailable,
    wald_interval,
    wilson_interval,
)
from medcairn.validation.sample import Floats, Sample

LOGIT_BOUND = 1e-6
"""Scores are kept within [1e-6, 1 - 1e-6] before the logit; a score of exactly 0 has none."""

_SANDWICH = "Wald, robust, clustered by subject"


def brier(sample: Sample, *, replicates: int, seed: int) -> Measured:
    """Mean squared difference of score and outcome (Brier 1950). Range 0 to 1, lower is better."""
    errors = (sample.score - sample.outcome) ** 2

    def metric(weights: Floats) -> Floats:
        return np.asarray((weights @ errors) / weights.sum(axis=1))

    return interval_of(sample, metric, replicates=replicates, seed=seed)


def brier_skill(sample: Sample, *, replicates: int, seed: int) -> Measured:
    """1 - Brier / Brier of always answering the rows' own prevalence. 0 is no better than that, 1 perfect.

    Negative values are possible. The reference is the prevalence of the same (resampled) rows, which is
    the best constant there is, so the skill is not flattered.
    """
    errors = (sample.score - sample.outcome) ** 2
    outcome = sample.outcome.astype(np.float64)

    def metric(weights: Floats) -> Floats:
        total = weights.sum(axis=1)
        share = (weights @ outcome) / total
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(1 - (weights @ errors) / total / (share * (1 - share)))

    return interval_of(sample, metric, replicates=replicates, seed=seed)


def calibration_slope(sample: Sample) -> Measured:
    """Slope of the logistic regression of the outcome on logit(score) (Cox 1958, Biometrika 45:562).

    1 is ideal; below 1 the scores are too extreme (overfitting), above 1 too timid. Any real number.
    The interval is Wald's with a sandwich variance that keeps a subject's rows together.
    """
    if (refusal := _refusal(sample)) is not None:
        return refusal
    logits = _logits(sample.score)
    if np.ptp(logits) == 0:
        return Unavailable("every score is the same")
    design = np.column_stack([np.ones(sample.rows), logits])
    fitted = _fit(sample, design, np.zeros(sample.rows))
    return _estimate(fitted, 1)


def calibration_intercept(sample: Sample) -> Measured:
    """Calibration in the large: intercept with the slope held at 1 (van Calster 2016, JCE 74:167).

    0 is ideal; below 0 the scores are too high on average, above 0 too low. On the scale of log odds.
    """
    if (refusal := _refusal(sample)) is not None:
        return refusal
    fitted = _fit(sample, np.ones((sample.rows, 1)), _logits(sample.score))
    return _estimate(fitted, 0)


@dataclass(frozen=True)
class CalibrationGroup:
    """Rows of similar score: mean score, and observed share with Wilson's interval."""

    predicted: float
    observed: float
    low: float
    high: float


def calibration_groups(sample: Sample, groups: int = 10) -> tuple[CalibrationGroup, ...]:
    """Groups of about equal size by score, at least 20 rows each; fewer groups when rows are few."""
    wanted = max(1, min(groups, sample.rows // 20))
    order = np.argsort(sample.score, kind="stable")
    found = []
    for members in np.array_split(order, wanted):
        if len(members):
            events = int(np.count_nonzero(sample.outcome[members]))
            low, high = wilson_interval(events, len(members))
            predicted = float(sample.score[members].mean())
            found.append(CalibrationGroup(predicted, events / len(members), low, high))
    return tuple(found)


def _refusal(sample: Sample) -> Unavailable | None:
    if sample.rows == 0:
        return NO_ROWS
    if sample.positives == 0 or sample.negatives == 0:
        return ONE_CLASS
    return Unavailable("fewer than two subjects") if len(np.unique(sample.subject)) < 2 else None


def _logits(score: Floats) -> Floats:
    kept = np.clip(score, LOGIT_BOUND, 1 - LOGIT_BOUND)
    return np.asarray(np.log(kept) - np.log1p(-kept))


def _fit(sample: Sample, design: Floats, offset: Floats) -> tuple[Floats, Floats] | None:
    """Logistic regression by Newton's method: coefficients and their sandwich covariance.

    None when it does not settle: the outcome is parted perfectly by the scores, so the likelihood has
    no maximum.
    """
    outcome = sample.outcome.astype(np.float64)
    beta = np.zeros(design.shape[1])
    for _ in range(50):
        risk = _expit(design @ beta + offset)
        information = design.T @ (design * (risk * (1 - risk))[:, None])
        if not np.isfinite(information).all() or np.linalg.cond(information) > 1e12:
            return None
        step = np.linalg.solve(information, design.T @ (outcome - risk))
        # A full Newton step can overshoot from a bad start; half steps of at most 2 log odds cannot.
        step *= min(1.0, 2.0 / max(float(np.abs(step).max()), 1e-300))
        beta = beta + step
        if float(np.abs(step).max()) < 1e-10:
            return beta, _sandwich(sample, design, outcome - _expit(design @ beta + offset), information)
    return None


def _sandwich(sample: Sample, design: Floats, residual: Floats, information: Floats) -> Floats:
    """Covariance that is right also when a subject's rows are alike (Liang and Zeger 1986)."""
    subjects = sample.subjects
    scores = np.column_stack(
        [
            np.bincount(sample.subject, design[:, column] * residual, subjects)
            for column in range(design.shape[1])
        ]
    )
    bread = np.linalg.inv(information)
    return np.asarray(subjects / (subjects - 1) * bread @ (scores.T @ scores) @ bread)


def _expit(value: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-np.clip(value, -700, 700))))


def _estimate(fitted: tuple[Floats, Floats] | None, index: int) -> Measured:
    if fitted is None:
        return Unavailable("the scores part the classes without overlap")
    value = float(fitted[0][index])
    low, high = wald_interval(value, float(fitted[1][index, index]))
    return Estimate(value, low, high, _SANDWICH)


__all__ = [
    "LOGIT_BOUND",
    "CalibrationGroup",
    "brier",
    "brier_skill",
    "calibration_groups",
    "calibration_intercept",
    "calibration_slope",
]
