"""Figures of a model's performance: ROC curve, calibration, decision curve, subgroups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medcairn.reports.document import Figure
from medcairn.reports.drawing import BLUE, GREY, ORANGE, PALE, sheet

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class GroupInterval:
    """A row of a forest plot: a name, and an estimate with its interval, or None when withheld."""

    attribute: str
    group: str
    interval: tuple[float, float, float] | None


def roc_figure(
    false_positive_rate: Floats,
    sensitivity: Floats,
    band: tuple[Floats, Floats, Floats],
    *,
    label: str,
    operating_point: tuple[float, float] | None,
) -> Figure:
    """The ROC curve with a pointwise interval of the sensitivity.

    ``band`` is a grid of false positive rates with the lower and upper sensitivity there. ``label`` says
    the AUROC with its interval. ``operating_point`` is (false positive rate, sensitivity).
    """
    with sheet(4.4, 4.1) as drawn:
        axes = drawn.axes
        axes.fill_between(*band, color=PALE, linewidth=0, label="95% interval (bootstrap)")
        axes.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1, label="No discrimination")
        axes.plot(false_positive_rate, sensitivity, color=BLUE, linewidth=1.8, label=label)
        if operating_point is not None:
            axes.plot(*operating_point, "o", color=ORANGE, markersize=7, label="Operating point")
        axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
        axes.set(xlabel="1 – specificity", ylabel="Sensitivity", title="ROC curve")
        axes.legend(loc="lower right")
    return Figure(
        drawn.svg,
        caption="ROC curve on the held-out split.",
        alt=f"ROC curve of sensitivity against one minus specificity. {label}.",
        width=0.6,
    )


def calibration_figure(
    predicted: Floats, observed: Floats, low: Floats, high: Floats, *, slope: str, scores: Floats
) -> Figure:
    """Observed risk against predicted risk by group of predicted risk, with Wilson intervals.

    ``scores`` are drawn as a strip of density at the foot, so that one sees where the subjects are.
    """
    with sheet(4.4, 4.1) as drawn:
        axes = drawn.axes
        top = min(1.0, 1.08 * float(max(high.max(initial=0.05), predicted.max(initial=0.05))))
        axes.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1, label="Perfect calibration")
        errors = np.vstack([np.maximum(observed - low, 0), np.maximum(high - observed, 0)])
        axes.errorbar(
            predicted, observed, errors, fmt="o-", color=BLUE, ecolor=BLUE, elinewidth=1, capsize=2.5,
            linewidth=1.2, markersize=4.5, label="Observed, 95% interval",
        )  # fmt: skip
        counts, edges = np.histogram(np.clip(scores, 0, top), bins=40, range=(0.0, top))
        heights = 0.1 * top * counts / max(int(counts.max(initial=1)), 1)
        axes.stairs(heights, edges, color=PALE, fill=True, label="Distribution of scores")
        axes.set(xlim=(0, top), ylim=(0, top), aspect="equal")
        axes.set(xlabel="Predicted risk", ylabel="Observed proportion", title="Calibration")
        axes.legend(loc="upper left")
    return Figure(
        drawn.svg,
        caption="Calibration by tenth of predicted risk on the held-out split.",
        alt=f"Observed proportion against predicted risk by group of predicted risk. {slope}.",
        width=0.6,
    )


def decision_figure(thresholds: Floats, model: Floats, treat_all: Floats) -> Figure:
    """Net benefit over threshold probabilities, of the model, of treating all and of treating none."""
    with sheet(5.6, 3.4) as drawn:
        axes = drawn.axes
        axes.plot(thresholds, model, color=BLUE, linewidth=1.8, label="Model")
        axes.plot(thresholds, treat_all, color=ORANGE, linewidth=1.2, label="Act on all")
        axes.axhline(0, color=GREY, linestyle="--", linewidth=1, label="Act on none")
        top = float(max(model.max(initial=0.0), treat_all.max(initial=0.0), 0.01))
        axes.set(ylim=(-0.35 * top, 1.12 * top), xlim=(float(thresholds[0]), float(thresholds[-1])))
        axes.set(xlabel="Threshold probability", ylabel="Net benefit", title="Decision curve")
        axes.legend(loc="upper right")
    return Figure(
        drawn.svg,
        caption="Net benefit (Vickers and Elkin 2006): true positives less false positives weighted by the "
        "odds of the threshold, per subject.",
        alt="Net benefit against threshold probability for the model, for acting on all and on none.",
        width=0.65,
    )


def forest_figure(rows: Sequence[GroupInterval], *, overall: tuple[float, float, float]) -> Figure:
    """AUROC by subgroup with intervals, and the overall AUROC as a band."""
    with sheet(6.6, 1.1 + 0.23 * len(rows)) as drawn:
        axes = drawn.axes
        axes.axvspan(
            overall[1], overall[2], color=PALE, alpha=0.6, linewidth=0, label="Overall, 95% interval"
        )
        axes.axvline(overall[0], color=BLUE, linewidth=1)
        axes.axvline(0.5, color=GREY, linestyle="--", linewidth=1)
        for place, row in enumerate(rows):
            if row.interval is None:
                axes.text(0.505, place, "withheld", va="center", fontsize=7.5, color=GREY)
                continue
            estimate, low, high = row.interval
            axes.plot([low, high], [place, place], color=BLUE, linewidth=1.4)
            axes.plot(estimate, place, "s", color=BLUE, markersize=5)
        axes.set_yticks(range(len(rows)), [f"{row.attribute}: {row.group}" for row in rows])
        lows = [row.interval[1] for row in rows if row.interval is not None]
        axes.set(xlim=(min(0.45, *lows, overall[1]) - 0.02, 1.0), ylim=(len(rows) - 0.4, -0.6))
        axes.set(xlabel="AUROC", title="AUROC by subgroup")
        axes.grid(visible=False, axis="y")
    return Figure(
        drawn.svg,
        caption="AUROC by subgroup with 95% intervals; the band is the overall AUROC.",
        alt=f"Forest plot of AUROC for {len(rows)} subgroups; the values are in the table below.",
        width=0.85,
    )


__all__ = ["GroupInterval", "calibration_figure", "decision_figure", "forest_figure", "roc_figure"]
