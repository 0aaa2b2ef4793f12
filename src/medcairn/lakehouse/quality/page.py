"""The data quality report as a page."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from medcairn.core.files import write_file
from medcairn.lakehouse.quality import figures
from medcairn.lakehouse.quality.counts import Count
from medcairn.lakehouse.quality.report import LIMITS, QualityReport
from medcairn.lakehouse.quality.shapes import SHAPES
from medcairn.reports import (
    Block,
    Bullets,
    Column,
    Document,
    Figure,
    FigureRow,
    Paragraph,
    ReportAbout,
    Section,
    Table,
    Tone,
    Verdict,
    render_page,
)

TITLE = "Data quality"
_FOUND_IN = ("observation", "condition", "medication", "procedure", "immunization", "allergy")


def write_quality_page(report: QualityReport, path: Path, *, name: str = "Silver tables") -> None:
    """Write :func:`quality_page` to ``path``, whole or not at all."""
    write_file(path, quality_page(report, name=name))


def quality_page(report: QualityReport, *, name: str = "Silver tables") -> bytes:
    """The page as bytes, ``name`` being what the data are called; the same report gives the same bytes."""
    about = ReportAbout(
        study=name,
        purpose="What the typed clinical facts hold, what they lack, and what could not be used.",
        model_name=None,
        model_version=None,
        algorithm=None,
        created_at=f"{report.as_of.isoformat()}T00:00:00+00:00",
    )
    sections = (
        _findings(report),
        _tables(report),
        _missing(report),
        _times(report),
        _concepts(report),
        _units(report),
        _refusals(report),
        _unmapped(report),
        Section("How to read this", (Bullets(LIMITS),)),
    )
    return render_page(Document(TITLE, about, _verdict(report), sections))


def _verdict(report: QualityReport) -> Verdict:
    count = len(report.findings)
    if not count:
        return Verdict(
            "nothing stands out", Tone.GOOD, "No measure is beyond the limit at which to look twice."
        )
    reason = (
        "They are listed first. A finding asks a person to look; it does not say that the data are wrong."
    )
    return Verdict("1 finding" if count == 1 else f"{count} findings", Tone.CAUTION, reason)


def _findings(report: QualityReport) -> Section:
    if not report.findings:
        return Section("Findings", (Paragraph("There are none."),))
    rows = tuple((finding.where, finding.says) for finding in report.findings)
    return Section(
        "Findings", (_table("What a person should look at", ("Where", "What"), rows, right=False),)
    )


def _tables(report: QualityReport) -> Section:
    rows = tuple(
        (
            t.table,
            *map(_shown, (t.rows, t.current, t.resources, t.subjects, t.later_versions, t.duplicates)),
        )
        for t in report.tables
    )
    titles = ("Table", "Rows", "Current rows", "Resources", "Subjects", "Corrections", "Duplicates")
    return Section(
        "Tables",
        (
            Paragraph(
                "A row is one value (observations) or one resource, in every version that was ever loaded. "
                "Current rows are those of newest versions. Duplicates are current resources that say what "
                "another one of the subject says at the same time."
            ),
            _table("Rows of the silver tables", titles, rows),
        ),
    )


def _missing(report: QualityReport) -> Section:
    drawn = [figures.missing_figure(report, table) for table in SHAPES]
    rows = tuple(
        (f"{c.table}.{c.column}", _shown(c.missing), _percent(c.share)) for c in report.columns if c.missing
    )
    return Section(
        "What is missing",
        (
            Paragraph("Columns that are never empty are left out; withheld shares are not drawn."),
            *_in_pairs(figure for figure in drawn if figure),
            _table("Columns with gaps", ("Column", "Rows without it", "Share"), rows),
        ),
    )


def _times(report: QualityReport) -> Section:
    rows = tuple(
        (
            t.table,
            *map(_shown, (t.undated, t.unavailable, t.in_future, t.before_birth, t.after_death)),
        )
        for t in report.tables
    )
    titles = ("Table", "No time", "Never known", "In the future", "Before birth", "After death")
    return Section(
        "Times",
        (
            *_drawn(figures.years_figure(report), figures.lag_figure(report)),
            Paragraph(
                "Never known: rows without a time at which they could be known, which are in no feature. "
                f"In the future: after {report.as_of.isoformat()}. Before birth: in a "
                "year before it. After death: more than a day after it."
            ),
            _table("Rows whose times need a look", titles, rows),
        ),
    )


def _concepts(report: QualityReport) -> Section:
    drawn = [figures.coverage_figure(report, table) for table in _FOUND_IN]
    rows = tuple(
        (c.concept, c.unit or "", _shown(c.rows), _shown(c.subjects), *_quantiles(c.quantiles))
        for c in report.concepts
        if c.table == "observation"
    )
    titles = ("Measurement", "Unit", "Rows", "Subjects", "5 %", "25 %", "Median", "75 %", "95 %")
    absent = ", ".join(report.absent_concepts) or "none"
    return Section(
        "Concepts",
        (
            *_in_pairs(figure for figure in drawn if figure),
            _table("Measurements and the spread of their usable values", titles, rows, left=2),
            Paragraph(f"Measurements and conditions of the catalogue that no row has: {absent}."),
        ),
    )


def _units(report: QualityReport) -> Section:
    rows = tuple((u.concept, u.unit, _shown(u.rows), _shown(u.unusable)) for u in report.units)
    return Section(
        "Units",
        (
            Paragraph(
                "Units as they came. Values are converted into one unit for each measurement; what is "
                "implausible, censored or in a unit that cannot be converted is kept as it came and used "
                "nowhere."
            ),
            _table(
                "Units of measurements", ("Measurement", "Unit", "Rows", "Could not be used"), rows, left=2
            ),
        ),
    )


def _refusals(report: QualityReport) -> Section:
    rows = tuple((r.table, r.reason.replace("_", " "), _shown(r.rows)) for r in report.refusals)
    blocks: tuple[Block, ...] = (Paragraph("Nothing went to quarantine."),)
    if rows:
        blocks = (
            *_drawn(figures.refusals_figure(report)),
            _table("Quarantine", ("Table", "Reason", "Entries"), rows, left=2),
        )
    return Section("What could not be used", blocks)


def _unmapped(report: QualityReport) -> Section:
    totals = tuple(
        (t.table, _shown(t.coded), _shown(t.unmapped), _shown(t.rare_codes)) for t in report.unmapped_totals
    )
    rows = tuple((u.table, u.system, u.code, _shown(u.rows)) for u in report.unmapped)
    return Section(
        "Codes without a concept",
        (
            *_drawn(figures.unmapped_figure(report)),
            _table("Coded rows", ("Table", "With a code", "Without a concept", "Rare codes"), totals),
            _table("The most frequent of them", ("Table", "System", "Code", "Rows"), rows, left=3),
        ),
    )


def _drawn(*drawn: Figure | None) -> tuple[Figure, ...]:
    return tuple(figure for figure in drawn if figure is not None)


def _in_pairs(drawn: Iterable[Figure]) -> tuple[FigureRow, ...]:
    listed = tuple(drawn)
    return tuple(FigureRow(listed[place : place + 2]) for place in range(0, len(listed), 2))


def _table(
    caption: str,
    titles: tuple[str, ...],
    rows: tuple[tuple[str, ...], ...],
    *,
    left: int = 1,
    right: bool = True,
) -> Block:
    """A table whose first ``left`` columns are names and the others numbers; a sentence when it is empty."""
    if not rows:
        return Paragraph(f"{caption}: none.")
    columns = tuple(
        Column(title, "right" if right and place >= left else "left") for place, title in enumerate(titles)
    )
    return Table(caption, columns, rows)


def _shown(count: Count | None) -> str:
    if count is None:
        return ""
    return count if isinstance(count, str) else f"{count:,}"


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f} %"


def _quantiles(values: tuple[float, ...]) -> tuple[str, ...]:
    return tuple(f"{value:g}" for value in values) or ("",) * 5


__all__ = ["TITLE", "quality_page", "write_quality_page"]
