"""Steps 4 to 6: from the gold table to a released package."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from medcairn import packaging, registry, training, validation
from medcairn.audit import EventType, Proposal
from medcairn.core.artifacts import Zone
from medcairn.core.canonical import JSON
from medcairn.core.clock import instant
from medcairn.core.digests import Digest, digest_file, digest_json
from medcairn.pipeline.approval import approval_record, release_case
from medcairn.pipeline.protocol import check_protocol_signed, protocol
from medcairn.pipeline.release import Release, release_of
from medcairn.pipeline.runner import StepContext
from medcairn.pipeline.study import Study
from medcairn.pipeline.versions import Validated, present_version
from medcairn.registry import BY_PLAN, LifecycleState, ModelHistory
from medcairn.reports import ReportAbout
from medcairn.tracking import (
    ContextChanged,
    HealthcareRunContext,
    context_tags,
    log_healthcare_context,
    open_client,
    open_tracker,
)
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
    """Pin the protocol in the ledger, then read the held-out rows."""
    study, settings = context.study, context.study.settings.validation
    check_protocol_signed(study)
    criteria = validation.load_criteria(settings.criteria, study.root / "criteria")
    fixed = protocol(study)
    pinned: dict[str, JSON] = {
        "criteria": criteria.as_json(),
        "criteria_digest": criteria.digest,
        "protocol": fixed,
        "protocol_digest": digest_json(fixed),
    }
    entry = context.ledger.append(
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
    done = Validated(entry.index, report.passed, entry.index, digest_json(fixed))
    case = release_case(study, replace(present_version(study), validated=done), ())
    if registry.opens(study.gates(), LifecycleState.VALIDATED, case):
        record_state(context, LifecycleState.VALIDATED)
    met = sum(check.passed for check in report.checks)
    context.summary = f"{report.verdict}: {met} of {len(report.checks)} checks met on {report.rows:,} rows"


def package(context: StepContext) -> None:
    """Pass the release gate, build the package, and let the MLflow registry follow."""
    study = context.study
    record = approval_record(study)
    release = release_of(study, record)
    final = f"packages/{study.task}/{record.version}"
    with context.draft("package", final, kind="package", zone=Zone.AGGREGATE) as draft:
        report = packaging.build_package(
            draft.folder,
            name=record.name,
            version=record.version,
            model_dir=context.folder("model"),
            gold_dir=context.folder("gold"),
            validation_dir=context.folder("validation"),
            scorer=portable.load(context.folder("model")),
            authority=release.authority,
            trusted=release.trusted,
            about=packaging.ModelAbout(
                study=study.settings.study.name,
                purpose=study.settings.study.purpose,
                author=record.author,
                synthetic=study.settings.study.synthetic,
            ),
            created_at=data_day(study),
        )
        draft.facts = report.facts()
    context.record["approval_digest"] = release.authority.signed
    context.record["authority"] = release.rests_on
    context.record["gates_digest"] = study.gates().digest
    context.record["model_version"] = f"{record.name}/{record.version}"
    if release.authority.assessment is not None:
        context.record["change_control"] = dict(release.authority.assessment)
    record_state(context, LifecycleState.APPROVED, package=report.digest, release=release)
    follow_state(context, report.digest)
    context.summary = f"{record.name} version {record.version}, {report.signatures} signatures"


def follow_state(context: StepContext, package: Digest) -> None:
    """Let MLflow's registry show the packaged candidate and its state; it never leads."""
    study = context.study
    candidate = present_version(study)
    trained = study.events(EventType.STAGE_FINISHED)
    run_id = next(str(s.event.record["mlflow_run_id"]) for s in reversed(trained) if s.event.stage == "train")
    about = HealthcareRunContext.from_study(study.root)
    client = open_client(study.tracking_uri)
    with suppress(ContextChanged):  # the run keeps what it said when it was trained; the version says it now
        log_healthcare_context(about, run_id=run_id, client=client, ledger=context.ledger)
    tags = {
        **context_tags(about),
        "medcairn.package_digest": package,
        "medcairn.study": study.settings.study.name,
    }
    model = study.root / candidate.model.path
    version = registry.register_model(
        study.tracking_uri, study.model_name, model_dir=model, run_id=run_id, tags=tags
    )
    states = _history(study).states
    registry.follow(study.tracking_uri, study.model_name, version, states[candidate.version])
    context.record["registry_version"] = version


def record_state(
    context: StepContext,
    state: LifecycleState,
    *,
    package: Digest | None = None,
    release: Release | None = None,
) -> None:
    """Record that the candidate reached ``state``, unless it was there already.

    Raises :class:`GateRefused` when the state may not follow the present one.
    """
    study, history = context.study, _history(context.study)
    version = present_version(study).version
    reached = [move.state for t in history.of_version(version) for move in t.moves if move.version == version]
    if state in reached:
        return
    previous = history.states.get(version)
    registry.check_transition(previous, state)
    moved: dict[str, JSON] = {
        "model": study.model_name,
        **registry.Move(version, previous, state).as_json(),
        "reason": "",
        "authority": release.rests_on if release and release.rests_on == BY_PLAN else "pipeline",
        "signed": release.authority.signed if release else None,
        "package": package,
        "beside": [],
    }
    proposal = Proposal(EventType.MODEL_TRANSITIONED, "pipeline", moved, context.run_id)
    context.ledger.append_unless(EventType.MODEL_TRANSITIONED, history.last_entry, proposal)


def _history(study: Study) -> ModelHistory:
    return ModelHistory.of(study.model_name, study.events(EventType.MODEL_TRANSITIONED))


def report_about(context: StepContext, *, criteria_digest: Digest | None = None) -> ReportAbout:
    """The head of a report of this study."""
    study = context.study
    artifacts = study.artifacts()
    settings = study.settings.study
    return ReportAbout(
        study=settings.name,
        purpose=settings.purpose,
        model_name=study.model_name,
        model_version=present_version(study).version,
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


__all__ = ["data_day", "follow_state", "package", "record_state", "report_about", "train", "validate"]
