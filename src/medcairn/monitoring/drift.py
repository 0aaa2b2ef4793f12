"""Every feature of a window against the reference, with one family of tests for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medcairn.monitoring.change import DistributionTest, discoveries, kolmogorov_smirnov, proportion_test
from medcairn.monitoring.report import FeatureChange, Finding, Status
from medcairn.monitoring.stability import Stability, stability

Floats = NDArray[np.float64]

NEGLIGIBLE_PSI = 0.02
"""A detectable change below this is no drift. It is a shift of about 0.14 standard deviations."""
NEGLIGIBLE_MISSING = 0.02
"""A detectable change of the missing share below this (2 points) is no drift."""
QUANTILES = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
"""No minimum and maximum: those are values of single subjects."""


@dataclass(frozen=True)
class Samples:
    """One column in both sets of rows (NaN is missing), and the sizes that the tests may count on."""

    name: str
    reference: Floats
    current: Floats
    reference_size: int
    current_size: int


@dataclass(frozen=True)
class _Measured:
    samples: Samples
    stability: Stability | None
    distribution: DistributionTest | None
    reference_missing: float
    current_missing: float
    missing_p_value: float

    def p_values(self) -> dict[Finding, float]:
        found = {Finding.MISSINGNESS: self.missing_p_value}
        if self.distribution is not None:
            found[Finding.DISTRIBUTION] = self.distribution.p_value
        if self.stability is not None and self.distribution is not None:
            found[Finding.STABILITY] = self.stability.p_value
        return found


def compare(
    columns: Sequence[Samples], *, false_discovery_rate: float, minimum_rows: int
) -> tuple[FeatureChange, ...]:
    """The change of each column, in order.

    A column's distribution is tested when both sides hold ``minimum_rows`` values; its missing share always.
    All tests of all columns are one family under Benjamini and Hochberg.
    """
    measured = [_measure(samples, minimum_rows) for samples in columns]
    keys = [(place, kind, p) for place, item in enumerate(measured) for kind, p in item.p_values().items()]
    called = discoveries([p for _, _, p in keys], false_discovery_rate)
    found: dict[int, list[Finding]] = {}
    for (place, kind, _), yes in zip(keys, called, strict=True):
        if yes:
            found.setdefault(place, []).append(kind)
    return tuple(_change(item, tuple(sorted(found.get(place, [])))) for place, item in enumerate(measured))


def _measure(samples: Samples, minimum_rows: int) -> _Measured:
    missing_before, missing_now = np.isnan(samples.reference), np.isnan(samples.current)
    before, now = samples.reference[~missing_before], samples.current[~missing_now]
    share_before, share_now = float(missing_before.mean()), float(missing_now.mean())
    distribution = None
    if min(len(before), len(now)) >= max(minimum_rows, 1):
        distribution = kolmogorov_smirnov(
            before,
            now,
            reference_size=max(round(samples.reference_size * (1 - share_before)), 1),
            current_size=max(round(samples.current_size * (1 - share_now)), 1),
        )
    return _Measured(
        samples=samples,
        stability=stability(
            samples.reference,
            samples.current,
            reference_size=samples.reference_size,
            current_size=samples.current_size,
        ),
        distribution=distribution,
        reference_missing=share_before,
        current_missing=share_now,
        missing_p_value=proportion_test(
            share_before, share_now, first_size=samples.reference_size, second_size=samples.current_size
        ),
    )


def _change(item: _Measured, findings: tuple[Finding, ...]) -> FeatureChange:
    index = item.stability
    shifted = index is not None and index.psi >= NEGLIGIBLE_PSI
    missing = abs(item.current_missing - item.reference_missing) >= NEGLIGIBLE_MISSING
    matters = tuple(f for f in findings if (missing if f is Finding.MISSINGNESS else shifted))
    status = Status.DRIFT if matters else Status.OK
    if not matters and item.distribution is None and not _absent(item.samples):
        status = Status.TOO_FEW_ROWS
    return FeatureChange(
        name=item.samples.name,
        status=status,
        findings=matters,
        negligible=bool(findings) and not matters,
        psi=None if index is None else index.psi,
        psi_limit=None if index is None else index.limit,
        psi_p_value=None if index is None else index.p_value,
        ks_distance=None if item.distribution is None else item.distribution.distance,
        ks_p_value=None if item.distribution is None else item.distribution.p_value,
        reference_missing=item.reference_missing,
        current_missing=item.current_missing,
        missing_p_value=item.missing_p_value,
        reference_quantiles=() if item.distribution is None else _quantiles(item.samples.reference),
        current_quantiles=() if item.distribution is None else _quantiles(item.samples.current),
    )


def _absent(samples: Samples) -> bool:
    """Missing everywhere, before and now: nothing to see, and nothing has changed."""
    return bool(np.isnan(samples.reference).all() and np.isnan(samples.current).all())


def _quantiles(values: Floats) -> tuple[float, ...]:
    return tuple(float(value) for value in np.nanquantile(values, QUANTILES))


__all__ = ["NEGLIGIBLE_MISSING", "NEGLIGIBLE_PSI", "QUANTILES", "Samples", "compare"]
