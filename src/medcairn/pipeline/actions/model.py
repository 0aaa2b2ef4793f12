"""Steps 4 to 6: from the gold table to a released package."""

from __future__ import annotations

from datetime import UTC, datetime, time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from medcairn import packaging, registry, training, validation
from medcairn.audit import EventType
from medcairn.core.artifacts import Zone
from medcairn.core.canonical import JSON
from medcairn.core.clock import instant
from medcairn.core.digests import Digest, digest_file
from medcairn.core.errors import GateRefused
from medcairn.core.labels import Label
from medcairn.pipeline.approval import approvals, author, model_version
from medcairn.pipeline.runner import StepContext
from medcairn.pipeline.study import Study
from medcairn.registry import LifecycleState
from medcairn.reports import ReportAbout
from medcairn.tracking import open_tracker
from medcairn.training import portable


def train(context: StepContext) -> None:
    """Train every algorithm, choose one by cross-validation, and write it in a portable form."""
    study, settings = context.study, context.study.settings.training
    artifacts = study.root / "mlartifacts"
    tracker = open_tracker(study.tracking_uri, artifacts, study.settings.study.name)
    with context.draft("model", f"models/{study.task}", kind="model", zone=Zone.DEIDENTIFIED) as draft:
        report = training.train(
            context.folder("gold"),
            draft.folder,
            seed=settings.seed,
            folds=settings.folds,
            models=settings.models,
            tracker=tracker,
            progress=context.progress,
        )
        draft.facts = report.facts()
    with context.draft(
        "out_of_fold", f"models/{study.task}.out_of_fold", kind="out_of_fold", zone=Zone.DEIDENTIFIED
    ) as draft:
        _write_out_of_fold(context.folder("gold"), draft.folder, report.chosen.scores)
    context.record["mlflow_run_id"] = report.mlflow_run_id
    context.summary = (
        f"{report.algorithm}, AUROC {report.auroc:.3f} in cross-validation, served as {report.form}"
    )


def _write_out_of_fold(gold: Path, folder: Path, scores: NDArray[np.float64]) -> None:
    """The training rows' scores by models that did not see their subject; monitoring compares with these."""
    keys = pq.read_table(gold / "features.parquet", columns=["subject_id", "prediction_time", "split"])
    train_rows = keys.filter(pc.equal(keys["split"], "train")).drop_columns(["split"])
    pq.write_table(train_rows.append_column("score", pa.array(scores)), folder / "scores.parquet")


def validate(context: StepContext) -> None:
    """Pin the criteria in the ledger, then read the held-out rows."""
    study, settings = context.study, context.study.settings.validation
    criteria = validation.load_criteria(settings.criteria, study.root / "criteria")
    pinned: dict[str, JSON] = {"criteria": criteria.as_json(), "criteria_digest": criteria.digest}
    context.ledger.append(
        EventType.CRITERIA_PINNED, actor="pipeline", run_id=context.run_id, stage="validate", record=pinned
    )
    gold, model = context.folder("gold"), context.folder("model")
    with context.draft("validation", "reports/validation", kind="validation", zone=Zone.AGGREGATE) as draft:
        report = validation.validate(
            gold,
            portable.load(model),
            criteria,
            draft.folder,
            pinned=criteria.digest,
            seed=study.settings.training.seed,
            bootstrap_samples=settings.bootstrap_samples,
            about=report_about(context, criteria_digest=criteria.digest),
            ceiling=settings.auroc_ceiling,
            threshold=portable.threshold(model, criteria.specificity),
            progress=context.progress,
        )
        draft.facts = report.facts()
    record_state(context, LifecycleState.CANDIDATE)
    if report.passed:
        record_state(context, LifecycleState.VALIDATED)
    met = sum(check.passed for check in report.checks)
    context.summary = f"{report.verdict}: {met} of {len(report.checks)} checks met on {report.rows:,} rows"


def package(context: StepContext) -> None:
    """Pass the release gate, build the package, and let the MLflow registry follow."""
    study = context.study
    record = packaging.approval_record(
        name=Label(study.model_name),
        version=model_version(study),
        author=author(study),
        model_dir=context.folder("model"),
        gold_dir=context.folder("gold"),
        validation_dir=context.folder("validation"),
    )
    collected = approvals(study, record)
    try:
        with context.draft("package", f"packages/{study.task}", kind="package", zone=Zone.AGGREGATE) as draft:
            report = packaging.build_package(
                draft.folder,
                name=record.name,
                version=record.version,
                model_dir=context.folder("model"),
                gold_dir=context.folder("gold"),
                validation_dir=context.folder("validation"),
                scorer=portable.load(context.folder("model")),
                approvals=collected,
                about=packaging.ModelAbout(
                    study=study.settings.study.name,
                    purpose=study.settings.study.purpose,
                    author=record.author,
                    synthetic=study.settings.study.synthetic,
                ),
                created_at=data_day(study),
            )
            draft.facts = report.facts()
    except GateRefused as refusal:
        refused: dict[str, JSON] = {"gate": "release", **refusal.recordable_fields()}
        context.ledger.append(
            EventType.GATE_REFUSED, actor="pipeline", run_id=context.run_id, stage="package", record=refused
        )
        raise
    reach_state(context, LifecycleState.APPROVED, package=report.digest)
    context.record["approval_digest"] = record.digest
    context.record["model_version"] = f"{record.name}/{record.version}"
    context.summary = f"{record.name} version {record.version}, {report.signatures} signatures"


def reach_state(context: StepContext, state: LifecycleState, *, package: Digest) -> None:
    """Record that the packaged model reached ``state``, and let MLflow's registry follow; it never leads.

    Raises :class:`GateRefused` when the state may not follow the present one.
    """
    record_state(context, state)
    study = context.study
    trained = study.events(EventType.STAGE_FINISHED)
    run_id = next(str(s.event.record["mlflow_run_id"]) for s in reversed(trained) if s.event.stage == "train")
    model = study.root / study.artifacts()["model"].path
    tags = {"medcairn.package_digest": package, "medcairn.study": study.settings.study.name}
    version = registry.register_model(
        study.tracking_uri, study.model_name, model_dir=model, run_id=run_id, tags=tags
    )
    registry.follow(study.tracking_uri, study.model_name, version, state)
    context.record["registry_version"] = version


def record_state(context: StepContext, state: LifecycleState) -> None:
    """Record that the candidate reached ``state``, unless it was there already.

    Raises :class:`GateRefused` when the state may not follow the present one.
    """
    study = context.study
    version = str(model_version(study))
    history = [s.event.record for s in study.events(EventType.MODEL_TRANSITIONED)]
    states = [str(r["state"]) for r in history if r["model"] == study.model_name and r["version"] == version]
    if state.value in states:
        return
    previous = LifecycleState(states[-1]) if states else None
    registry.check_transition(previous, state)
    moved: dict[str, JSON] = {
        "model": study.model_name,
        "version": version,
        "state": state.value,
        "previous": previous.value if previous else None,
    }
    context.ledger.append(EventType.MODEL_TRANSITIONED, actor="pipeline", run_id=context.run_id, record=moved)


def report_about(context: StepContext, *, criteria_digest: Digest | None = None) -> ReportAbout:
    """The head of a report of this study."""
    study = context.study
    artifacts = study.artifacts()
    settings = study.settings.study
    return ReportAbout(
        study=settings.name,
        purpose=settings.purpose,
        model_name=study.model_name,
        model_version=str(model_version(study)),
        algorithm=portable.algorithm(study.root / artifacts["model"].path),
        created_at=instant(data_day(study)),
        model_digest=artifacts["model"].digest,
        dataset_digest=artifacts["gold"].digest,
        feature_spec_digest=digest_file(study.root / artifacts["gold"].path / "feature_spec.json"),
        criteria_digest=criteria_digest,
        notes=("Trained and assessed on synthetic subjects only.",) if settings.synthetic else (),
    )


def data_day(study: Study) -> datetime:
    """The day that documents are dated by (docs/adr/0004): the study's ``as_of``, at midnight UTC."""
    return datetime.combine(study.settings.deid.as_of, time(), UTC)


__all__ = ["data_day", "package", "record_state", "report_about", "train", "validate"]
