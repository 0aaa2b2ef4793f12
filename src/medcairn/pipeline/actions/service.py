"""Steps 7 to 9: the running service, what it was asked, and the trail of it all."""

from __future__ import annotations

from contextlib import suppress

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from medcairn import deployment, monitoring, packaging, registry
from medcairn.audit import EventType, WitnessFailed
from medcairn.core.artifacts import Zone
from medcairn.core.canonical import JSON
from medcairn.core.digests import Digest
from medcairn.core.errors import GateRefused, IntegrityError, UsageError
from medcairn.core.labels import Label
from medcairn.pipeline.actions.model import follow_state, record_state, report_about
from medcairn.pipeline.approval import move_case
from medcairn.pipeline.runner import StepContext
from medcairn.pipeline.serving_process import serving_process
from medcairn.pipeline.verification import verify_study
from medcairn.pipeline.versions import present_version
from medcairn.registry import LifecycleState
from medcairn.serving import Purpose, read_predictions

_ENVIRONMENT = Label("loopback")


def deploy(context: StepContext) -> None:
    """Start the service, ask it the package's test vectors over HTTP, and record the deployment."""
    study, folder = context.study, context.folder("package")
    opened = packaging.open_package(folder)
    registry.pass_gate(study.gates(), LifecycleState.SHADOW, move_case(study, present_version(study)))
    with serving_process(study, port=0) as base_url:
        smoke = deployment.smoke_test(base_url, folder / "test-vectors.json", package_digest=opened.digest)
    context.record["smoke_test"] = smoke.facts()
    if not smoke.passed:
        failed = next(check for check, passed in smoke.outcomes if not passed)
        raise GateRefused("The deployed service failed its smoke test", check=failed)
    final = f"deployments/{study.task}"
    with context.draft("deployment", final, kind="deployment", zone=Zone.AGGREGATE) as draft:
        stated = study.settings.deployment.image_digest
        report = deployment.deploy(
            folder,
            draft.folder,
            environment=_ENVIRONMENT,
            clock=study.clock,
            image_digest=Digest(stated) if stated else None,
        )
        draft.facts = report.facts()
    record_state(context, LifecycleState.SHADOW, package=opened.digest)
    follow_state(context, opened.digest)
    context.summary = f"smoke test passed on {smoke.vectors} vectors; state {report.state.value}"


def monitor(context: StepContext) -> None:
    """Compare the served rows with the training rows."""
    study, settings = context.study, context.study.settings.monitoring
    opened = packaging.open_package(context.folder("package"))
    if not study.predictions_file.exists():
        raise UsageError("There are no predictions to monitor yet", hint="Start `medcairn serve` and use it")
    served = read_predictions(study.predictions_file, purpose=Purpose.CARE, package_digest=opened.digest)
    if served.num_rows == 0:
        raise UsageError("This package served no predictions yet", hint="Start `medcairn serve` and use it")
    current = served.rename_columns(["score" if n == "probability" else n for n in served.column_names])
    with context.draft("monitoring", "reports/monitoring", kind="monitoring", zone=Zone.AGGREGATE) as draft:
        report = monitoring.monitor(
            _reference(context),
            current,
            draft.folder,
            feature_names=opened.feature_names,
            time_column="predicted_at",
            false_discovery_rate=settings.false_discovery_rate,
            minimum_rows=settings.minimum_rows,
            about=report_about(context),
            progress=context.progress,
        )
        draft.facts = report.facts()
    context.record["predictions"] = served.num_rows
    drifted = f"{len(report.drifted)} of {len(report.features)} features and score changed"
    context.summary = f"{report.status.value}: {served.num_rows:,} predictions, {drifted}"


def _reference(context: StepContext) -> pa.Table:
    """The training rows with their out-of-fold scores: those of the fitted model would be too sure."""
    keys = ["subject_id", "prediction_time"]
    table = pq.read_table(context.folder("gold") / "features.parquet")
    train = table.filter(pc.equal(table["split"], "train"))
    scores = pq.read_table(context.folder("out_of_fold") / "scores.parquet")
    if not train.select(keys).equals(scores.select(keys)):
        raise IntegrityError("The out-of-fold scores belong to other rows than the gold table holds")
    return train.append_column("score", scores["score"])


def audit(context: StepContext) -> None:
    """Verify the whole trail, and seal what it says now."""
    check = verify_study(context.study.root)
    record: dict[str, JSON] = {
        "tree_size": check.ledger.tree_size,
        "root_hash": check.ledger.root_hash.hex(),
        "artifacts": check.artifacts,
        "predictions": check.predictions,
        "findings": len(check.findings),
        "witnesses_compared": sum(answer.attestation is not None for answer in check.witnesses),
        "witnesses_away": sum(answer.attestation is None for answer in check.witnesses),
    }
    context.ledger.append(
        EventType.TRAIL_VERIFIED, actor="pipeline", run_id=context.run_id, stage="audit", record=record
    )
    with suppress(WitnessFailed):  # it is sealed; the end of the run seals again, and tells
        context.ledger.checkpoint()
    if check.findings:
        raise IntegrityError(
            "The trail is not as it was recorded", hint="medcairn audit verify", findings=len(check.findings)
        )
    context.summary = f"{check.ledger.tree_size:,} entries, {check.artifacts} artifacts, nothing changed"


__all__ = ["audit", "deploy", "monitor"]
