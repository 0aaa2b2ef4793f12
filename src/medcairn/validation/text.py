"""The validation report for people: what it says, in which order, with which figures."""

from __future__ import annotations

import numpy as np

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
    Status,
    Table,
    Tone,
    Verdict,
)
from medcairn.reports.performance_figures import (
    GroupInterval,
    calibration_figure,
    decision_figure,
    forest_figure,
    roc_figure,
)
from medcairn.validation.calibration import calibration_groups
from medcairn.validation.checks import Check
from medcairn.validation.criteria import Criteria, Metric
from medcairn.validation.estimate import Estimate
from medcairn.validation.net_benefit import net_benefit, net_benefit_of_all
from medcairn.validation.ranking import roc_band, roc_points
from medcairn.validation.report import ValidationReport
from medcairn.validation.sample import Sample
from medcairn.validation.subgroups import CELL_FLOOR, Subgroup

_METRICS: tuple[tuple[Metric, str, str], ...] = (
    (Metric.AUROC, "AUROC", "chance that a positive row is scored above a negative one"),
    (Metric.AUPRC, "AUPRC", "average precision; without discrimination it is the prevalence"),
    (Metric.BRIER, "Brier score", "mean squared error of the probability; lower is better"),
    (Metric.BRIER_SKILL, "Brier skill", "gain over quoting the prevalence to all; 0 is none"),
    (Metric.CALIBRATION_SLOPE, "Calibration slope", "1 is ideal; below 1 too extreme"),
    (Metric.CALIBRATION_INTERCEPT, "Calibration intercept", "0 is ideal; below 0 too high on average"),
    (Metric.SENSITIVITY, "Sensitivity", "share of the positive rows at or above the threshold"),
    (Metric.SPECIFICITY, "Specificity", "share of the negative rows below the threshold"),
    (Metric.PPV, "PPV", "share of positives among rows at or above the threshold"),
    (Metric.NPV, "NPV", "share of negatives among rows below the threshold"),
    (Metric.SUBGROUP_AUROC_GAP, "Subgroup gap", "largest AUROC shortfall of a group against the rest"),
)


def validation_document(
    report: ValidationReport, sample: Sample, criteria: Criteria, about: ReportAbout
) -> Document:
    """The document of ``report``; ``sample`` is what the curves are drawn from."""
    sections = [
        Section("Acceptance criteria", (_criteria_text(criteria), _criteria_table(report))),
        Section("Why these criteria", (Bullets(tuple(_why(check) for check in report.checks)),)),
        Section("Results on the held-out split", _results(report, sample)),
    ]
    figures = _figures(report, sample)
    if figures:
        sections.append(Section("Curves", figures))
    sections.append(Section("Subgroups", _subgroups(report)))
    sections.append(Section("Limitations and how to read this", (Bullets(_limitations(report)),)))
    return Document("Clinical validation report", about, _verdict(report), tuple(sections))


def _verdict(report: ValidationReport) -> Verdict:
    total, failed = len(report.checks), len(report.failed_checks)
    if not total:
        return Verdict("failed", Tone.BAD, "There were no criteria to meet, and an empty list denies.")
    if failed:
        named = ", ".join(_words(check.id) for check in report.failed_checks)
        count = f"{failed} of {total} acceptance checks {'was' if failed == 1 else 'were'} not met"
        return Verdict("failed", Tone.BAD, f"{count}: {named}.")
    if report.verdict == "failed":
        return Verdict("failed", Tone.BAD, "The criteria file was empty, and an empty list denies.")
    return Verdict("passed", Tone.GOOD, f"All {total} acceptance checks were met on the held-out split.")


def _criteria_text(criteria: Criteria) -> Paragraph:
    return Paragraph(
        f"{criteria.summary.strip()} The criteria ({criteria.name}, version {criteria.version}) were fixed "
        "and recorded by digest before the held-out split was read."
    )


def _criteria_table(report: ValidationReport) -> Table:
    columns = (
        Column("Check", share=2.2),
        Column("Rule", share=3.4),
        Column("Observed (95% interval)", share=3.2),
        Column("Outcome"),
    )
    return Table(
        "Acceptance criteria and what was observed", columns, tuple(_check_row(c) for c in report.checks)
    )


def _check_row(check: Check) -> tuple[str, str, str, Status]:
    outcome = Status("passed", Tone.GOOD) if check.passed else Status("failed", Tone.BAD)
    return _words(check.id), check.rule, _observed(check), outcome


def _observed(check: Check) -> str:
    if isinstance(check.observed, Estimate) and check.observed.method == "count":
        return f"{check.observed.value:.0f}"
    return check.observed.text()


def _words(name: str) -> str:
    return name.replace("_", " ").replace("auroc", "AUROC")


def _why(check: Check) -> str:
    words = _words(check.id)
    ending = "" if check.reason == "Met." else f" {check.reason}"
    return f"{words[0].upper()}{words[1:]}: {check.rationale.strip()}{ending}"


def _results(report: ValidationReport, sample: Sample) -> tuple[Block, ...]:
    text = (
        f"{report.rows:,} rows of {report.subjects:,} subjects, {report.positives:,} of them with the "
        f"outcome (prevalence {sample.prevalence:.1%}). {_threshold_text(report)}"
    )
    rows = tuple((name, report.metrics[metric].text(), meaning) for metric, name, meaning in _METRICS)
    columns = (Column("Metric"), Column("Estimate (95% interval)"), Column("Meaning", share=1))
    return Paragraph(text), Table("Metrics on the held-out split", columns, rows)


def _threshold_text(report: ValidationReport) -> str:
    point = report.operating_point
    if point.threshold is None:
        return "No threshold could be set."
    if point.fixed_before:
        return (
            f"Rows scoring {point.threshold:.3f} or more count as called; the threshold was fixed beforehand."
        )
    return (
        f"Rows scoring {point.threshold:.3f} or more count as called: the lowest threshold that keeps a "
        f"specificity of {point.specificity:.0%} on these rows."
    )


def _figures(report: ValidationReport, sample: Sample) -> tuple[Block, ...]:
    if sample.positives == 0 or sample.negatives == 0:
        return ()
    calibration = _calibration(report, sample)
    thresholds = np.linspace(0.01, min(0.6, max(0.2, 3 * sample.prevalence)), 120)
    decision = decision_figure(
        thresholds,
        net_benefit(sample.outcome, sample.score, thresholds),
        net_benefit_of_all(sample.prevalence, thresholds),
    )
    return FigureRow((_roc(report, sample), calibration)), decision


def _roc(report: ValidationReport, sample: Sample) -> Figure:
    rates, sensitivity = roc_points(sample)
    threshold = report.operating_point.threshold
    mark = None
    if threshold is not None:
        called = sample.score >= threshold
        mark = (float(called[~sample.outcome].mean()), float(called[sample.outcome].mean()))
    band = roc_band(sample, replicates=report.bootstrap_samples, seed=report.seed)
    label = f"AUROC {report.metrics[Metric.AUROC].text(2)}"
    return roc_figure(rates, sensitivity, band, label=label, operating_point=mark)


def _calibration(report: ValidationReport, sample: Sample) -> Figure:
    groups = calibration_groups(sample)
    predicted, observed, low, high = (
        np.array([getattr(group, name) for group in groups], np.float64)
        for name in ("predicted", "observed", "low", "high")
    )
    slope = f"Calibration slope {report.metrics[Metric.CALIBRATION_SLOPE].text(2)}"
    return calibration_figure(predicted, observed, low, high, slope=slope, scores=sample.score)


def _subgroups(report: ValidationReport) -> tuple[Block, ...]:
    groups = report.subgroups.groups
    overall = report.metrics[Metric.AUROC]
    blocks: list[Block] = [Paragraph(_gap_text(report))]
    if isinstance(overall, Estimate) and groups:
        rows = [GroupInterval(_named(g.attribute), g.group, _interval(g)) for g in groups]
        blocks.append(forest_figure(rows, overall=(overall.value, overall.low, overall.high)))
    columns = (
        Column("Attribute"),
        Column("Group", share=1),
        Column("Rows", "right"),
        Column("Positives", "right"),
        Column("AUROC (95% interval)"),
    )
    rows_of_table = tuple(
        (_named(g.attribute), g.group, _cell(g.rows), _cell(g.positives), _auroc_cell(g)) for g in groups
    )
    blocks.append(Table("AUROC by subgroup", columns, rows_of_table))
    return tuple(blocks)


def _gap_text(report: ValidationReport) -> str:
    floor = (
        f"A group needs {CELL_FLOOR} rows of each outcome for an AUROC. Counts of 1 to {CELL_FLOOR - 1} are "
        "withheld, and where that would leave one to be found by subtraction, the smallest other one too."
    )
    if not report.subgroups.worst:
        return f"No two groups were large enough to compare. {floor}"
    return (
        f"The largest shortfall against all other rows is that of {_named(report.subgroups.worst)}: "
        f"{report.subgroups.gap.text()} in AUROC, with an interval widened for the number of groups "
        f"compared. {floor}"
    )


def _named(attribute: str) -> str:
    return attribute.replace("age_band", "age")


def _interval(group: Subgroup) -> tuple[float, float, float] | None:
    found = group.auroc
    return (found.value, found.low, found.high) if isinstance(found, Estimate) else None


def _auroc_cell(group: Subgroup) -> str:
    return group.auroc.text() if isinstance(group.auroc, Estimate) else "withheld, too few rows"


def _cell(count: int | None) -> str:
    return "withheld" if count is None else f"{count:,}"


def _limitations(report: ValidationReport) -> tuple[str, ...]:
    threshold = (
        "The operating threshold was fixed before these rows were read."
        if report.operating_point.fixed_before
        else "The operating threshold was chosen on the held-out rows themselves, so sensitivity and PPV are "
        "slightly optimistic. Their intervals include the choice; a service should fix its own threshold."
    )
    return (
        "The held-out split comes from the same source as the training rows. It is evidence for this source "
        "and period and no evidence for another hospital, another coding practice or a later time.",
        "Intervals cover sampling error of subjects only: not errors in the records, missing follow-up, or "
        "the choice of the model. AUROC intervals are DeLong's extended to repeated rows of a subject; the "
        f"others come from {report.bootstrap_samples:,} bootstrap samples of whole subjects or from a "
        "variance that keeps a subject's rows together.",
        threshold,
        "A subgroup that shows no shortfall may be too small to show one. Groups are those recorded in the "
        "source, with all the errors of such records.",
        "Good discrimination is no proof of benefit. Whether acting on the scores helps patients was not "
        "assessed here.",
        "A passed verdict says that the stated checks were met. It is one input to the people who decide, "
        "and it is no clearance for clinical use.",
    )


__all__ = ["validation_document"]
