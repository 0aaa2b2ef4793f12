"""Subject-grouped, outcome-stratified cross-validation.

A subject's rows are all in the same fold: rows of one subject resemble each other, and a model that has seen
one of them would be praised for remembering.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from medcairn.core.canonical import JSON
from medcairn.core.errors import DataError
from medcairn.core.progress import Progress
from medcairn.training.algorithms import Algorithm, fit
from medcairn.training.rows import Floats, Ints, TrainingRows


@dataclass(frozen=True)
class FoldScore:
    """Figures on the rows that one fold left out.

    ``auroc`` in [0, 1], 0.5 is chance. ``auprc`` is average precision in [0, 1], the prevalence is chance.
    ``brier`` is the mean squared error of the probability in [0, 1], lower is better.
    """

    rows: int
    positives: int
    auroc: float
    auprc: float
    brier: float


@dataclass(frozen=True)
class CandidateResult:
    """One algorithm under cross-validation. ``scores`` are out-of-fold, one a training row."""

    algorithm: Algorithm
    folds: tuple[FoldScore, ...]
    scores: Floats

    @property
    def auroc(self) -> float:
        """Mean over the folds; what the candidate is chosen by."""
        return float(np.mean([fold.auroc for fold in self.folds]))

    @property
    def auprc(self) -> float:
        """Mean over the folds."""
        return float(np.mean([fold.auprc for fold in self.folds]))

    @property
    def brier(self) -> float:
        """Mean over the folds."""
        return float(np.mean([fold.brier for fold in self.folds]))

    def as_json(self) -> dict[str, JSON]:
        """Mean and per-fold value of every figure."""
        return {
            name: {"mean": getattr(self, name), "folds": [getattr(fold, name) for fold in self.folds]}
            for name in ("auroc", "auprc", "brier")
        }


def split_folds(rows: TrainingRows, *, folds: int, seed: int) -> tuple[Ints, ...]:
    """The places of the left-out rows of each fold.

    Raises :class:`DataError` when the subjects do not suffice for both outcomes in every fold.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    with_outcome = len(np.unique(rows.subject[rows.outcome == 1]))
    without = len(np.unique(rows.subject[rows.outcome == 0]))
    if min(with_outcome, without) < folds:
        raise DataError(
            "There are fewer subjects of one outcome than folds",
            hint="Use fewer folds or more subjects",
            folds=folds,
            subjects_with_outcome=with_outcome,
            subjects_without=without,
        )
    splitter = StratifiedGroupKFold(n_splits=folds, shuffle=True, random_state=seed)
    found = splitter.split(rows.values, rows.outcome, groups=rows.subject)
    left_out = tuple(np.asarray(out, dtype=np.int64) for _, out in found)
    for places in left_out:
        positives = int(rows.outcome[places].sum())
        if not 0 < positives < len(places):
            raise DataError(
                "A fold has one outcome only",
                hint="Use fewer folds or more subjects",
                folds=folds,
                rows=len(places),
                positives=positives,
            )
    return left_out


def cross_validate(
    algorithm: Algorithm,
    rows: TrainingRows,
    folds: tuple[Ints, ...],
    *,
    seed: int,
    n_jobs: int,
    progress: Progress,
) -> CandidateResult:
    """Fit ``algorithm`` once for each fold on the other folds' rows, and score the rows left out."""
    scores = np.full(len(rows.outcome), np.nan)
    results: list[FoldScore] = []
    for left_out, kept in _pairs(folds, len(rows.outcome)):
        model = fit(algorithm, rows.values[kept], rows.outcome[kept], seed=seed, n_jobs=n_jobs)
        scores[left_out] = model.score(rows.values[left_out])
        results.append(_scored(rows.outcome[left_out], scores[left_out]))
        progress.advance(1)
    return CandidateResult(algorithm, tuple(results), scores)


def specificity_thresholds(outcome: Ints, scores: Floats) -> tuple[tuple[float, float], ...]:
    """Pairs (specificity, threshold) for specificities of 1% to 99%, from out-of-fold scores.

    A row is called positive when its score is at or above the threshold. Each threshold is the lowest
    out-of-fold score that keeps at least the specificity among the rows without the outcome.
    """
    negatives = np.sort(scores[outcome == 0])
    distinct = np.unique(scores)
    pairs: list[tuple[float, float]] = []
    for percent in range(1, 100):
        called_negative = -(-percent * len(negatives) // 100)  # the ceiling, in whole numbers
        bar = negatives[called_negative - 1]
        place = int(np.searchsorted(distinct, bar, side="right"))
        above = distinct[place] if place < len(distinct) else np.nextafter(bar, np.inf)
        pairs.append((percent / 100, float(above)))
    return tuple(pairs)


def _pairs(folds: tuple[Ints, ...], rows: int) -> Iterator[tuple[Ints, Ints]]:
    for left_out in folds:
        mask = np.ones(rows, dtype=np.bool_)
        mask[left_out] = False
        yield left_out, np.flatnonzero(mask).astype(np.int64)


def _scored(outcome: Ints, scores: Floats) -> FoldScore:
    from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

    return FoldScore(
        rows=len(outcome),
        positives=int(outcome.sum()),
        auroc=float(roc_auc_score(outcome, scores)),
        auprc=float(average_precision_score(outcome, scores)),
        brier=float(brier_score_loss(outcome, scores)),
    )


__all__ = ["CandidateResult", "FoldScore", "cross_validate", "specificity_thresholds", "split_folds"]
