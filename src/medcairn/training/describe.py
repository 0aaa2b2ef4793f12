"""From what training found to the ``model.json`` that says it."""

from __future__ import annotations

from medcairn.core.digests import digest_bytes
from medcairn.training.algorithms import FittedModel, parameters_of
from medcairn.training.crossvalidation import CandidateResult, specificity_thresholds
from medcairn.training.environment import versions
from medcairn.training.portable import PortableModel
from medcairn.training.portable.description import (
    Candidate,
    CrossValidation,
    Measure,
    ModelDescription,
    ModelFile,
    TrainingData,
)
from medcairn.training.rows import TrainingRows


def describe(
    model: FittedModel,
    portable: PortableModel,
    rows: TrainingRows,
    candidates: tuple[CandidateResult, ...],
    *,
    seed: int,
    folds: int,
) -> ModelDescription:
    """The record of ``model``, fitted on ``rows`` and turned into ``portable``."""
    chosen = next(c for c in candidates if c.algorithm is model.algorithm)
    points = specificity_thresholds(rows.outcome, chosen.scores)
    data = TrainingData(len(rows.outcome), rows.subjects, rows.positives, str(rows.digest))
    name = f"model.{portable.form.value}"
    return ModelDescription(
        form=portable.form,
        algorithm=model.algorithm,
        features=tuple(str(feature) for feature in rows.names),
        columns=tuple(int(column) for column in model.columns),
        feature_spec_digest=str(rows.feature_spec_digest),
        seed=seed,
        parameters={
            name: str(value) if isinstance(value, str) else value
            for name, value in parameters_of(model.algorithm).items()
        },
        cross_validation=CrossValidation(
            folds=folds,
            candidates={c.algorithm.value: _measures(c) for c in candidates},
            specificity_thresholds=points,
        ),
        parity={result.form.value: result.recorded for result in portable.results},
        parity_rows=portable.rows,
        training=data,
        model_file=ModelFile(name, str(digest_bytes(portable.data)), len(portable.data)),
        versions=versions(),
    )


def _measures(candidate: CandidateResult) -> Candidate:
    def measure(name: str) -> Measure:
        return Measure(getattr(candidate, name), tuple(getattr(fold, name) for fold in candidate.folds))

    return Candidate(auroc=measure("auroc"), auprc=measure("auprc"), brier=measure("brier"))


__all__ = ["describe"]
