"""A study whose ledger tells of versions of a model, without anything having been trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from medcairn.access import Meaning, Role
from medcairn.audit import EventType, StoredEvent
from medcairn.core.artifacts import ArtifactRef, Zone
from medcairn.core.canonical import JSON
from medcairn.core.digests import digest_json
from medcairn.core.labels import Label
from medcairn.core.lifecycle import WAY, LifecycleState
from medcairn.pipeline.people import people_of
from medcairn.pipeline.signing import sign_record
from medcairn.pipeline.study import Study, init_study
from medcairn.registry import Move

WORDS = "silent copper meadow"
SETTINGS = """
study: {name: demo}
source: {kind: files, path: source}
deid: {as_of: 2025-06-30}
approval: {gates: gates.yaml}
"""
GATES = """
protocol: [{signatures: 1, roles: [quality_reviewer]}]
approval:
  - {signatures: 1, roles: [clinical_reviewer]}
  - {signatures: 1, roles: [quality_reviewer]}
change_control: [{signatures: 1, roles: [quality_reviewer]}]
approval_days: 365
before:
  validated: [protocol_pinned, protocol_signed, validation_passed]
  approved: [validation_passed, author_did_not_approve, approved, approvals_current]
  shadow: [validation_passed, approvals_current]
  canary: [validation_passed, approvals_current, mover_is_not_author, mover_did_not_approve]
  production: [validation_passed, approvals_current, mover_is_not_author, mover_did_not_approve]
"""
PEOPLE = {
    "dan": Role.DATA_SCIENTIST,
    "ada": Role.CLINICAL_REVIEWER,
    "bea": Role.QUALITY_REVIEWER,
    "oscar": Role.OPERATOR,
    "vera": Role.AUDITOR,
    "root": Role.ADMINISTRATOR,
}


def governed_study(root: Path) -> Study:
    """A study with one person of each role, and gates without the package's files."""
    study = init_study(root, SETTINGS)
    (root / "gates.yaml").write_text(GATES, "utf-8")
    for name, role in PEOPLE.items():
        people_of(study).add(name, printed_name=f"Dr {name}", roles=[role], password=WORDS)
    return study


def add_version(
    study: Study,
    version: str,
    *,
    reached: LifecycleState | None,
    passed: bool = True,
    approvers: Sequence[str] = ("ada", "bea"),
    author: str = "dan",
) -> None:
    """Tell the ledger of a version that was trained, validated, signed, packaged, and came as far as said."""
    model = ref("model", version)
    verdict = "passed" if passed else "failed"
    tell(study, EventType.STAGE_FINISHED, f"person:{author}", "train", outputs=[model])
    pinned: dict[str, JSON] = {"protocol_digest": digest_json("protocol")}
    tell(study, EventType.CRITERIA_PINNED, "pipeline", "validate", pinned)
    tell(
        study,
        EventType.STAGE_FINISHED,
        "pipeline",
        "validate",
        {"validation": {"verdict": verdict}},
        inputs=[model],
    )
    record: dict[str, JSON] = {"form": "medcairn-approval-1", "version": version}
    for name in approvers:
        sign_record(study, name, WORDS, signed=record, meaning=Meaning.APPROVED)
    packaged: dict[str, JSON] = {
        "package": {"package_digest": digest_json(["package", version])},
        "approval_digest": digest_json(record),
        "authority": "signature",
        "model_version": f"{study.model_name}/{version}",
    }
    if reached in WAY[2:]:
        package = ref("package", version)
        tell(
            study,
            EventType.STAGE_FINISHED,
            "pipeline",
            "package",
            packaged,
            inputs=[model],
            outputs=[package],
        )
    previous: LifecycleState | None = None
    for state in WAY[: WAY.index(reached) + 1] if reached else ():
        moved = Move(version, previous, state).as_json()
        tell(study, EventType.MODEL_TRANSITIONED, "pipeline", None, {"model": study.model_name, **moved})
        previous = state


def tell(
    study: Study,
    kind: EventType,
    actor: str,
    stage: str | None,
    record: Mapping[str, JSON] | None = None,
    *,
    inputs: Sequence[ArtifactRef] = (),
    outputs: Sequence[ArtifactRef] = (),
) -> None:
    with study.ledger() as ledger:
        ledger.append(
            kind, actor=actor, run_id="run", stage=stage, inputs=inputs, outputs=outputs, record=record or {}
        )


def ref(name: str, version: str) -> ArtifactRef:
    digest = digest_json([name, version])
    path = "models/readmission_30d" if name == "model" else f"packages/readmission_30d/{version}"
    return ArtifactRef(Label(name), Label(name), Zone.AGGREGATE, digest, digest, path)


def recorded(study: Study, kind: EventType) -> list[StoredEvent]:
    return study.events(kind)
