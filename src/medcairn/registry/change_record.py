"""What is compared when a model changes, and what was found: facts of a version, findings, the assessment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from medcairn.core.canonical import JSON
from medcairn.core.clock import instant
from medcairn.core.digests import Digest
from medcairn.core.labels import Label


@dataclass(frozen=True)
class Estimated:
    """A metric on held-out subjects with its 95% interval."""

    value: float
    low: float
    high: float

    def as_json(self) -> dict[str, JSON]:
        return {"value": self.value, "low": self.low, "high": self.high}


@dataclass(frozen=True)
class ModelFacts:
    """What is known of one version of a model. None where no record tells it; nothing unknown is inside.

    ``model`` is the digest of the model's artifact, ``dataset`` of the gold table; ``rows`` and
    ``positives`` are those it was trained on, ``estimates`` from held-out subjects.
    """

    version: Label
    model: Digest
    dataset: Digest | None
    task: str | None
    task_digest: str | None
    feature_set: str | None
    feature_spec: str | None
    algorithm: str | None
    hyperparameters: Mapping[str, JSON] | None
    threshold: float | None
    rows: int | None
    positives: int | None
    estimates: Mapping[str, Estimated]
    criteria: str | None
    validated: bool

    def as_json(self) -> dict[str, JSON]:
        return {
            "version": self.version,
            "model_digest": self.model,
            "dataset_digest": self.dataset,
            "task": self.task,
            "task_digest": self.task_digest,
            "feature_set": self.feature_set,
            "feature_spec_digest": self.feature_spec,
            "algorithm": self.algorithm,
            "hyperparameters": self.hyperparameters,
            "threshold": self.threshold,
            "rows": self.rows,
            "positives": self.positives,
            "estimates": {name: one.as_json() for name, one in self.estimates.items()},
            "criteria_digest": self.criteria,
            "validated": self.validated,
        }


class Clause(StrEnum):
    """What is asked of each change. Those about performance are named ``performance.METRIC``."""

    PERIOD = "period"
    NUMBER_OF_CHANGES = "number_of_changes"
    BASELINE_VALIDATED = "baseline_validated"
    CANDIDATE_VALIDATED = "candidate_validated"
    ACCEPTANCE_CRITERIA = "acceptance_criteria"
    TASK = "task"
    FEATURES = "features"
    RETRAIN = "retrain"
    DATA_REFRESH = "data_refresh"
    TRAINING_ROWS = "training_rows"
    TRAINING_POSITIVES = "training_positives"
    ALGORITHM = "algorithm"
    HYPERPARAMETERS = "hyperparameters"
    THRESHOLD = "threshold"
    PERFORMANCE = "performance"


@dataclass(frozen=True)
class Finding:
    """One clause: what the plan allows (in words), and what the two versions have."""

    clause: Label
    inside: bool
    allows: str
    baseline: JSON
    candidate: JSON

    def as_json(self) -> dict[str, JSON]:
        return {
            "clause": self.clause,
            "inside": self.inside,
            "allows": self.allows,
            "baseline": self.baseline,
            "candidate": self.candidate,
        }


@dataclass(frozen=True)
class ChangeAssessment:
    """A change and every clause of the plan."""

    plan: Digest
    baseline: Label
    candidate: Label
    changes_so_far: int
    at: datetime
    findings: tuple[Finding, ...]

    @property
    def outside(self) -> tuple[Label, ...]:
        """The names of the clauses that the change does not keep to."""
        return tuple(finding.clause for finding in self.findings if not finding.inside)

    @property
    def inside(self) -> bool:
        """Whether the change keeps to every clause."""
        return bool(self.findings) and not self.outside

    def as_json(self) -> dict[str, JSON]:
        return {
            "plan": self.plan,
            "baseline": self.baseline,
            "candidate": self.candidate,
            "changes_so_far": self.changes_so_far,
            "at": instant(self.at),
            "inside": self.inside,
            "outside": list(self.outside),
            "findings": [finding.as_json() for finding in self.findings],
        }


__all__ = ["ChangeAssessment", "Clause", "Estimated", "Finding", "ModelFacts"]
