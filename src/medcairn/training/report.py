"""What a training run found."""

from __future__ import annotations

from dataclasses import dataclass

from medcairn.core.canonical import JSON
from medcairn.core.digests import Digest
from medcairn.core.labels import Label
from medcairn.training.algorithms import Algorithm, parameters_of
from medcairn.training.crossvalidation import CandidateResult
from medcairn.training.portable import Form, ParityResult


@dataclass(frozen=True)
class TrainReport:
    """The candidates, the chosen one, and the model that was written.

    ``model_digest`` is that of the model file. ``mlflow_run_id`` is None without a tracker.
    """

    algorithm: Algorithm
    form: Form
    model_digest: Digest
    candidates: tuple[CandidateResult, ...]
    parity: tuple[ParityResult, ...]
    parity_rows: int
    features: int
    rows: int
    subjects: int
    positives: int
    feature_spec_digest: Digest
    training_rows_digest: Digest
    seed: int
    folds: int
    mlflow_run_id: Label | None

    @property
    def auroc(self) -> float:
        """Mean cross-validated AUROC of the chosen algorithm, in [0, 1]."""
        return self.chosen.auroc

    @property
    def chosen(self) -> CandidateResult:
        """The candidate that was chosen."""
        return next(c for c in self.candidates if c.algorithm is self.algorithm)

    def facts(self) -> dict[str, JSON]:
        """Aggregate and deterministic; without the MLflow run's id."""
        return {
            "algorithm": self.algorithm.value,
            "hyperparameters": parameters_of(self.algorithm),
            "form": self.form.value,
            "model_digest": self.model_digest,
            "auroc": self.auroc,
            "candidates": {c.algorithm.value: c.as_json() for c in self.candidates},
            "parity": {result.form.value: result.recorded for result in self.parity},
            "parity_rows": self.parity_rows,
            "features": self.features,
            "rows": self.rows,
            "subjects": self.subjects,
            "positives": self.positives,
            "feature_spec_digest": self.feature_spec_digest,
            "training_rows_digest": self.training_rows_digest,
            "seed": self.seed,
            "folds": self.folds,
        }


__all__ = ["TrainReport"]
