"""Pictures of a candidate's out-of-fold scores, as PNG bytes that are the same for the same numbers."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from medcairn.training.crossvalidation import CandidateResult
from medcairn.training.rows import Floats, Ints

Axes: TypeAlias = Any
"""matplotlib publishes types, but this project does not follow them."""

_INK, _REFERENCE = "#1f4e79", "#8a8a8a"
_BINS = 10
_Z95 = 1.959963984540054


@dataclass(frozen=True)
class CalibrationBin:
    """Rows of like score: their mean score, the share with the outcome and its Wilson 95% interval."""

    mean_score: float
    share: float
    low: float
    high: float
    rows: int


def candidate_plots(candidate: CandidateResult, outcome: Ints) -> Mapping[str, bytes]:
    """PNG files by name: the ROC curve, the precision–recall curve and the calibration.

    All are drawn from out-of-fold scores pooled over the folds; the figures in the captions are the means
    over the folds, by which candidates are compared.
    """
    name = candidate.algorithm.value.replace("_", " ")
    return {
        "roc.png": _picture(f"ROC, {name}", lambda axes: _roc(axes, candidate, outcome)),
        "precision-recall.png": _picture(
            f"Precision and recall, {name}", lambda axes: _precision_recall(axes, candidate, outcome)
        ),
        "calibration.png": _picture(
            f"Calibration, {name}", lambda axes: _calibration(axes, candidate, outcome)
        ),
    }


def calibration_bins(scores: Floats, outcome: Ints) -> list[CalibrationBin]:
    """Ten bins of about equal size, by score (Wilson 1927 for the interval)."""
    order = np.argsort(scores, kind="stable")
    bins = []
    for places in np.array_split(order, min(_BINS, len(order))):
        n, share = len(places), float(outcome[places].mean())
        centre = (share + _Z95**2 / (2 * n)) / (1 + _Z95**2 / n)
        half = _Z95 / (1 + _Z95**2 / n) * float(np.sqrt(share * (1 - share) / n + _Z95**2 / (4 * n**2)))
        # Without rounding the interval holds its share.
        low, high = max(0.0, min(share, centre - half)), min(1.0, max(share, centre + half))
        bins.append(CalibrationBin(float(scores[places].mean()), share, low, high, n))
    return bins


def _roc(axes: Axes, candidate: CandidateResult, outcome: Ints) -> None:
    from sklearn.metrics import roc_curve

    false_rate, true_rate, _ = roc_curve(outcome, candidate.scores)
    axes.plot([0, 1], [0, 1], color=_REFERENCE, linewidth=1, linestyle="--", label="chance")
    label = f"out of fold, mean AUROC {candidate.auroc:.3f}"
    axes.plot(false_rate, true_rate, color=_INK, linewidth=1.6, label=label)
    axes.set(xlabel="1 − specificity", ylabel="Sensitivity", xlim=(0, 1), ylim=(0, 1.01))
    axes.legend(loc="lower right", frameon=False)


def _precision_recall(axes: Axes, candidate: CandidateResult, outcome: Ints) -> None:
    from sklearn.metrics import precision_recall_curve

    precision, recall, _ = precision_recall_curve(outcome, candidate.scores)
    prevalence = float(outcome.mean())
    axes.axhline(
        prevalence, color=_REFERENCE, linewidth=1, linestyle="--", label=f"prevalence {prevalence:.3f}"
    )
    label = f"out of fold, mean AUPRC {candidate.auprc:.3f}"
    axes.plot(recall, precision, color=_INK, linewidth=1.6, drawstyle="steps-post", label=label)
    axes.set(xlabel="Recall (sensitivity)", ylabel="Precision (ppv)", xlim=(0, 1), ylim=(0, 1.01))
    axes.legend(loc="upper right", frameon=False)


def _calibration(axes: Axes, candidate: CandidateResult, outcome: Ints) -> None:
    bins = calibration_bins(candidate.scores, outcome)
    scores, shares = [b.mean_score for b in bins], [b.share for b in bins]
    below, above = [b.share - b.low for b in bins], [b.high - b.share for b in bins]
    top = min(1.05, 1.2 * max(*scores, *(b.high for b in bins)))
    axes.plot([0, top], [0, top], color=_REFERENCE, linewidth=1, linestyle="--", label="ideal")
    label = f"tenths by score, 95% interval; Brier {candidate.brier:.3f}"
    axes.errorbar(
        scores, shares, yerr=[below, above], color=_INK, linewidth=1.2, marker="o", markersize=4, label=label
    )
    axes.set(xlabel="Mean predicted probability", ylabel="Observed share", xlim=(0, top), ylim=(0, top))
    axes.legend(loc="upper left", frameon=False)


def _picture(title: str, draw: Any) -> bytes:
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with rc_context({"font.family": "DejaVu Sans", "font.size": 9}):
        figure = Figure(figsize=(4.8, 4.4), dpi=110)
        axes = figure.add_axes((0.12, 0.11, 0.84, 0.81))
        draw(axes)
        axes.set_title(title, fontsize=10, loc="left")
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
        out = io.BytesIO()
        FigureCanvasAgg(figure)
        figure.savefig(out, format="png", metadata={"Software": None})
    return out.getvalue()


__all__ = ["CalibrationBin", "calibration_bins", "candidate_plots"]
