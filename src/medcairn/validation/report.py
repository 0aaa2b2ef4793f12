"""What a validation found, as a record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from medcairn.core.canonical import JSON
from medcairn.core.digests import Digest
from medcairn.validation.checks import Check
from medcairn.validation.criteria import Metric
from medcairn.validation.estimate import Measured
from medcairn.validation.subgroups import SubgroupFindings


@dataclass(frozen=True)
class OperatingPoint:
    """Where sensitivity, specificity, PPV and NPV were read.

    ``threshold`` is None when no score keeps the wanted specificity. ``fixed_before`` is true when it was
    given by the caller and not chosen on the held-out rows.
    """

    specificity: float
    threshold: float | None
    fixed_before: bool

    def as_json(self) -> dict[str, JSON]:
        threshold = None if self.threshold is None else round(self.threshold, 10)
        return {
            "specificity": self.specificity,
            "threshold": threshold,
            "fixed_before": self.fixed_before,
        }


@dataclass(frozen=True)
class ValidationReport:
    """Verdict, checks, metrics and subgroups of a candidate on the held-out split.

    The verdict is "passed" when there is at least one criterion and every check passed.
    """

    verdict: Literal["passed", "failed"]
    rows: int
    subjects: int
    positives: int
    criteria_name: str
    criteria_digest: Digest
    metrics: Mapping[Metric, Measured]
    operating_point: OperatingPoint
    checks: tuple[Check, ...]
    subgroups: SubgroupFindings
    seed: int
    bootstrap_samples: int

    @property
    def passed(self) -> bool:
        return self.verdict == "passed"

    @property
    def failed_checks(self) -> tuple[Check, ...]:
        return tuple(check for check in self.checks if not check.passed)

    def facts(self) -> dict[str, JSON]:
        """Aggregate numbers for the artifact's manifest and the ledger; no times, no ids.

        Subgroups are as the report publishes them: small cells are withheld there already.
        """
        return {
            "verdict": self.verdict,
            "rows": self.rows,
            "subjects": self.subjects,
            "positives": self.positives,
            "criteria": self.criteria_name,
            "criteria_digest": self.criteria_digest,
            "checks": {check.id: check.passed for check in self.checks},
            "rules": {check.id: check.rule for check in self.checks},
            "metrics": {metric.value: value.as_json() for metric, value in self.metrics.items()},
            "operating_point": self.operating_point.as_json(),
            "subgroups": [group.as_json() for group in self.subgroups.groups],
            "seed": self.seed,
            "bootstrap_samples": self.bootstrap_samples,
        }

    def as_json(self) -> dict[str, JSON]:
        """Everything, as ``report.json`` holds it beside the report's head."""
        return {
            **{name: value for name, value in self.facts().items() if name != "rules"},
            "checks": [check.as_json() for check in self.checks],
            "subgroup_with_largest_gap": self.subgroups.worst,
        }


__all__ = ["OperatingPoint", "ValidationReport"]
