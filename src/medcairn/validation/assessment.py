"""The assessment of a candidate: pinned criteria, held-out rows, verdict, and the three reports."""

from __future__ import annotations

from pathlib import Path

from medcairn.core.canonical import JSON
from medcairn.core.digests import Digest
from medcairn.core.errors import IntegrityError, UsageError
from medcairn.core.files import write_file, write_json
from medcairn.core.progress import NoProgress, Progress
from medcairn.core.scoring import Scorer
from medcairn.reports import ReportAbout, render_page, render_pdf
from medcairn.validation.auroc import auroc
from medcairn.validation.calibration import brier, brier_skill, calibration_intercept, calibration_slope
from medcairn.validation.checks import all_passed, run_checks
from medcairn.validation.criteria import Criteria, Metric
from medcairn.validation.estimate import Estimate, Measured
from medcairn.validation.held_out import HeldOut, read_held_out
from medcairn.validation.ranking import average_precision, operating_point, threshold_at
from medcairn.validation.report import OperatingPoint, ValidationReport
from medcairn.validation.sample import Sample
from medcairn.validation.subgroups import assess_subgroups
from medcairn.validation.text import validation_document

_REPLICATES = range(100, 100_001)


def validate(
    gold_dir: Path,
    scorer: Scorer,
    criteria: Criteria,
    out_dir: Path,
    *,
    pinned: Digest,
    seed: int,
    bootstrap_samples: int,
    about: ReportAbout,
    ceiling: float | None = None,
    threshold: float | None = None,
    progress: Progress | None = None,
) -> ValidationReport:
    """Assess ``scorer`` on the held-out split, and write report.json, report.html and report.pdf.

    ``pinned`` is the digest of the criteria as recorded before; it is compared before any row is read.
    ``ceiling`` is the best AUROC that the outcome allows, where it is known. ``threshold`` is an operating
    threshold fixed before on other rows; without one it is chosen on the held-out rows, and said so.

    A metric that cannot be computed fails its criterion with a reason. Raises :class:`IntegrityError`
    when the criteria are not the pinned ones, :class:`UsageError` or :class:`DataError` when the gold
    tables cannot be used.
    """
    if criteria.digest != pinned:
        raise IntegrityError(
            "The acceptance criteria are not the ones that were pinned",
            pinned=pinned,
            found=criteria.digest,
        )
    if bootstrap_samples not in _REPLICATES:
        raise UsageError("The number of bootstrap samples is out of range", samples=bootstrap_samples)
    shown = progress or NoProgress()
    shown.begin("Assessing the held-out split", 3, "steps")
    held_out = read_held_out(gold_dir, scorer)
    shown.advance(1)
    report = assess(
        held_out,
        criteria,
        seed=seed,
        bootstrap_samples=bootstrap_samples,
        ceiling=ceiling,
        threshold=threshold,
    )
    shown.advance(1)
    _write(out_dir, report, held_out.sample, criteria, about)
    shown.advance(1)
    return report


def assess(
    held_out: HeldOut,
    criteria: Criteria,
    *,
    seed: int,
    bootstrap_samples: int,
    ceiling: float | None = None,
    threshold: float | None = None,
) -> ValidationReport:
    """The report of scored rows; touches no file."""
    sample = held_out.sample
    point = _point(sample, criteria.specificity, threshold)
    metrics = measure(sample, point, replicates=bootstrap_samples, seed=seed)
    subgroups = assess_subgroups(sample, held_out.attributes)
    metrics[Metric.SUBGROUP_AUROC_GAP] = subgroups.gap
    checks = run_checks(criteria, metrics, ceiling=ceiling)
    return ValidationReport(
        verdict="passed" if all_passed(criteria, checks) else "failed",
        rows=sample.rows,
        subjects=sample.subjects,
        positives=sample.positives,
        criteria_name=criteria.name,
        criteria_digest=criteria.digest,
        metrics=metrics,
        operating_point=point,
        checks=checks,
        subgroups=subgroups,
        seed=seed,
        bootstrap_samples=bootstrap_samples,
    )


def measure(sample: Sample, point: OperatingPoint, *, replicates: int, seed: int) -> dict[Metric, Measured]:
    """Every metric of :class:`Metric` but the subgroup gap."""
    fixed = point.threshold if point.fixed_before else None
    at_point = operating_point(
        sample, specificity=point.specificity, threshold=fixed, replicates=replicates, seed=seed
    )
    return {
        Metric.ROWS: _count(sample.rows),
        Metric.POSITIVES: _count(sample.positives),
        Metric.AUROC: auroc(sample),
        Metric.AUPRC: average_precision(sample, replicates=replicates, seed=seed),
        Metric.BRIER: brier(sample, replicates=replicates, seed=seed),
        Metric.BRIER_SKILL: brier_skill(sample, replicates=replicates, seed=seed),
        Metric.CALIBRATION_SLOPE: calibration_slope(sample),
        Metric.CALIBRATION_INTERCEPT: calibration_intercept(sample),
        **{Metric(name): value for name, value in at_point.items()},
    }


def _point(sample: Sample, specificity: float, threshold: float | None) -> OperatingPoint:
    if threshold is not None:
        return OperatingPoint(specificity, threshold, fixed_before=True)
    both = sample.positives > 0 and sample.negatives > 0
    return OperatingPoint(
        specificity, threshold_at(sample, specificity) if both else None, fixed_before=False
    )


def _count(number: int) -> Estimate:
    return Estimate(float(number), float(number), float(number), "count")


def _write(
    out_dir: Path, report: ValidationReport, sample: Sample, criteria: Criteria, about: ReportAbout
) -> None:
    whole: dict[str, JSON] = {
        "about": about.as_json(),
        "criteria": criteria.as_json(),
        "validation": report.as_json(),
    }
    document = validation_document(report, sample, criteria, about)
    write_json(out_dir / "report.json", whole)
    write_file(out_dir / "report.html", render_page(document))
    write_file(out_dir / "report.pdf", render_pdf(document))


__all__ = ["assess", "measure", "validate"]
