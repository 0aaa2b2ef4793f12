"""What training tells the tracker: settings, digests, figures, pictures, the model itself."""

from __future__ import annotations

from medcairn.core.canonical import canonical_json
from medcairn.core.labels import Label
from medcairn.tracking import Loggable, Run
from medcairn.training.algorithms import parameters_of
from medcairn.training.crossvalidation import CandidateResult
from medcairn.training.environment import versions
from medcairn.training.plots import candidate_plots
from medcairn.training.portable import MODEL_JSON, ModelDescription
from medcairn.training.report import TrainReport
from medcairn.training.rows import TrainingRows


def log_candidate(run: Run, rows: TrainingRows, result: CandidateResult, *, seed: int) -> None:
    """One algorithm: its settings, its figures fold by fold and their means."""
    settings = parameters_of(result.algorithm)
    run.log_params({"algorithm": result.algorithm, "seed": seed, "folds": len(result.folds), **settings})
    run.set_tags(_input_digests(rows))
    for step, fold in enumerate(result.folds):
        figures = {"fold_auroc": fold.auroc, "fold_auprc": fold.auprc, "fold_brier": fold.brier}
        run.log_metrics(figures, step=step)
    run.log_metrics(_means(result))


def log_plots(run: Run, rows: TrainingRows, result: CandidateResult) -> None:
    """The pictures of one algorithm, below ``plots/``."""
    for name, picture in candidate_plots(result, rows.outcome).items():
        run.log_artifact(picture, f"plots/{name}")


def log_inputs(run: Run, rows: TrainingRows, *, seed: int, folds: int) -> None:
    """The whole training: sizes, seed, digests of what went in, package versions."""
    run.log_params(
        {
            "seed": seed,
            "folds": folds,
            "rows": len(rows.outcome),
            "subjects": rows.subjects,
            "positives": rows.positives,
            "features": len(rows.names),
        }
    )
    run.set_tags(_input_digests(rows) | {f"version.{name}": Label(text) for name, text in versions().items()})
    run.log_artifact(canonical_json(versions()), "environment.json")
    run.log_artifact(canonical_json(list(rows.names)), "features.json")


def log_outcome(run: Run, report: TrainReport, description: ModelDescription, data: bytes) -> None:
    """The choice: figures of every candidate, what the parity gate found, the model folder."""
    for candidate in report.candidates:
        run.log_metrics(_means(candidate, f".{candidate.algorithm.value}"))
    run.log_metrics(_means(report.chosen))
    gate = {f"parity_difference.{r.form.value}": r.difference for r in report.parity}
    run.log_metrics({name: value for name, value in gate.items() if value is not None})
    run.set_tags(
        {
            "medcairn.algorithm": report.algorithm,
            "medcairn.form": report.form,
            "medcairn.model_digest": report.model_digest,
            **{f"medcairn.parity.{r.form.value}": r.verdict for r in report.parity},
        }
    )
    run.log_artifact(data, f"model/{description.model_file.name}")
    run.log_artifact(canonical_json(description.as_json()) + b"\n", f"model/{MODEL_JSON}")


def _input_digests(rows: TrainingRows) -> dict[str, Loggable]:
    return {
        "medcairn.dataset_digest": rows.file_digest,
        "medcairn.training_rows_digest": rows.digest,
        "medcairn.feature_spec_digest": rows.feature_spec_digest,
    }


def _means(candidate: CandidateResult, suffix: str = "") -> dict[str, float]:
    return {f"cv_{name}{suffix}": getattr(candidate, name) for name in ("auroc", "auprc", "brier")}


__all__ = ["log_candidate", "log_inputs", "log_outcome", "log_plots"]
