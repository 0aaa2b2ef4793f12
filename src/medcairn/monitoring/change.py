"""Tests of change between two samples, and the control of how many false alarms they give together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import kolmogorov
from scipy.stats import fisher_exact

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class DistributionTest:
    """Kolmogorov-Smirnov distance (0 to 1) and its p-value."""

    distance: float
    p_value: float


def kolmogorov_smirnov(
    reference: Floats, current: Floats, *, reference_size: int, current_size: int
) -> DistributionTest:
    """The largest distance between the two empirical distributions, without missing values.

    The p-value takes the sizes given, which are numbers of subjects where rows repeat: rows of one subject
    are alike, and counting them as independent makes alarms out of nothing. With ties it is on the safe
    side. Both samples hold at least one value.
    """
    first, second = np.sort(reference), np.sort(current)
    points = np.concatenate([first, second])
    below_first = np.searchsorted(first, points, side="right") / len(first)
    below_second = np.searchsorted(second, points, side="right") / len(second)
    distance = float(np.abs(below_first - below_second).max())
    root = math.sqrt(reference_size * current_size / (reference_size + current_size))
    # Kolmogorov's limit with the correction for finite samples of Stephens (1970, JRSS B 32:115).
    return DistributionTest(distance, float(kolmogorov((root + 0.12 + 0.11 / root) * distance)))


def proportion_test(first: float, second: float, *, first_size: int, second_size: int) -> float:
    """p-value of Fisher's exact test that two shares are equal."""
    a, b = round(first * first_size), round(second * second_size)
    if a + b in (0, first_size + second_size):
        return 1.0
    table = [[a, first_size - a], [b, second_size - b]]
    return min(float(fisher_exact(table).pvalue), 1.0)


def discoveries(p_values: Sequence[float], rate: float) -> list[bool]:
    """Which tests the procedure of Benjamini and Hochberg (1995, JRSS B 57:289) calls at this rate.

    Among the tests called, the expected share of false ones is at most ``rate``, also for tests that are
    positively dependent (Benjamini and Yekutieli 2001), as the tests of one feature are.
    """
    if not p_values:
        return []
    ordered = sorted(p_values)
    steps = [p for rank, p in enumerate(ordered, start=1) if p <= rate * rank / len(ordered)]
    limit = max(steps, default=-1.0)
    return [p <= limit for p in p_values]


__all__ = ["DistributionTest", "discoveries", "kolmogorov_smirnov", "proportion_test"]
