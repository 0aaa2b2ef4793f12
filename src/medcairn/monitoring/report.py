"""What monitoring found in one window, as records."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from medcairn.core.canonical import JSON


class Status(StrEnum):
    """What is said of a feature, and of the window."""

    OK = "ok"
    DRIFT = "drift"
    TOO_FEW_ROWS = "too_few_rows"


class Finding(StrEnum):
    """A change that is unlikely to be chance."""

    DISTRIBUTION = "distribution"
    STABILITY = "stability"
    MISSINGNESS = "missingness"


@dataclass(frozen=True)
class FeatureChange:
    """One feature (or the score) in the window against the reference.

    Shares are 0 to 1. A number is None where it could not be computed. ``negligible`` marks a change that
    is detectable in so many rows and too small to matter; its status is ok.
    """

    name: str
    status: Status
    findings: tuple[Finding, ...]
    negligible: bool
    psi: float | None
    psi_limit: float | None
    psi_p_value: float | None
    ks_distance: float | None
    ks_p_value: float | None
    reference_missing: float
    current_missing: float
    missing_p_value: float
    reference_quantiles: tuple[float, ...]
    current_quantiles: tuple[float, ...]

    def as_json(self) -> dict[str, JSON]:
        return {
            "name": self.name,
            "status": self.status.value,
            "findings": [finding.value for finding in self.findings],
            "negligible": self.negligible,
            "psi": _rounded(self.psi),
            "psi_limit": _rounded(self.psi_limit),
            "psi_p_value": _rounded(self.psi_p_value),
            "ks_distance": _rounded(self.ks_distance),
            "ks_p_value": _rounded(self.ks_p_value),
            "reference_missing": _rounded(self.reference_missing),
            "current_missing": _rounded(self.current_missing),
            "missing_p_value": _rounded(self.missing_p_value),
            "reference_quantiles": [_rounded(value) for value in self.reference_quantiles],
            "current_quantiles": [_rounded(value) for value in self.current_quantiles],
        }


@dataclass(frozen=True)
class Volume:
    """How much there was. Subjects are rows where they are not known.

    ``rows_per_day`` counts each day from the first to the last; empty when the window has no times.
    """

    reference_rows: int
    current_rows: int
    reference_subjects: int
    current_subjects: int
    subjects_known: bool
    rows_per_day: tuple[int, ...]

    def as_json(self) -> dict[str, JSON]:
        return {
            "reference_rows": self.reference_rows,
            "current_rows": self.current_rows,
            "reference_subjects": self.reference_subjects,
            "current_subjects": self.current_subjects,
            "subjects_known": self.subjects_known,
            "rows_per_day": list(self.rows_per_day),
        }


@dataclass(frozen=True)
class MonitoringReport:
    """A window against the reference: the status of the whole, of the score and of each feature."""

    status: Status
    volume: Volume
    score: FeatureChange | None
    features: tuple[FeatureChange, ...]
    false_discovery_rate: float
    minimum_rows: int

    @property
    def changes(self) -> tuple[FeatureChange, ...]:
        """The score first, when there is one, and the features in their order."""
        return (*(() if self.score is None else (self.score,)), *self.features)

    @property
    def drifted(self) -> tuple[FeatureChange, ...]:
        return tuple(change for change in self.changes if change.status is Status.DRIFT)

    def facts(self) -> dict[str, JSON]:
        """Aggregate numbers for the artifact's manifest; no times, no ids."""
        return {
            "status": self.status.value,
            "reference_rows": self.volume.reference_rows,
            "current_rows": self.volume.current_rows,
            "features": len(self.features),
            "drifted": [change.name for change in self.drifted],
            "score": None if self.score is None else self.score.status.value,
            "false_discovery_rate": self.false_discovery_rate,
            "minimum_rows": self.minimum_rows,
        }

    def as_json(self) -> dict[str, JSON]:
        """Everything, as ``report.json`` holds it beside the report's head."""
        return {
            "status": self.status.value,
            "false_discovery_rate": self.false_discovery_rate,
            "minimum_rows": self.minimum_rows,
            "volume": self.volume.as_json(),
            "score": None if self.score is None else self.score.as_json(),
            "features": [change.as_json() for change in self.features],
        }


def _rounded(value: float | None) -> float | None:
    """Ten decimals; an endless limit (a feature with one value) has no place in JSON."""
    return None if value is None or not math.isfinite(value) else round(value, 10)


__all__ = ["FeatureChange", "Finding", "MonitoringReport", "Status", "Volume"]
