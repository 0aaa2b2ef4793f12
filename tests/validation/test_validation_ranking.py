"""AUROC, AUPRC and operating point against brute force and against scikit-learn."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

from medcairn.validation import Estimate, Metric, OperatingPoint, Sample, Unavailable, measure
from medcairn.validation.auroc import auroc, auroc_difference, clustered_variance, structural_components
from medcairn.validation.ranking import (
    Ladder,
    average_precision_of,
    operating_point,
    roc_points,
    threshold_at,
)


def drawn(seed: int, rows: int = 120, *, ties: bool = True, per_subject: int = 1) -> Sample:
    generator = np.random.default_rng(seed)
    latent = np.repeat(generator.normal(size=rows // per_subject), per_subject)
    score = 1 / (1 + np.exp(-(latent + 0.5 * generator.normal(size=rows))))
    outcome = generator.random(rows) < 1 / (1 + np.exp(1 - 1.5 * latent))
    subject = np.repeat(np.arange(rows // per_subject), per_subject)
    return Sample.of(outcome, np.round(score, 1) if ties else score, subject)


def brute_delong(sample: Sample) -> tuple[float, float]:
    """DeLong 1988 as it is written down: every pair, then the variances of the components."""
    positive, negative = sample.score[sample.outcome], sample.score[~sample.outcome]
    kernel = np.array([[1.0 if x > y else 0.5 if x == y else 0.0 for y in negative] for x in positive])
    variance = kernel.mean(1).var(ddof=1) / len(positive) + kernel.mean(0).var(ddof=1) / len(negative)
    return float(kernel.mean()), float(variance)


@pytest.mark.parametrize("seed", range(6))
def test_delong_agrees_with_every_pair_compared(seed: int) -> None:
    sample = drawn(seed, ties=seed % 2 == 0)
    value, variance = brute_delong(sample)
    found = structural_components(sample)
    assert found[0] == pytest.approx(value, abs=1e-12)
    assert clustered_variance(sample, *found) == pytest.approx(variance, rel=1e-9)
    assert found[0] == pytest.approx(roc_auc_score(sample.outcome, sample.score), abs=1e-12)


def test_repeating_every_row_of_a_subject_adds_no_certainty() -> None:
    once = drawn(4)
    twice = Sample.of(
        np.repeat(once.outcome, 2), np.repeat(once.score, 2), np.repeat(np.arange(once.rows), 2)
    )
    first, second = auroc(once), auroc(twice)
    assert isinstance(first, Estimate)
    assert isinstance(second, Estimate)
    assert (second.value, second.low, second.high) == pytest.approx((first.value, first.low, first.high))


def test_the_interval_covers_the_truth_about_as_often_as_it_says_with_repeated_rows() -> None:
    truth = np.mean([structural_components(drawn(s, 2000, ties=False, per_subject=4))[0] for s in range(40)])
    hits: int = 0
    for seed in range(100, 400):
        found = auroc(drawn(seed, 240, ties=False, per_subject=4))
        assert isinstance(found, Estimate)
        hits += bool(found.low <= truth <= found.high)
    assert 0.90 <= hits / 300 <= 0.985


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 20)), min_size=6, max_size=60))
def test_auroc_depends_on_order_only_and_mirrors(rows: list[tuple[bool, int]]) -> None:
    outcome = np.array([r[0] for r in rows])
    score = np.array([r[1] for r in rows]) / 20
    found = auroc(Sample.of(outcome, score))
    squared, mirrored = auroc(Sample.of(outcome, score**2)), auroc(Sample.of(~outcome, score))
    if isinstance(found, Unavailable):
        assert isinstance(mirrored, Unavailable)
        return
    assert isinstance(squared, Estimate)
    assert isinstance(mirrored, Estimate)
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert squared.value == pytest.approx(found.value)
    assert mirrored.value == pytest.approx(1 - found.value)
    assert (1 - mirrored.high, 1 - mirrored.low) == pytest.approx((found.low, found.high))


def test_perfect_separation_does_not_claim_certainty() -> None:
    sample = Sample.of(np.array([False] * 20 + [True] * 5), np.linspace(0, 1, 25))
    found = auroc(sample)
    assert isinstance(found, Estimate)
    assert found.value == 1.0
    assert found.low == pytest.approx(0.025 ** (1 / 5))


def test_one_class_and_no_rows_are_reasons_and_no_crash() -> None:
    for outcome in ([], [True, True], [False]):
        sample = Sample.of(np.array(outcome, np.bool_), np.full(len(outcome), 0.5))
        point = OperatingPoint(0.8, None, fixed_before=False)
        found = measure(sample, point, replicates=100, seed=1)
        unavailable = {metric for metric, value in found.items() if isinstance(value, Unavailable)}
        assert unavailable == set(Metric) - {Metric.ROWS, Metric.POSITIVES, Metric.SUBGROUP_AUROC_GAP}


def test_difference_is_wider_when_more_groups_were_looked_at() -> None:
    a, b = Estimate(0.8, 0.75, 0.85, ""), Estimate(0.7, 0.65, 0.75, "")
    one, ten = auroc_difference(a, b, comparisons=1), auroc_difference(a, b, comparisons=10)
    assert one.value == pytest.approx(0.1)
    assert one.high - one.low == pytest.approx(2 * np.hypot(0.05, 0.05))
    assert ten.low < one.low < one.high < ten.high


@pytest.mark.parametrize("seed", range(4))
def test_average_precision_agrees_with_scikit_learn_also_weighted(seed: int) -> None:
    sample = drawn(seed)
    weights = np.random.default_rng(seed).integers(0, 3, size=(5, sample.rows)).astype(np.float64)
    found = average_precision_of(Ladder(sample))(weights)
    expected = [average_precision_score(sample.outcome, sample.score, sample_weight=w) for w in weights]
    assert found == pytest.approx(expected, abs=1e-12)


def test_roc_points_agree_with_scikit_learn() -> None:
    sample = drawn(2)
    rates, sensitivity = roc_points(sample)
    expected = roc_curve(sample.outcome, sample.score, drop_intermediate=False)
    assert rates == pytest.approx(expected[0])
    assert sensitivity == pytest.approx(expected[1])


@settings(max_examples=60)
@given(st.integers(0, 10_000), st.sampled_from([0.5, 0.8, 0.95]))
def test_the_threshold_is_the_lowest_that_keeps_the_specificity(seed: int, wanted: float) -> None:
    sample = drawn(seed, 60)
    threshold = threshold_at(sample, wanted)
    candidates = [t for t in np.unique(sample.score) if (sample.score[~sample.outcome] < t).mean() >= wanted]
    assert threshold == (min(candidates) if candidates else None)


def test_operating_point_metrics_are_the_shares_they_name() -> None:
    sample = drawn(8, 300)
    for threshold in (None, 0.6):
        found = operating_point(sample, specificity=0.8, threshold=threshold, replicates=200, seed=1)
        cut = threshold if threshold is not None else threshold_at(sample, 0.8)
        assert cut is not None
        called = sample.score >= cut
        expected = {
            "sensitivity": called[sample.outcome].mean(),
            "specificity": (~called)[~sample.outcome].mean(),
            "ppv": sample.outcome[called].mean(),
            "npv": (~sample.outcome)[~called].mean(),
        }
        for name, share in expected.items():
            value = found[name]
            assert isinstance(value, Estimate)
            assert value.value == pytest.approx(share)
            assert 0 <= value.low <= value.value <= value.high <= 1


def test_all_metrics_of_400_rows_with_1000_replicates_take_less_than_three_seconds() -> None:
    sample = drawn(1, 400, ties=False)
    started = time.perf_counter()
    measure(sample, OperatingPoint(0.8, None, fixed_before=False), replicates=1000, seed=1)
    assert time.perf_counter() - started < 3
