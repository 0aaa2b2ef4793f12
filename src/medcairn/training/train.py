"""The training stage: compare the algorithms, refit the best, write it in a portable form."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from medcairn.core.digests import digest_bytes
from medcairn.core.errors import UsageError
from medcairn.core.labels import Label
from medcairn.core.progress import Progress
from medcairn.tracking import NoTracker, Tracker
from medcairn.training.algorithms import fit, parse_algorithms
from medcairn.training.crossvalidation import CandidateResult, cross_validate, split_folds
from medcairn.training.describe import describe
from medcairn.training.journal import log_candidate, log_inputs, log_outcome, log_plots
from medcairn.training.portable import ModelDescription, PortableModel, choose_form, write_model
from medcairn.training.report import TrainReport
from medcairn.training.rows import TrainingRows, read_training_rows

_RUN_NAME = "training"
_FEWEST_FOLDS = 2


def train(
    gold_dir: Path,
    out_dir: Path,
    *,
    seed: int,
    folds: int,
    models: Sequence[str],
    tracker: Tracker | None,
    progress: Progress,
    n_jobs: int = 2,
) -> TrainReport:
    """Train on the ``train`` split of ``gold_dir`` and write the model folder ``out_dir``.

    Each algorithm of ``models`` is cross-validated by subject with ``folds`` folds; the one with the highest
    mean AUROC is fitted again on all train rows and written in the first portable form that passes the
    parity gate. With a tracker, one MLflow run holds the whole, with one run a candidate under it. The same
    rows, settings and package versions give the same bytes.

    Raises :class:`~medcairn.core.errors.UsageError` for unknown models or too few folds, what
    :func:`~medcairn.training.rows.read_training_rows` raises,
    :class:`~medcairn.core.errors.DataError` when the subjects do not suffice for the folds,
    :class:`~medcairn.core.errors.GateRefused` when no form reproduces the model.
    """
    algorithms = parse_algorithms(list(models))
    if folds < _FEWEST_FOLDS or n_jobs < 1:
        raise UsageError("Training needs at least two folds and one job", folds=folds, n_jobs=n_jobs)
    rows = read_training_rows(gold_dir)
    left_out = split_folds(rows, folds=folds, seed=seed)
    keeper: Tracker = tracker or NoTracker()
    progress.begin("Training", total=len(algorithms) * folds + 1, unit="fits")
    with keeper.start_run(_RUN_NAME) as run:
        log_inputs(run, rows, seed=seed, folds=folds)
        candidates: list[CandidateResult] = []
        for algorithm in algorithms:
            with keeper.start_run(algorithm.value, run) as candidate_run:
                result = cross_validate(
                    algorithm, rows, left_out, seed=seed, n_jobs=n_jobs, progress=progress
                )
                log_candidate(candidate_run, rows, result, seed=seed)
                if tracker is not None:  # drawing takes as long as fitting
                    log_plots(candidate_run, rows, result)
            candidates.append(result)
        chosen = max(candidates, key=lambda c: c.auroc)  # the first, plainest, of equals
        model = fit(chosen.algorithm, rows.values, rows.outcome, seed=seed, n_jobs=n_jobs)
        progress.advance(1)
        progress.begin("Choosing a portable form")
        portable = choose_form(model, rows.values, seed=seed)
        description = describe(model, portable, rows, tuple(candidates), seed=seed, folds=folds)
        write_model(out_dir, description, portable.data)
        run_id = run.id if tracker is not None else None
        report = _report(description, portable, rows, tuple(candidates), run_id)
        log_outcome(run, report, description, portable.data)
    return report


def _report(
    description: ModelDescription,
    portable: PortableModel,
    rows: TrainingRows,
    candidates: tuple[CandidateResult, ...],
    run_id: Label | None,
) -> TrainReport:
    return TrainReport(
        algorithm=description.algorithm,
        form=description.form,
        model_digest=digest_bytes(portable.data),
        candidates=candidates,
        parity=portable.results,
        parity_rows=portable.rows,
        features=len(rows.names),
        rows=len(rows.outcome),
        subjects=rows.subjects,
        positives=rows.positives,
        feature_spec_digest=rows.feature_spec_digest,
        training_rows_digest=rows.digest,
        seed=description.seed,
        folds=description.cross_validation.folds,
        mlflow_run_id=run_id,
    )


__all__ = ["train"]
