"""The figures of a data quality report.

Colours are those of the other reports, or steps of cividis, which people with any form of colour blindness
read as the same order; no meaning is in a colour alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np

from medcairn.lakehouse.quality.counts import SMALL, size
from medcairn.lakehouse.quality.questions import LAGS
from medcairn.lakehouse.quality.report import QualityReport
from medcairn.reports import Figure
from medcairn.reports.drawing import BLUE, GREY, ORANGE, PALE, sheet

_WIDE = 6.8
_HALF = 0.5
_SCORES = ("charlson_", "elixhauser_")
_MOST_YEARS = 60
_MOST_CONCEPTS = 30
_MOST_CODES = 20


def missing_figure(report: QualityReport, table: str) -> Figure | None:
    """What share of a table's rows has nothing in a column, most first; None when nothing is missing."""
    found = [c for c in report.columns if c.table == table and c.share]
    found.sort(key=lambda column: -(column.share or 0.0))
    if not found:
        return None
    shares = [100 * (column.share or 0.0) for column in found]
    svg = _shares(table, [column.column for column in found], shares, "Rows without it (%)", on_whole=True)
    worst = ", ".join(f"{c.column} {100 * (c.share or 0.0):.0f} %" for c in found[:5])
    return Figure(
        svg,
        caption=f"Columns of {table} that are empty in some rows.",
        alt=f"Bars of the share of {table} rows without each column. Highest: {worst}.",
        width=_HALF,
    )


def years_figure(report: QualityReport) -> Figure | None:
    """How many rows each table has in each year; None when no year can be shown."""
    seen = [count for count in report.years if size(count.rows)]
    if not seen:
        return None
    last = max(count.year for count in seen)
    first = max(min(count.year for count in seen), last - _MOST_YEARS + 1)
    tables = list(dict.fromkeys(count.table for count in seen))
    grid = np.full((len(tables), last - first + 1), np.nan)
    for count in seen:
        if count.year >= first:
            grid[tables.index(count.table), count.year - first] = size(count.rows)
    with sheet(_WIDE, 1.3 + 0.28 * len(tables)) as drawn:
        axes = drawn.axes
        norm = mpl.colors.LogNorm(vmin=10, vmax=max(float(np.nanmax(grid)), 100.0))
        cells = axes.pcolormesh(
            np.arange(first, last + 2) - 0.5,
            np.arange(len(tables) + 1) - 0.5,
            grid,
            cmap="cividis_r",
            norm=norm,
            edgecolors="white",
            linewidth=0.4,
        )
        axes.set_yticks(np.arange(len(tables)), tables)
        axes.set(ylim=(len(tables) - 0.5, -0.5), xlabel="Year of the row's own time")
        axes.xaxis.set_major_locator(mpl.ticker.MaxNLocator(integer=True))
        axes.set_title("Rows by year")
        axes.grid(visible=False)
        bar = drawn.canvas.colorbar(cells, ax=axes, pad=0.02)
        bar.set_label("Rows")
    spans = ", ".join(
        f"{t} {min(c.year for c in seen if c.table == t)} to {max(c.year for c in seen if c.table == t)}"
        for t in tables
    )
    return Figure(
        drawn.svg,
        caption="Rows by year of their own time; the darker, the more, on a logarithmic scale. White: none, "
        f"or fewer than 11. At most {_MOST_YEARS} years are drawn.",
        alt=f"Map of rows by table and year. Years with 11 rows and more: {spans}.",
    )


def lag_figure(report: QualityReport) -> Figure | None:
    """How long after its own time a row could be known, by table."""
    tables = list(dict.fromkeys(count.table for count in report.lags))
    rows = {name: [0.0] * len(LAGS) for name in tables}
    for count in report.lags:
        rows[count.table][LAGS.index(count.lag)] += size(count.rows)
    tables = [name for name in tables if sum(rows[name])]
    if not tables:
        return None
    shades = mpl.colormaps["cividis_r"](np.linspace(0.05, 0.95, len(LAGS)))
    with sheet(_WIDE, 1.5 + 0.3 * len(tables)) as drawn:
        axes = drawn.axes
        places, left = np.arange(len(tables)), np.zeros(len(tables))
        for step, lag in enumerate(LAGS):
            shares = np.array([100 * rows[name][step] / sum(rows[name]) for name in tables])
            axes.barh(
                places, shares, left=left, height=0.66, color=shades[step], edgecolor="white", label=lag
            )
            left += shares
        axes.set_yticks(places, tables)
        axes.set(xlim=(0, 100), ylim=(len(tables) - 0.4, -0.6), xlabel="Rows (%)")
        axes.set_title("How soon facts could be known")
        axes.grid(visible=False, axis="y")
        drawn.canvas.legend(loc="outside lower center", ncols=len(LAGS), handlelength=1.0, columnspacing=1.0)
    at_once = ", ".join(f"{name} {100 * rows[name][0] / sum(rows[name]):.0f} %" for name in tables)
    return Figure(
        drawn.svg,
        caption="Time between what a row is about and when it could be known: lighter is sooner. Features "
        "see a fact only from then on. Withheld counts are left out.",
        alt=f"Stacked bars of rows by delay, for each table. Known at once: {at_once}.",
    )


def coverage_figure(report: QualityReport, table: str) -> Figure | None:
    """The share of subjects who have each concept of a table, most first."""
    subjects = next(size(t.subjects) for t in report.tables if t.table == "patient")
    own = [c for c in report.concepts if c.table == table and size(c.subjects)]
    found = [c for c in own if not c.concept.startswith(_SCORES)][:_MOST_CONCEPTS]
    if not found or not subjects:
        return None
    shares = [100 * size(concept.subjects) / subjects for concept in found]
    svg = _shares(table, [concept.concept for concept in found], shares, "Subjects who have it (%)")
    top = ", ".join(f"{c.concept} {s:.0f} %" for c, s in list(zip(found, shares, strict=True))[:5])
    return Figure(
        svg,
        caption=f"Concepts found in {table}, the {len(found)} that most subjects have.",
        alt=f"Bars of the share of subjects with each concept of {table}. Highest: {top}.",
        width=_HALF,
    )


def refusals_figure(report: QualityReport) -> Figure | None:
    """What went to quarantine, by table and reason."""
    found = [refusal for refusal in report.refusals if size(refusal.rows)]
    if not found:
        return None
    with sheet(_WIDE, 0.9 + 0.24 * len(found)) as drawn:
        axes = drawn.axes
        places = np.arange(len(found))
        numbers = [size(refusal.rows) for refusal in found]
        axes.barh(places, numbers, height=0.62, color=ORANGE)
        for place, number in enumerate(numbers):
            axes.annotate(f" {number:,}", (number, place), va="center", fontsize=7.5, annotation_clip=False)
        names = [f"{r.table}: {r.reason.replace('_', ' ')}" for r in found]
        axes.set_yticks(places, names, fontsize=7.5)
        axes.set(xlim=(0, 1.12 * max(numbers)), ylim=(len(found) - 0.4, -0.6), xlabel="Entries")
        axes.set_title("What could not be used")
        axes.grid(visible=False, axis="y")
    return Figure(
        drawn.svg,
        caption="Entries of the quarantine by table and reason.",
        alt="Bars of quarantined entries; the numbers are in the table below.",
    )


def unmapped_figure(report: QualityReport) -> Figure | None:
    """The codes without a concept that most rows carry."""
    found = sorted(report.unmapped, key=lambda u: (-size(u.rows), u.table, u.system, u.code))[:_MOST_CODES]
    if not found:
        return None
    with sheet(_WIDE, 0.9 + 0.22 * len(found)) as drawn:
        axes = drawn.axes
        places = np.arange(len(found))
        axes.barh(places, [size(code.rows) for code in found], height=0.62, color=GREY)
        axes.set_yticks(places, [f"{code.table}: {code.code[:24]}" for code in found], fontsize=7.5)
        axes.set(ylim=(len(found) - 0.4, -0.6), xlabel="Rows")
        axes.set_title("Codes that belong to no concept")
        axes.grid(visible=False, axis="y")
    return Figure(
        drawn.svg,
        caption=f"The {len(found)} most frequent codes without a concept. Codes of fewer than 11 rows or "
        f"subjects ({SMALL}) are only counted.",
        alt="Bars of rows by unmapped code; the numbers are in the table below.",
    )


def _shares(
    title: str, names: Sequence[str], shares: Sequence[float], meaning: str, *, on_whole: bool = False
) -> str:
    """A bar of percent for each name, from the top; ``on_whole`` shows what is missing to 100 % too."""
    with sheet(_WIDE / 2 + 0.6, 0.9 + 0.21 * len(names)) as drawn:
        axes = drawn.axes
        places = np.arange(len(names))
        if on_whole:
            axes.barh(places, [100.0] * len(names), height=0.66, color=PALE)
        axes.barh(places, shares, height=0.66, color=BLUE)
        axes.set_yticks(places, names, fontsize=7.5)
        axes.set(xlim=(0, 100), ylim=(len(names) - 0.4, -0.6), xlabel=meaning)
        axes.set_title(title)
        axes.grid(visible=False, axis="y")
    return drawn.svg


__all__ = [
    "coverage_figure",
    "lag_figure",
    "missing_figure",
    "refusals_figure",
    "unmapped_figure",
    "years_figure",
]
