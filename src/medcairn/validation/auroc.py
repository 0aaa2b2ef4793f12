"""AUROC with the interval of DeLong, extended to subjects with several rows.

DeLong, DeLong and Clarke-Pearson 1988 (Biometrics 44:837) give the variance from structural components;
Obuchowski 1997 (Biometrics 53:567) sums the components of a subject's rows before squaring, so that rows
of one subject do not count as independent. With one row a subject the two are the same number.
The components come from midranks (Sun and Xu 2014, IEEE SPL 21:1389): O(n log n).
"""

from __future__ import annotations

import math

import numpy as np
from scipy.stats import norm, rankdata

from medcairn.validation.estimate import NO_ROWS, ONE_CLASS, Estimate, Measured, Unavailable, wald_interval
from medcairn.validation.sample import Floats, Sample


def auroc(sample: Sample) -> Measured:
    """Area under the ROC curve: the chance that a positive row scores above a negative one, ties half.

    Range 0 to 1; 0.5 is no discrimination. The interval is Wald's with the clustered DeLong variance, cut
    to [0, 1]. When the classes are parted without overlap that variance is 0; then the interval's inner
    end is the exact binomial bound 0.025^(1/min(positives, negatives)).

    Unavailable with fewer than two rows, or two subjects, of a class.
    """
    if sample.rows == 0:
        return NO_ROWS
    if sample.positives == 0 or sample.negatives == 0:
        return ONE_CLASS
    value, positive, negative = structural_components(sample)
    variance = clustered_variance(sample, value, positive, negative)
    if variance is None:
        return Unavailable("fewer than two subjects of an outcome class")
    if variance == 0.0 and value in (0.0, 1.0):
        bound = 0.025 ** (1 / min(sample.positives, sample.negatives))
        low, high = (bound, 1.0) if value == 1.0 else (0.0, 1.0 - bound)
        return Estimate(value, low, high, "exact binomial bound (no overlap)")
    low, high = wald_interval(value, variance)
    return Estimate(value, max(low, 0.0), min(high, 1.0), "DeLong, clustered by subject")


def structural_components(sample: Sample) -> tuple[float, Floats, Floats]:
    """AUROC, and per positive row and per negative row the share of the other class that it beats.

    Both classes must occur.
    """
    positive, negative = sample.score[sample.outcome], sample.score[~sample.outcome]
    together = rankdata(np.concatenate([positive, negative]))
    of_positive = (together[: len(positive)] - rankdata(positive)) / len(negative)
    of_negative = 1.0 - (together[len(positive) :] - rankdata(negative)) / len(positive)
    return float(of_positive.mean()), of_positive, of_negative


def clustered_variance(sample: Sample, value: float, positive: Floats, negative: Floats) -> float | None:
    """Obuchowski's variance of the AUROC; None when a class has fewer than two subjects."""
    whose_positive, whose_negative = sample.subject[sample.outcome], sample.subject[~sample.outcome]
    with_positive, with_negative = len(np.unique(whose_positive)), len(np.unique(whose_negative))
    if with_positive < 2 or with_negative < 2:
        return None
    subjects = sample.subjects
    excess_positive = np.bincount(whose_positive, positive - value, subjects)
    excess_negative = np.bincount(whose_negative, negative - value, subjects)
    m, n = len(positive), len(negative)
    of_positive = with_positive / ((with_positive - 1) * m) * float(excess_positive @ excess_positive)
    of_negative = with_negative / ((with_negative - 1) * n) * float(excess_negative @ excess_negative)
    present = len(np.unique(sample.subject))
    shared = present / (present - 1) * float(excess_positive @ excess_negative)
    return max(of_positive / m + of_negative / n + 2 * shared / (m * n), 0.0)


def auroc_difference(better: Estimate, worse: Estimate, *, comparisons: int) -> Estimate:
    """``better`` less ``worse`` for two disjoint groups, with a Bonferroni interval for ``comparisons``.

    The standard errors are read back from the two intervals, the wider half of each.
    """
    spread = math.hypot(_standard_error(better), _standard_error(worse))
    reach = float(norm.ppf(1 - 0.025 / max(comparisons, 1))) * spread
    value = better.value - worse.value
    return Estimate(value, value - reach, value + reach, f"DeLong, Bonferroni over {comparisons} groups")


def _standard_error(estimate: Estimate) -> float:
    half = max(estimate.high - estimate.value, estimate.value - estimate.low)
    return half / float(norm.ppf(0.975))


__all__ = ["auroc", "auroc_difference", "clustered_variance", "structural_components"]
