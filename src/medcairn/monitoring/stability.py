"""Population stability index: bins from the reference, smoothing, and a limit that knows the sample size."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc, chdtri

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

BINS = 10
SMOOTHING = 0.5
"""Added to every bin's count in both samples (Jeffreys), so that an empty bin gives no infinity."""


@dataclass(frozen=True)
class Stability:
    """A stability index. ``limit`` is what chance exceeds with probability 0.05; ``p_value`` is for the
    index itself. ``bins`` counts the bins in use, the one for missing values included."""

    psi: float
    limit: float
    p_value: float
    bins: int


def psi(expected: Floats, actual: Floats) -> float:
    """Σ (a - e) · ln(a / e) over bins, for two vectors of positive shares that each add up to 1.

    0 means equal; there is no upper end. It is the symmetric Kullback-Leibler divergence (Jeffreys 1946).
    """
    return float(np.sum((actual - expected) * np.log(actual / expected)))


def stability(
    reference: Floats, current: Floats, *, reference_size: int, current_size: int
) -> Stability | None:
    """The index of ``current`` against ``reference`` (NaN is missing); None when either is empty.

    Under no drift the index is about (1/N + 1/M) · χ² with one degree of freedom less than there are bins,
    so a fixed limit such as 0.1 alarms on small samples and sleeps on large ones. N and M are the sizes
    given, which are numbers of subjects where rows repeat.
    """
    if not len(reference) or not len(current):
        return None
    edges = _Binning(reference)
    expected, actual = edges.counts(reference), edges.counts(current)
    used = (expected + actual) > 0
    expected, actual = expected[used], actual[used]
    # Rows that repeat are scaled down to the subjects behind them, or smoothing would count for nothing.
    expected *= reference_size / len(reference)
    actual *= current_size / len(current)
    value = psi(_smoothed(expected), _smoothed(actual))
    scale = 1 / reference_size + 1 / current_size
    freedom = len(expected) - 1
    if freedom == 0:
        return Stability(0.0, math.inf, 1.0, 1)
    return Stability(
        psi=value,
        limit=float(scale * chdtri(freedom, 0.05)),
        p_value=float(chdtrc(freedom, max(value, 0.0) / scale)),
        bins=len(expected),
    )


class _Binning:
    """Bins of one feature: tenths of the reference with open tails, or its values when they are few."""

    def __init__(self, reference: Floats) -> None:
        present = reference[~np.isnan(reference)]
        values = np.unique(present)
        self._discrete = len(values) <= BINS
        tenths = np.arange(1, BINS) / BINS
        self._edges: Floats = values if self._discrete else np.unique(np.quantile(present, tenths))

    def counts(self, sample: Floats) -> Floats:
        """Rows in each bin; the last bin is for missing values."""
        missing = np.isnan(sample)
        present = sample[~missing]
        places = np.searchsorted(self._edges, present, side="left")
        size = len(self._edges) + 1
        if self._discrete:
            # A bin for each known value and one for each gap between, so that a new value is seen.
            known = np.append(self._edges, np.nan)[places] == present
            places, size = 2 * places + known, 2 * len(self._edges) + 1
        filled = np.bincount(places.astype(np.int64), minlength=size).astype(np.float64)
        return np.append(filled, float(np.count_nonzero(missing)))


def _smoothed(counts: Floats) -> Floats:
    smooth = counts + SMOOTHING
    return np.asarray(smooth / smooth.sum())


__all__ = ["BINS", "Stability", "psi", "stability"]
