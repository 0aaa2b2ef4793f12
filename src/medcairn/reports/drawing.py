"""One look for every figure, and SVG whose bytes depend on nothing but what is drawn."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure as Canvas

BLUE = "#1f5a99"
ORANGE = "#c8641b"
GREY = "#7a8694"
PALE = "#c9d8ea"
RED = "#a32020"

# Figures are made without pyplot: it keeps global state and picks a backend by looking for a screen.
_STYLE: dict[Any, Any] = {  # matplotlib types the keys as a literal of every setting
    "svg.fonttype": "path",
    "svg.hashsalt": "medcairn",
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.edgecolor": "#55606e",
    "axes.labelcolor": "#1b2430",
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e3e8ee",
    "grid.linewidth": 0.7,
    "xtick.color": "#55606e",
    "ytick.color": "#55606e",
    "legend.frameon": False,
    "legend.fontsize": 8,
    "path.simplify": True,
    "savefig.transparent": False,
}


class Sheet:
    """A figure in the making: one axes to draw on, and the finished SVG after the block."""

    def __init__(self, canvas: Canvas, axes: Axes) -> None:
        self.canvas = canvas
        self.axes = axes
        self.svg = ""


@contextmanager
def sheet(width_inches: float = 4.6, height_inches: float = 4.0) -> Iterator[Sheet]:
    """A sheet to draw on; when the block ends without an error, ``svg`` holds the drawing."""
    with mpl.rc_context(_STYLE):
        canvas = Canvas(figsize=(width_inches, height_inches), layout="constrained")
        FigureCanvasSVG(canvas)
        drawn = Sheet(canvas, canvas.add_subplot())
        yield drawn
        text = io.StringIO()
        canvas.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
        drawn.svg = text.getvalue()


__all__ = ["BLUE", "GREY", "ORANGE", "PALE", "RED", "Sheet", "sheet"]
