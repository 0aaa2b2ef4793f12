"""Intervals against published values and against a second way of computing them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medcairn.validation.bootstrap import interval_of, subject_weights
from medcairn.validation.estimate import Estimate, wald_interval, wilson_interval
from medcairn.validation.sample import Ints, Sample


@pytest.mark.parametrize(
    ("successes", "total", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611)],
)
def test_wilson_gives_the_published_values(successes: int, total: int, low: float, high: float) -> None:
    assert wilson_interval(successes, total) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_holds_the_share_and_stays_a_probability(counts: tuple[int, int]) -> None:
    successes, total = counts
    low, high = wilson_interval(successes, total)
    assert 0 <= low <= successes / total <= high <= 1
    mirrored = wilson_interval(total - successes, total)
    assert (1 - mirrored[1], 1 - mirrored[0]) == pytest.approx((low, high))


def test_nothing_seen_is_nothing_known() -> None:
    assert wilson_interval(0, 0) == (0.0, 1.0)


def test_wald_gives_the_published_delong_interval_of_s100b() -> None:
    assert wald_interval(0.7313685637, 0.00266868245717) == pytest.approx((0.6301182, 0.8326189), abs=5e-8)


def test_an_estimate_is_never_nan() -> None:
    with pytest.raises(ValueError, match="finite"):
        Estimate(float("nan"), 0.0, 1.0, "none")


def test_bootstrap_draws_whole_subjects() -> None:
    subject = np.array([0, 0, 1, 1, 1, 2])
    sample = Sample.of(np.array([True, False, False, False, True, False]), np.full(6, 0.5), subject)
    weights = subject_weights(sample, 200, seed=3, stratified=False)
    assert (weights[:, 0] == weights[:, 1]).all()
    assert (weights[:, 2] == weights[:, 4]).all()
    assert (weights[:, [0, 2, 5]].sum(axis=1) == 3).all()


def test_stratified_bootstrap_keeps_the_number_of_positive_subjects() -> None:
    outcome = np.array([True] * 4 + [False] * 30)
    sample = Sample.of(outcome, np.linspace(0, 1, 34))
    weights = subject_weights(sample, 200, seed=3, stratified=True)
    assert (weights[:, outcome].sum(axis=1) == 4).all()


def test_bootstrap_interval_of_a_mean_agrees_with_theory_and_widens_with_clustering() -> None:
    generator = np.random.default_rng(11)
    score = np.repeat(generator.random(150), 4)
    outcome = generator.random(600) < 0.3

    def width(subject: Ints) -> float:
        sample = Sample.of(outcome, score, subject)
        found = interval_of(
            sample, lambda weights: (weights @ score) / weights.sum(axis=1), replicates=2000, seed=1
        )
        assert isinstance(found, Estimate)
        return found.high - found.low

    alone, together = width(np.arange(600)), width(np.repeat(np.arange(150), 4))
    assert alone == pytest.approx(2 * 1.96 * score.std() / np.sqrt(600), rel=0.1)
    assert together == pytest.approx(2 * alone, rel=0.15)
