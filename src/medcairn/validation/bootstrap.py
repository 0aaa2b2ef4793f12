"""Bootstrap by subject: a subject is drawn with all of its rows, or not at all.

A replicate is a vector of weights, the number of times that each row was drawn. A metric takes the weights
of many replicates at once, shape (replicates, rows), and gives one number for each.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from medcairn.validation.estimate import NO_ROWS, ONE_CLASS, Estimate, Measured, Unavailable
from medcairn.validation.sample import Floats, Sample

WeightedMetric: TypeAlias = Callable[[Floats], Floats]
"""Weights (replicates, rows) to values (replicates,); NaN where a replicate gives none."""

_BLOCK_CELLS = 4_000_000


def subject_weights(sample: Sample, replicates: int, seed: int, *, stratified: bool) -> Floats:
    """Weights of shape (replicates, rows).

    ``stratified`` draws subjects with and without a positive row apart, so that their numbers stay as
    observed and both classes occur in every replicate.
    """
    generator = np.random.default_rng(seed)
    with_positive = np.bincount(sample.subject[sample.outcome], minlength=sample.subjects) > 0
    strata = (
        [np.flatnonzero(with_positive), np.flatnonzero(~with_positive)]
        if stratified
        else [np.arange(sample.subjects)]
    )
    counts = np.zeros((replicates, sample.subjects))
    for members in strata:
        if len(members):
            share = np.full(len(members), 1 / len(members))
            counts[:, members] = generator.multinomial(len(members), share, size=replicates)
    return counts[:, sample.subject]


def interval_of(
    sample: Sample, metric: WeightedMetric, *, replicates: int, seed: int, stratified: bool = False
) -> Measured:
    """The metric on the sample, with the percentile bootstrap interval (Efron and Tibshirani 1993, ch. 13).

    Replicates where the metric cannot be computed are left out; with more than one in twenty of them the
    metric is unavailable.
    """
    if sample.rows == 0:
        return NO_ROWS
    if sample.positives == 0 or sample.negatives == 0:
        return ONE_CLASS
    value = float(metric(np.ones((1, sample.rows)))[0])
    drawn = replicate_values(sample, metric, replicates=replicates, seed=seed, stratified=stratified)
    usable = drawn[np.isfinite(drawn)]
    if not np.isfinite(value) or len(usable) < 0.95 * replicates:
        return Unavailable("too few rows for a bootstrap interval")
    low, high = np.quantile(usable, [0.025, 0.975])
    scheme = "bootstrap by subject, stratified" if stratified else "bootstrap by subject"
    return Estimate(value, min(float(low), value), max(float(high), value), scheme)


def replicate_values(
    sample: Sample, metric: WeightedMetric, *, replicates: int, seed: int, stratified: bool
) -> Floats:
    """The metric on each replicate, computed in blocks of bounded memory (about 32 MB)."""
    block = max(1, _BLOCK_CELLS // max(sample.rows, 1))
    values = []
    for number, start in enumerate(range(0, replicates, block)):
        size = min(block, replicates - start)
        values.append(metric(subject_weights(sample, size, seed + number, stratified=stratified)))
    return np.concatenate(values)


__all__ = ["WeightedMetric", "interval_of", "replicate_values", "subject_weights"]
