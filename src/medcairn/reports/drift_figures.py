"""Figures of change between two sets of rows: stability index, score histograms, quantiles, volume."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medcairn.reports.document import Figure
from medcairn.reports.drawing import BLUE, GREY, ORANGE, PALE, RED, sheet

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class StabilityBar:
    """One feature's stability index, the limit at this sample size, and whether it drifted."""

    name: str
    psi: float
    limit: float
    drifted: bool


def psi_figure(bars: Sequence[StabilityBar], *, of: int) -> Figure:
    """Population stability index by feature, in the order given, each with its own limit."""
    with sheet(6.6, 1.0 + 0.26 * len(bars)) as drawn:
        axes = drawn.axes
        places = np.arange(len(bars))
        colours = [RED if bar.drifted else BLUE for bar in bars]
        axes.barh(places, [bar.psi for bar in bars], height=0.62, color=colours)
        for place, bar in enumerate(bars):
            if np.isfinite(bar.limit):
                axes.plot([bar.limit] * 2, [place - 0.42, place + 0.42], color=ORANGE, linewidth=2)
        axes.plot([], [], color=ORANGE, linewidth=2, label="Limit at this sample size")
        axes.bar(0, 0, color=RED, label="Drift")
        axes.bar(0, 0, color=BLUE, label="No evidence of drift")
        axes.set_yticks(places, [bar.name for bar in bars])
        axes.set(ylim=(len(bars) - 0.4, -0.6), xlabel="Population stability index")
        axes.set_xlim(left=0)
        axes.set_title(f"The {len(bars)} largest of {of}" if len(bars) < of else "Stability by feature")
        axes.grid(visible=False, axis="y")
        axes.legend(loc="lower right")
    return Figure(
        drawn.svg,
        caption="Population stability index (PSI) of each feature. The limit is what chance alone exceeds "
        "once in twenty features at these sample sizes.",
        alt=f"Bars of the stability index for {len(bars)} features; the values are in the table below.",
    )


def histogram_figure(reference: Floats, current: Floats) -> Figure:
    """The distribution of the score in the reference and in the current rows, as shares per bin."""
    edges = np.linspace(0.0, 1.0, 26)
    with sheet(5.2, 3.2) as drawn:
        axes = drawn.axes
        for values, colour, name, filled in (
            (reference, GREY, "Reference", True),
            (current, BLUE, "Current", False),
        ):
            share = np.histogram(values, bins=edges)[0] / max(len(values), 1)
            axes.stairs(
                share, edges, color=PALE if filled else colour, fill=filled, linewidth=1.6, label=name
            )
        axes.set(xlabel="Score", ylabel="Share of rows", title="Distribution of the score", xlim=(0, 1))
        axes.legend(loc="upper right")
    return Figure(
        drawn.svg,
        caption="Distribution of the score in the reference and in the current window.",
        alt="Histogram of the score, reference and current, as shares of the rows.",
        width=0.75,
    )


def quantile_figure(name: str, reference: Floats, current: Floats) -> Figure:
    """Quantiles of one feature in the current rows against those in the reference, 5% to 95%."""
    with sheet(3.2, 3.0) as drawn:
        axes = drawn.axes
        low = float(min(reference.min(), current.min()))
        high = float(max(reference.max(), current.max()))
        margin = 0.05 * (high - low) or 1.0
        axes.plot([low, high], [low, high], color=GREY, linestyle="--", linewidth=1)
        axes.plot(reference, current, "o-", color=BLUE, markersize=3.5, linewidth=1)
        axes.set(xlim=(low - margin, high + margin), ylim=(low - margin, high + margin))
        axes.set(xlabel="Reference", ylabel="Current")
        axes.set_title(name, fontsize=8.5)
        axes.locator_params(nbins=5)
    return Figure(
        drawn.svg,
        caption=f"Quantiles of {name}, 5% to 95%. On the dashed line nothing has changed.",
        alt=f"Quantiles of {name} in the current window against those in the reference.",
        width=0.5,
    )


def volume_figure(rows_per_day: Sequence[int]) -> Figure:
    """Rows on each day of the window. Days are counted and not dated: a date may point at a person."""
    with sheet(5.2, 2.4) as drawn:
        axes = drawn.axes
        axes.bar(np.arange(1, len(rows_per_day) + 1), rows_per_day, color=BLUE, width=0.8)
        axes.set(xlabel="Day of the window", ylabel="Rows", title="Volume")
        axes.set_ylim(bottom=0)
        axes.grid(visible=False, axis="x")
    return Figure(
        drawn.svg,
        caption="Rows on each day of the current window.",
        alt=f"Bars of rows on each of {len(rows_per_day)} days.",
        width=0.75,
    )


__all__ = ["StabilityBar", "histogram_figure", "psi_figure", "quantile_figure", "volume_figure"]
