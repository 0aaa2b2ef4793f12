"""The monitoring report for people."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from medcairn.monitoring.drift import NEGLIGIBLE_MISSING, NEGLIGIBLE_PSI
from medcairn.monitoring.report import FeatureChange, Finding, MonitoringReport, Status
from medcairn.reports import (
    Block,
    Bullets,
    Column,
    Document,
    FigureRow,
    Paragraph,
    ReportAbout,
    Section,
    Table,
    Tone,
    Verdict,
)
from medcairn.reports import Status as Tag
from medcairn.reports.drift_figures import (
    StabilityBar,
    histogram_figure,
    psi_figure,
    quantile_figure,
    volume_figure,
)

Floats = NDArray[np.float64]

_BARS = 20
_QUANTILE_PLOTS = 4
_FINDINGS = {
    Finding.DISTRIBUTION: "distribution (KS)",
    Finding.STABILITY: "stability (PSI)",
    Finding.MISSINGNESS: "missing values",
}


def monitoring_document(
    report: MonitoringReport, scores: tuple[Floats, Floats] | None, about: ReportAbout
) -> Document:
    """The document of ``report``. ``scores`` are those of the reference and of the window, for the plot."""
    sections = [Section("Volume", _volume(report))]
    if report.status is not Status.TOO_FEW_ROWS:
        if report.score is not None and scores is not None:
            sections.append(Section("Score", _score(report.score, scores)))
        sections.append(Section("Features", _features(report)))
    sections.append(Section("Limitations and how to read this", (Bullets(_limitations(report)),)))
    return Document("Monitoring report", about, _verdict(report), tuple(sections))


def _verdict(report: MonitoringReport) -> Verdict:
    rows = report.volume.current_rows
    if report.status is Status.TOO_FEW_ROWS:
        reason = (
            f"The window holds {rows:,} rows; {report.minimum_rows:,} are needed before anything is compared."
        )
        return Verdict("too few rows", Tone.NEUTRAL, reason)
    drifted = report.drifted
    if not drifted:
        reason = f"No evidence of drift in {len(report.changes)} columns over {rows:,} rows."
        return Verdict("no drift found", Tone.GOOD, reason)
    named = ", ".join(change.name for change in drifted[:5])
    more = f" and {len(drifted) - 5} more" if len(drifted) > 5 else ""
    reason = (
        f"{len(drifted)} of {len(report.changes)} columns changed more than chance explains: {named}{more}."
    )
    return Verdict("drift", Tone.CAUTION, reason)


def _volume(report: MonitoringReport) -> tuple[Block, ...]:
    volume = report.volume
    rows = [
        ("Rows", f"{volume.reference_rows:,}", f"{volume.current_rows:,}"),
    ]
    if volume.subjects_known:
        rows.append(("Subjects", f"{volume.reference_subjects:,}", f"{volume.current_subjects:,}"))
    days = volume.rows_per_day
    if days:
        rows.append(("Days from first to last row", "–", f"{len(days):,}"))
        rows.append(("Rows per day, mean", "–", f"{sum(days) / len(days):.1f}"))
        rows.append(("Days without a row", "–", f"{sum(count == 0 for count in days):,}"))
    columns = (Column(""), Column("Reference", "right"), Column("Current", "right"))
    table = Table("Rows compared", (Column("Quantity", share=1), *columns[1:]), tuple(rows))
    return (table, volume_figure(days)) if len(days) > 1 else (table,)


def _score(score: FeatureChange, scores: tuple[Floats, Floats]) -> tuple[Block, ...]:
    before, now = (values[~np.isnan(values)] for values in scores)
    table = Table("The score in the window against the reference", _COLUMNS, (_row(score),))
    return table, histogram_figure(before, now)


def _features(report: MonitoringReport) -> tuple[Block, ...]:
    ranked = _ranked(report.features)
    blocks: list[Block] = [Paragraph(_method(report))]
    bars = [
        StabilityBar(c.name, c.psi, c.psi_limit, c.status is Status.DRIFT)
        for c in ranked
        if c.psi is not None and c.psi_limit is not None
    ]
    if bars:
        blocks.append(psi_figure(bars[:_BARS], of=len(report.features)))
    known = [c for c in ranked if c.reference_quantiles and c.current_quantiles]
    plots = tuple(
        quantile_figure(c.name, np.array(c.reference_quantiles), np.array(c.current_quantiles))
        for c in known[:_QUANTILE_PLOTS]
    )
    blocks.extend(FigureRow(plots[i : i + 2]) for i in range(0, len(plots), 2))
    blocks.append(Table("Every feature, the most changed first", _COLUMNS, tuple(_row(c) for c in ranked)))
    return tuple(blocks)


def _ranked(features: tuple[FeatureChange, ...]) -> list[FeatureChange]:
    """Drifted ones first, then by how far the index is above what chance gives."""

    def order(change: FeatureChange) -> tuple[bool, float, str]:
        excess = (change.psi or 0.0) / change.psi_limit if change.psi_limit else 0.0
        return change.status is not Status.DRIFT, -excess, change.name

    return sorted(features, key=order)


_COLUMNS = (
    Column("Column", share=1),
    Column("PSI", "right"),
    Column("Limit", "right"),
    Column("KS", "right"),
    Column("Missing before", "right"),
    Column("Missing now", "right"),
    Column("Status"),
    Column("What changed"),
)


def _row(change: FeatureChange) -> tuple[str | Tag, ...]:
    tone = {
        Status.OK: Tone.GOOD,
        Status.DRIFT: Tone.CAUTION,
        Status.TOO_FEW_ROWS: Tone.NEUTRAL,
    }[change.status]
    said = ", ".join(_FINDINGS[finding] for finding in change.findings)
    return (
        change.name,
        _number(change.psi),
        _number(change.psi_limit),
        _number(change.ks_distance),
        f"{change.reference_missing:.1%}",
        f"{change.current_missing:.1%}",
        Tag(change.status.value.replace("_", " "), tone),
        said or ("detectable, negligible" if change.negligible else "–"),
    )


def _number(value: float | None) -> str:
    return "–" if value is None or not np.isfinite(value) else f"{value:.3f}"


def _method(report: MonitoringReport) -> str:
    return (
        "Each feature is compared by the Kolmogorov-Smirnov distance (KS), the population stability index "
        "(PSI, tenths of the reference with open tails and a bin for missing values) and the share of "
        "missing values. All tests are one family with a false discovery rate of "
        f"{report.false_discovery_rate:.0%} (Benjamini and Hochberg), so a window without any change alarms "
        "about that often, however many features there are. The limit of the PSI depends on the number of "
        "subjects on both sides."
    )


def _limitations(report: MonitoringReport) -> tuple[str, ...]:
    return (
        "Drift says that the inputs or the scores differ from the reference. It does not say that the model "
        "is wrong, nor does its absence say that it is right: outcomes are not compared here.",
        "The reference may differ from a service's patients by how it was chosen, for instance by period or "
        "by training split. A steady difference then shows in every window.",
        "Where subjects are known, tests count subjects and not rows, which is on the safe side: a small "
        "change in few subjects may go unseen.",
        f"A change that is detectable but small (PSI below {NEGLIGIBLE_PSI:g}, missing share moved by less "
        f"than {NEGLIGIBLE_MISSING:.0%}) is listed and raises no alarm.",
        f"Columns with fewer than {report.minimum_rows:,} values on either side are tested for missing "
        "values only. Quantiles end at 5% and 95%, because the extremes are values of single subjects.",
    )


__all__ = ["monitoring_document"]
