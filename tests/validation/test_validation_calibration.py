"""Calibration and net benefit, each computed another way or taken from a published reference."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.metrics import brier_score_loss

from medcairn.validation.calibration import (
    brier,
    brier_skill,
    calibration_groups,
    calibration_intercept,
    calibration_slope,
)
from medcairn.validation.estimate import Estimate, Unavailable
from medcairn.validation.net_benefit import net_benefit, net_benefit_of_all
from medcairn.validation.sample import Floats, Sample

CURVES = Path(__file__).resolve().parents[2].parent / "shared" / "conformance" / "decision-curves"


def calibrated(seed: int, rows: int = 400, *, slope: float = 1.0, shift: float = 0.0) -> Sample:
    """Outcomes whose log odds are ``shift + slope · logit(score)``."""
    generator = np.random.default_rng(seed)
    logit = generator.normal(-1.5, 1.0, rows)
    outcome = generator.random(rows) < 1 / (1 + np.exp(-(shift + slope * logit)))
    return Sample.of(outcome, 1 / (1 + np.exp(-logit)))


def likelihood_fit(sample: Sample, columns: Floats, offset: Floats) -> Floats:
    """The same regression by a general optimiser on the log likelihood."""
    sign = np.where(sample.outcome, 1.0, -1.0)

    def loss(beta: Floats) -> float:
        return float(np.logaddexp(0, -sign * (columns @ beta + offset)).sum())

    return np.asarray(minimize(loss, np.zeros(columns.shape[1]), method="Nelder-Mead", tol=1e-12).x)


def test_slope_and_intercept_are_the_maximum_likelihood_ones() -> None:
    sample = calibrated(3, slope=0.6, shift=0.4)
    logit = np.log(sample.score / (1 - sample.score))
    slope, intercept = calibration_slope(sample), calibration_intercept(sample)
    assert isinstance(slope, Estimate)
    assert isinstance(intercept, Estimate)
    both = likelihood_fit(sample, np.column_stack([np.ones(sample.rows), logit]), np.zeros(sample.rows))
    alone = likelihood_fit(sample, np.ones((sample.rows, 1)), logit)
    assert slope.value == pytest.approx(both[1], abs=1e-5)
    assert intercept.value == pytest.approx(alone[0], abs=1e-5)


def test_intervals_cover_the_truth_about_as_often_as_they_say() -> None:
    slope_hits = intercept_hits = 0
    for seed in range(300):
        sample = calibrated(seed)
        slope, intercept = calibration_slope(sample), calibration_intercept(sample)
        assert isinstance(slope, Estimate)
        assert isinstance(intercept, Estimate)
        slope_hits += slope.low <= 1 <= slope.high
        intercept_hits += intercept.low <= 0 <= intercept.high
    assert 0.90 <= slope_hits / 300 <= 0.985
    assert 0.90 <= intercept_hits / 300 <= 0.985


def test_repeating_every_row_of_a_subject_adds_no_certainty() -> None:
    once = calibrated(5)
    twice = Sample.of(
        np.repeat(once.outcome, 2), np.repeat(once.score, 2), np.repeat(np.arange(once.rows), 2)
    )
    first, second = calibration_slope(once), calibration_slope(twice)
    assert isinstance(first, Estimate)
    assert isinstance(second, Estimate)
    assert (second.low, second.high) == pytest.approx((first.low, first.high))


def test_overconfident_scores_have_a_slope_below_one() -> None:
    found = calibration_slope(calibrated(1, 3000, slope=0.5))
    assert isinstance(found, Estimate)
    assert found.high < 0.75


def test_scores_of_exactly_0_and_1_are_no_crash() -> None:
    sample = Sample.of(np.array([True, False] * 50), np.tile([1.0, 0.0, 0.0, 1.0, 0.6], 20))
    assert isinstance(calibration_slope(sample), Estimate)


@pytest.mark.parametrize(
    ("outcome", "score"),
    [([False] * 9 + [True] * 9, list(np.linspace(0.1, 0.9, 18))), ([True, False] * 9, [0.3] * 18)],
)
def test_a_slope_that_does_not_exist_is_a_reason(outcome: list[bool], score: list[float]) -> None:
    assert isinstance(calibration_slope(Sample.of(np.array(outcome), np.array(score))), Unavailable)


def test_brier_agrees_with_scikit_learn_and_skill_with_its_definition() -> None:
    sample = calibrated(2)
    found = brier(sample, replicates=300, seed=1)
    skill = brier_skill(sample, replicates=300, seed=1)
    assert isinstance(found, Estimate)
    assert isinstance(skill, Estimate)
    assert found.value == pytest.approx(brier_score_loss(sample.outcome, sample.score))
    assert found.low < found.value < found.high
    reference = sample.prevalence * (1 - sample.prevalence)
    assert skill.value == pytest.approx(1 - found.value / reference)


def test_quoting_the_prevalence_has_no_skill() -> None:
    sample = Sample.of(np.array([True] * 30 + [False] * 70), np.full(100, 0.3))
    skill = brier_skill(sample, replicates=300, seed=1)
    assert isinstance(skill, Estimate)
    assert skill.value == pytest.approx(0.0)
    assert skill.low < 0


def test_groups_hold_every_row_and_at_least_twenty_each() -> None:
    assert len(calibration_groups(calibrated(1, 500))) == 10
    assert len(calibration_groups(calibrated(1, 59))) == 2
    group = calibration_groups(calibrated(1, 19))[0]
    assert group.low <= group.observed <= group.high


def test_net_benefit_agrees_with_the_published_decision_curves() -> None:
    if not CURVES.is_dir():
        pytest.skip("the decision-curve reference is not beside this checkout")
    with (CURVES / "df_binary.csv").open(encoding="utf-8") as stream:
        people = list(csv.DictReader(stream))
    outcome = np.array([row["cancer"] == "TRUE" for row in people])
    with (CURVES / "r_dca_famhistory.csv").open(encoding="utf-8") as stream:
        expected = [row for row in csv.DictReader(stream) if float(row["threshold"]) > 0]
    score = np.array([float(row["famhistory"]) for row in people])
    compared = 0
    for row in expected:
        threshold = np.array([float(row["threshold"])])
        if row["variable"] == "famhistory":
            found = net_benefit(outcome, score, threshold)[0]
        elif row["variable"] == "all":
            found = net_benefit_of_all(float(outcome.mean()), threshold)[0]
        else:
            continue
        assert found == pytest.approx(float(row["net_benefit"]), abs=1e-9)
        compared += 1
    assert compared > 50
    worked = net_benefit(outcome, score, np.array([0.05]))[0]
    assert worked == pytest.approx(0.0256140351, abs=1e-9)
