"""What follows from the order of the scores: AUPRC, ROC points, and the operating point.

All functions of weights take shape (replicates, rows), so that a bootstrap is one pass over arrays.
"""

from __future__ import annotations

import numpy as np

from medcairn.validation.bootstrap import WeightedMetric, interval_of, subject_weights
from medcairn.validation.estimate import NO_ROWS, ONE_CLASS, Measured
from medcairn.validation.sample import Floats, Ints, Sample

OPERATING_METRICS = ("sensitivity", "specificity", "ppv", "npv")


class Ladder:
    """The sample's distinct scores from high to low, and what lies at or above each.

    A row is called positive when its score is at or above the threshold, so tied rows are called together.
    The sample has at least one row.
    """

    def __init__(self, sample: Sample) -> None:
        order = np.argsort(-sample.score, kind="stable")
        ranked = sample.score[order]
        self._order: Ints = order
        self._last: Ints = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))
        self._outcome: Floats = sample.outcome[order].astype(np.float64)
        self.thresholds: Floats = ranked[self._last]

    def counts(self, weights: Floats) -> tuple[Floats, Floats]:
        """True and false positives at each threshold, shape (replicates, thresholds)."""
        ranked = weights[:, self._order]
        called = np.cumsum(ranked, axis=1)[:, self._last]
        true = np.cumsum(ranked * self._outcome, axis=1)[:, self._last]
        return true, called - true


def average_precision(sample: Sample, *, replicates: int, seed: int) -> Measured:
    """AUPRC as average precision: precision at each threshold, weighted by the step of the sensitivity.

    Range 0 to 1; a model without discrimination scores the prevalence, so compare it with that. No
    interpolation between points (Davis and Goadrich 2006). The bootstrap is stratified, so the interval
    is for samples with this number of positive subjects.
    """
    if sample.rows == 0:
        return NO_ROWS
    metric = average_precision_of(Ladder(sample))
    return interval_of(sample, metric, replicates=replicates, seed=seed, stratified=True)


def average_precision_of(ladder: Ladder) -> WeightedMetric:
    """Average precision as a function of weights."""

    def metric(weights: Floats) -> Floats:
        true, false = ladder.counts(weights)
        called = true + false
        precision = np.divide(true, called, out=np.zeros_like(true), where=called > 0)
        steps = np.diff(true, axis=1, prepend=0.0)
        total = true[:, -1]
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray((steps * precision).sum(axis=1) / total)

    return metric


def threshold_at(sample: Sample, specificity: float) -> float | None:
    """The lowest score that, as threshold, keeps at least this specificity; None when none does.

    Both classes must occur.
    """
    ladder = Ladder(sample)
    step = _step_at(*ladder.counts(np.ones((1, sample.rows))), specificity)[0]
    return float(ladder.thresholds[step]) if step >= 0 else None


def operating_point(
    sample: Sample, *, specificity: float, threshold: float | None, replicates: int, seed: int
) -> dict[str, Measured]:
    """Sensitivity, specificity, PPV and NPV at one threshold, each 0 to 1, with bootstrap intervals.

    With ``threshold`` given (fixed before, on other rows) it is held fixed. Without, it is the lowest that
    keeps ``specificity`` on these rows, and it is chosen anew in each replicate, so that the interval
    carries the uncertainty of the choice; the estimate itself stays slightly optimistic.
    """
    if sample.rows == 0 or sample.positives == 0 or sample.negatives == 0:
        return dict.fromkeys(OPERATING_METRICS, NO_ROWS if sample.rows == 0 else ONE_CLASS)
    ladder = Ladder(sample)
    return {
        name: interval_of(
            sample, _operating_metric(ladder, name, specificity, threshold), replicates=replicates, seed=seed
        )
        for name in OPERATING_METRICS
    }


def _operating_metric(
    ladder: Ladder, name: str, specificity: float, threshold: float | None
) -> WeightedMetric:
    def metric(weights: Floats) -> Floats:
        true, false = ladder.counts(weights)
        positives, negatives = true[:, -1], false[:, -1]
        if threshold is None:
            step = _step_at(true, false, specificity)
        else:
            step = np.full(len(true), np.searchsorted(-ladder.thresholds, -threshold, side="right") - 1)
        rows = np.arange(len(true))
        hit = np.where(step >= 0, true[rows, step], 0.0)
        wrong = np.where(step >= 0, false[rows, step], 0.0)
        parts = {
            "sensitivity": (hit, positives),
            "specificity": (negatives - wrong, negatives),
            "ppv": (hit, hit + wrong),
            "npv": (negatives - wrong, negatives - wrong + positives - hit),
        }[name]
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(parts[0] / parts[1])

    return metric


def _step_at(true: Floats, false: Floats, specificity: float) -> Ints:
    """The last rung of the ladder whose specificity is enough, in each replicate; -1 for none."""
    allowed = false <= (1 - specificity) * false[:, -1:] + 1e-9
    return np.asarray(allowed.sum(axis=1) - 1, np.int64)


def roc_points(sample: Sample) -> tuple[Floats, Floats]:
    """False positive rate and sensitivity at each threshold, from (0, 0) to (1, 1)."""
    true, false = Ladder(sample).counts(np.ones((1, sample.rows)))
    return (
        np.append(0.0, false[0] / sample.negatives),
        np.append(0.0, true[0] / sample.positives),
    )


def roc_band(sample: Sample, *, replicates: int, seed: int) -> tuple[Floats, Floats, Floats]:
    """A grid of false positive rates with the 95% bootstrap interval of the sensitivity at each."""
    grid = np.linspace(0, 1, 101)
    ladder = Ladder(sample)
    weights = subject_weights(sample, min(replicates, 400), seed, stratified=True)
    true, false = ladder.counts(weights)
    curves = np.vstack(
        [
            np.interp(grid, np.append(0, f / f[-1]), np.append(0, t / t[-1]))
            for t, f in zip(true, false, strict=True)
        ]
    )
    low, high = np.quantile(curves, [0.025, 0.975], axis=0)
    return grid, low, high


__all__ = [
    "OPERATING_METRICS",
    "Ladder",
    "average_precision",
    "average_precision_of",
    "operating_point",
    "roc_band",
    "roc_points",
    "threshold_at",
]
