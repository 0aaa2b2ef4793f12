"""The risk report as a page."""

from __future__ import annotations

from datetime import date

import numpy as np

from medcairn.deid.risk.report import RiskReport
from medcairn.reports import (
    Bullets,
    Column,
    Document,
    Figure,
    Paragraph,
    ReportAbout,
    Section,
    Table,
    Tone,
    Verdict,
    render_page,
)
from medcairn.reports.drawing import BLUE, GREY, ORANGE, RED, sheet

TITLE = "Re-identification risk of de-identified data"
_BINS = ((1, 1), (2, 4), (5, 10), (11, 19), (20, 49), (50, 99), (100, None))
_SMALL_CELL = 11


def risk_page(report: RiskReport, *, name: str, as_of: date) -> bytes:
    """The page as bytes; the same report, name and day give the same ones."""
    about = ReportAbout(
        study=name,
        purpose="How well the subjects of a de-identified data set hide among each other.",
        model_name=None,
        model_version=None,
        algorithm=None,
        created_at=f"{as_of.isoformat()}T00:00:00+00:00",
    )
    document = Document(
        TITLE,
        about,
        _verdict(report),
        (_classes(report), _contributions(report), _diversity(report), _reading()),
    )
    return render_page(document)


def _verdict(report: RiskReport) -> Verdict:
    tone = Tone.BAD if report.k < 2 else Tone.CAUTION if report.k < _SMALL_CELL else Tone.GOOD
    reason = (
        f"{report.sample_uniques:,} of {report.subjects:,} subjects "
        f"({_percent(report, report.sample_uniques)}) are alone in the data on these "
        f"{len(report.contributions)} quasi-identifiers together. For a subject whom an attacker knows to be "
        f"in the data the largest risk is {report.largest_risk:.3f}, the average {report.average_risk:.3f}."
    )
    return Verdict(f"k = {report.k}", tone, reason)


def _classes(report: RiskReport) -> Section:
    rows = tuple(
        (f"fewer than {k}", f"{count:,}", _percent(report, count))
        for k, count in sorted(report.below.items())
    )
    return Section(
        "Class sizes",
        (
            Paragraph(
                f"{report.subjects:,} subjects fall into {report.classes:,} classes of the same values. The "
                f"smallest class holds {report.k:,}. A value that is not recorded counts as a value."
            ),
            _size_figure(report),
            Table(
                "Subjects in classes of",
                (Column("Class size"), Column("Subjects", "right"), Column("Share", "right")),
                rows,
            ),
        ),
    )


def _size_figure(report: RiskReport) -> Figure:
    subjects = [
        sum(
            size * count
            for size, count in report.sizes.items()
            if low <= size and (high is None or size <= high)
        )
        for low, high in _BINS
    ]
    names = [
        f"{low}" if low == high else f"{low} to {high}" if high else f"{low} and more" for low, high in _BINS
    ]
    colours = [RED, ORANGE, ORANGE, BLUE, BLUE, BLUE, BLUE]
    with sheet(6.6, 3.0) as drawn:
        axes = drawn.axes
        shares = [100 * report.share(count) for count in subjects]
        places = np.arange(len(_BINS))
        axes.bar(places, shares, color=colours, width=0.7)
        for place, count in enumerate(subjects):
            axes.annotate(f"{count:,}", (place, shares[place]), ha="center", va="bottom", fontsize=8)
        axes.set_xticks(places, names, fontsize=8)
        axes.set(xlabel="Subjects in the class", ylabel="Share of subjects (%)")
        axes.set_title("Where subjects hide")
        axes.set_ylim(0, max(*shares, 1.0) * 1.12)
        axes.grid(visible=False, axis="x")
    words = ", ".join(f"{name}: {count:,}" for name, count in zip(names, subjects, strict=True))
    return Figure(
        drawn.svg,
        caption="Subjects by the size of their class. Red: alone; orange: fewer than 11, the size below "
        "which health agencies commonly do not publish a cell.",
        alt=f"Bars of subjects by class size. {words}.",
    )


def _contributions(report: RiskReport) -> Section:
    rows = tuple(
        (
            one.title,
            f"{one.values:,}",
            f"{one.missing:,}",
            f"{one.uniques_alone:,}",
            f"{one.uniques_without:,}",
            f"{one.average_risk_without:.3f}",
        )
        for one in report.contributions
    )
    columns = (
        Column("Quasi-identifier"),
        Column("Values", "right"),
        Column("Not recorded", "right"),
        Column("Unique by it alone", "right"),
        Column("Unique without it", "right"),
        Column("Average risk without it", "right"),
    )
    return Section(
        "What each quasi-identifier adds",
        (
            Paragraph(
                "What would remain of the risk if one of them were left out. The one whose absence leaves "
                "the fewest subjects unique is the first to generalise."
            ),
            _contribution_figure(report),
            Table("Quasi-identifiers", columns, rows),
        ),
    )


def _contribution_figure(report: RiskReport) -> Figure:
    shown = sorted(report.contributions, key=lambda one: one.uniques_without)
    with sheet(6.6, 0.9 + 0.3 * max(len(shown), 1)) as drawn:
        axes = drawn.axes
        places = np.arange(len(shown))
        axes.barh(places, [one.uniques_without for one in shown], height=0.62, color=BLUE)
        axes.axvline(
            report.sample_uniques, color=GREY, linestyle="--", linewidth=1.2, label="With all of them"
        )
        axes.set_yticks(places, [one.title for one in shown])
        axes.set(ylim=(len(shown) - 0.4, -0.6), xlabel="Subjects unique without it")
        axes.set_xlim(0, max(report.sample_uniques, 1) * 1.05)
        axes.set_title("Subjects who stay unique")
        axes.grid(visible=False, axis="y")
        axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), borderaxespad=0.2)
    return Figure(
        drawn.svg,
        caption="Sample uniques when one quasi-identifier is left out, the strongest on top.",
        alt="Bars of sample uniques without each quasi-identifier; the values are in the table below.",
    )


def _diversity(report: RiskReport) -> Section:
    rows = tuple(
        (
            one.title,
            f"{one.values:,}",
            f"{one.l}",
            *(_percent(report, one.below[limit]) for limit in sorted(one.below)),
            f"{one.classes_that_tell:,}",
            _percent(report, one.subjects_told),
        )
        for one in report.diversities
    )
    columns = (
        Column("Sensitive attribute"),
        Column("Codes", "right"),
        Column("Smallest l", "right"),
        Column("In classes with l < 2", "right"),
        Column("l < 3", "right"),
        Column("Classes that tell", "right"),
        Column("Subjects in them", "right"),
    )
    return Section(
        "What a class gives away",
        (
            Paragraph(
                "Distinct l-diversity: the least number of different values of a sensitive attribute in any "
                "class. A subject's value is the set of all codes recorded for them. A class tells when it "
                "holds two subjects or more who all share a code: whoever is known to be in it has it."
            ),
            Table("Sensitive attributes", columns, rows),
        ),
    )


def _reading() -> Section:
    return Section(
        "How to read this",
        (
            Bullets(
                (
                    "These are measures of the sample. How many people in the population share a subject's "
                    "values is not known here, so the true risk is commonly lower.",
                    "They assume that an attacker knows every quasi-identifier exactly and that the subject "
                    "is in the data (prosecutor risk), and nothing else. Clinical codes, intervals and rare "
                    "events can single a person out as well.",
                    "This page holds counts and no values. Small counts may still be sensitive: handle it as "
                    "an aggregate of the study.",
                )
            ),
        ),
    )


def _percent(report: RiskReport, subjects: int) -> str:
    return f"{100 * report.share(subjects):.1f}%"


__all__ = ["TITLE", "risk_page"]
