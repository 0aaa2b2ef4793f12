"""The pictures: the same bytes for the same numbers, and bins that hold what they say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from medcairn.training import TrainingRows, TrainReport
from medcairn.training.plots import calibration_bins, candidate_plots


def test_pictures_are_png_and_repeat_to_the_byte(
    trained: tuple[Path, TrainReport], rows: TrainingRows
) -> None:
    first, second = (candidate_plots(trained[1].chosen, rows.outcome) for _ in range(2))
    assert set(first) == {"roc.png", "precision-recall.png", "calibration.png"}
    for name, data in first.items():
        assert data.startswith(b"\x89PNG")
        assert data == second[name]
        assert b"matplotlib" not in data.lower(), "no version or time in the picture's metadata"


def test_bins_hold_every_row_once_and_a_published_wilson_interval() -> None:
    # 15 of 148 → 0.0624–0.1605 (Wilson, 95%).
    outcome = np.array([1] * 15 + [0] * 133)
    bins = calibration_bins(np.full(1480, 0.1), np.tile(outcome, 10))
    assert sum(found.rows for found in bins) == 1480
    assert bins[0].rows == 148
    assert (bins[0].low, bins[0].high) == pytest.approx((0.0624, 0.1605), abs=5e-5)
    assert bins[0].mean_score == pytest.approx(0.1)


def test_a_bin_without_the_outcome_stays_within_zero_and_one() -> None:
    bins = calibration_bins(np.linspace(0, 1, 20), np.array([0] * 10 + [1] * 10))
    assert all(0 <= found.low <= found.share <= found.high <= 1 for found in bins)
