"""The statistics of drift against published values, another implementation, and simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import false_discovery_control, ks_2samp

from medcairn.monitoring import Status, psi
from medcairn.monitoring.change import discoveries, kolmogorov_smirnov, proportion_test
from medcairn.monitoring.drift import Samples, compare
from medcairn.monitoring.stability import stability

from .windows import Floats, column


def test_psi_gives_the_published_value() -> None:
    assert psi(np.array([0.5, 0.5]), np.array([0.25, 0.75])) == pytest.approx(0.2746530722, abs=1e-10)


@given(st.lists(st.integers(1, 100), min_size=2, max_size=12))
def test_psi_is_never_negative_and_the_same_both_ways(counts: list[int]) -> None:
    first = np.array(counts) / sum(counts)
    second = first[::-1]
    assert psi(first, second) == pytest.approx(psi(second, first))
    assert psi(first, second) >= 0
    assert psi(first, first) == 0


@pytest.mark.parametrize("seed", range(4))
def test_kolmogorov_smirnov_agrees_with_scipy(seed: int) -> None:
    generator = np.random.default_rng(seed)
    first, second = generator.normal(size=300), generator.normal(0.1 * seed, 1, size=170)
    if seed % 2:
        first, second = np.round(first, 1), np.round(second, 1)
    found = kolmogorov_smirnov(first, second, reference_size=300, current_size=170)
    expected = ks_2samp(first, second, method="asymp")
    assert found.distance == pytest.approx(expected.statistic)
    assert found.p_value == pytest.approx(expected.pvalue, abs=0.02)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40), st.sampled_from([0.01, 0.05, 0.2]))
def test_discoveries_agree_with_scipy(p_values: list[float], rate: float) -> None:
    adjusted = false_discovery_control(p_values)
    clear = np.abs(adjusted - rate) > 1e-9
    assert [a for a, keep in zip(discoveries(p_values, rate), clear, strict=True) if keep] == [
        bool(q <= rate) for q, keep in zip(adjusted, clear, strict=True) if keep
    ]


def test_proportions_without_a_difference_are_certain() -> None:
    assert proportion_test(0.0, 0.0, first_size=100, second_size=50) == 1.0
    assert proportion_test(1.0, 1.0, first_size=100, second_size=50) == 1.0
    assert proportion_test(0.1, 0.5, first_size=100, second_size=100) < 1e-6


def index_of(reference: Floats, current: Floats) -> float:
    found = stability(reference, current, reference_size=len(reference), current_size=len(current))
    assert found is not None
    return found.psi


def test_a_new_value_of_a_discrete_feature_is_seen_on_either_side_and_between() -> None:
    reference = np.repeat([1.0, 2.0], 200)
    for new in (0.0, 1.5, 7.0):
        current = np.where(np.arange(400) % 4 == 0, new, reference)
        assert index_of(reference, current) > 0.5


def test_a_constant_feature_that_stays_is_stable_and_one_that_moves_is_not() -> None:
    constant = np.full(300, 5.0)
    assert index_of(constant, constant) == 0.0
    assert index_of(constant, constant - 1) > 1


def test_values_beyond_the_reference_fall_into_open_tails() -> None:
    reference = np.random.default_rng(1).normal(size=1000)
    assert np.isfinite(index_of(reference, reference * 1e12))


def test_missing_values_have_a_bin_of_their_own() -> None:
    reference = np.random.default_rng(1).normal(size=1000)
    current = np.where(np.arange(1000) % 2 == 0, np.nan, reference)
    assert index_of(reference, current) > 0.5
    nothing = np.full(100, np.nan)
    assert index_of(nothing, nothing) == 0.0


def test_nothing_to_compare_is_none() -> None:
    assert stability(np.array([]), np.array([1.0]), reference_size=1, current_size=1) is None


@pytest.mark.parametrize(("rows", "expected_share"), [(100, 0.05), (2000, 0.05)])
def test_the_limit_is_exceeded_by_chance_as_often_as_it_says_at_any_size(
    rows: int, expected_share: float
) -> None:
    generator = np.random.default_rng(5)
    exceeded = above_fixed = 0
    for _ in range(400):
        found = stability(
            generator.normal(size=rows), generator.normal(size=rows), reference_size=rows, current_size=rows
        )
        assert found is not None
        exceeded += found.psi > found.limit
        above_fixed += found.psi > 0.1
    assert exceeded / 400 == pytest.approx(expected_share, abs=0.035)
    # The fixed limit of 0.1 that is often used: nearly always noise at 100 rows, never at 2,000.
    assert (above_fixed / 400 > 0.6) is (rows == 100)


def window(seed: int, reference_rows: int, current_rows: int, *, features: int = 50) -> list[Samples]:
    generator = np.random.default_rng(seed)
    return [
        Samples(
            f"feature_{kind}",
            column(generator, kind, reference_rows),
            column(generator, kind, current_rows),
            reference_rows,
            current_rows,
        )
        for kind in range(features)
    ]


def test_fifty_unchanged_features_of_200_rows_alarm_in_at_most_one_window_of_ten() -> None:
    alarms = 0
    for seed in range(60):
        changes = compare(window(seed, 200, 200), false_discovery_rate=0.05, minimum_rows=50)
        alarms += any(change.status is Status.DRIFT for change in changes)
    assert alarms <= 6


def test_a_real_shift_is_found_among_fifty_features_and_the_others_are_left_alone() -> None:
    found = false = 0
    for seed in range(10):
        columns = window(seed, 400, 300)
        moved = columns[1]
        columns[1] = Samples(moved.name, moved.reference, moved.current * 1.8, 400, 300)
        changes = compare(columns, false_discovery_rate=0.05, minimum_rows=50)
        found += changes[1].status is Status.DRIFT
        false += sum(change.status is Status.DRIFT for change in [changes[0], *changes[2:]])
    assert found >= 9
    assert false <= 2


def test_repeated_rows_of_few_subjects_raise_no_alarm() -> None:
    alarms = 0
    for seed in range(40):
        generator = np.random.default_rng(seed)
        columns = [
            Samples(
                f"feature_{number}",
                np.repeat(generator.normal(size=100), 8),
                np.repeat(generator.normal(size=60), 8),
                100,
                60,
            )
            for number in range(10)
        ]
        changes = compare(columns, false_discovery_rate=0.05, minimum_rows=50)
        alarms += any(change.status is Status.DRIFT for change in changes)
    assert alarms <= 5


def test_a_change_that_is_detectable_and_tiny_is_said_and_raises_no_alarm() -> None:
    generator = np.random.default_rng(1)
    sizes = 60_000
    samples = Samples("one", generator.normal(size=sizes), generator.normal(0.04, 1, sizes), sizes, sizes)
    change = compare([samples], false_discovery_rate=0.05, minimum_rows=50)[0]
    assert change.ks_p_value is not None
    assert change.ks_p_value < 1e-4
    assert change.status is Status.OK
    assert change.negligible
