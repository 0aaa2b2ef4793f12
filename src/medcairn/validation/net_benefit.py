"""Decision-curve analysis: what acting on the scores is worth (Vickers and Elkin 2006, MDM 26:565)."""

from __future__ import annotations

import numpy as np

from medcairn.validation.sample import Bools, Floats


def net_benefit(outcome: Bools, score: Floats, thresholds: Floats) -> Floats:
    """Net benefit at each threshold probability t: TP/n - FP/n · t/(1-t), acting where score ≥ t.

    ``thresholds`` lie within (0, 1). The unit is true positives per row; the prevalence is the most there
    is, 0 is acting on none, and it may be negative.
    """
    ranked = np.sort(score)
    ranked_positive = np.sort(score[outcome])
    called = len(ranked) - np.searchsorted(ranked, thresholds, side="left")
    true = len(ranked_positive) - np.searchsorted(ranked_positive, thresholds, side="left")
    odds = thresholds / (1 - thresholds)
    return np.asarray((true - (called - true) * odds) / len(score))


def net_benefit_of_all(prevalence: float, thresholds: Floats) -> Floats:
    """Net benefit of acting on everyone."""
    return np.asarray(prevalence - (1 - prevalence) * thresholds / (1 - thresholds))


__all__ = ["net_benefit", "net_benefit_of_all"]
