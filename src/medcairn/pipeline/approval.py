"""Approvals of a study's candidate: what is signed, and what a gate is told about a version."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from medcairn.audit import EventType
from medcairn.core.canonical import JSON
from medcairn.core.digests import Digest
from medcairn.core.errors import IntegrityError, UsageError
from medcairn.core.labels import Label
from medcairn.packaging import ApprovalRecord, Authority, TrustedKeys, open_package
from medcairn.packaging import approval_record as packaged_record
from medcairn.pipeline.signing import approvals_of
from medcairn.pipeline.study import Study
from medcairn.pipeline.versions import ModelVersion, Validated, present_version
from medcairn.registry import BY_PLAN, Approval, Case, ModelHistory, SignerRule


def approval_record(study: Study) -> ApprovalRecord:
    """What there is to sign now: the candidate as it was validated.

    Raises :class:`UsageError` when nothing was validated yet.
    """
    artifacts = study.artifacts()
    if not {"model", "gold", "validation"} <= artifacts.keys():
        raise UsageError("There is no validated candidate to sign", hint="medcairn run --until validate")
    folders = {f"{name}_dir": study.root / artifacts[name].path for name in ("model", "gold", "validation")}
    candidate = present_version(study)
    return packaged_record(
        name=Label(study.model_name), version=Label(candidate.version), author=candidate.author, **folders
    )


def release_case(
    study: Study,
    version: ModelVersion,
    approvals: tuple[Approval, ...],
    *,
    needs: tuple[SignerRule, ...] | None = None,
) -> Case:
    """What the gate before packaging is told: the version, and ``approvals`` of it or of a plan.

    ``needs`` are the rules that those must meet; without, the gates' rules for approval.
    """
    return _case(study, version, approvals, study.gates().approval if needs is None else needs)


def move_case(study: Study, version: ModelVersion, *, mover: Label | None = None) -> Case:
    """What the gates after packaging are told: also whether the package is what was approved."""
    gates, packaged = study.gates(), version.packaged
    if packaged is None:
        return _case(study, version, (), gates.approval, mover=mover)
    by_plan = packaged.authority == BY_PLAN
    return _case(
        study,
        version,
        approvals_of(study, packaged.signed),
        gates.change_control if by_plan else gates.approval,
        mover=mover,
        package_unchanged=_is_unchanged(study, version),
        monitored=_is_monitored(study, version),
    )


def trusted_keys(approvals: tuple[Approval, ...]) -> TrustedKeys:
    """The keys of the approvals that hold, by signer."""
    return {found.signature.signer: [found.signature.public_key] for found in approvals if found.holds}


def authority_over(
    record: Digest,
    approvals: tuple[Approval, ...],
    *,
    plan: Mapping[str, JSON] | None = None,
    assessment: Mapping[str, JSON] | None = None,
) -> Authority:
    """The approvals that hold, as a package carries them."""
    return Authority(record, tuple(found.signature for found in approvals if found.holds), plan, assessment)


def _case(
    study: Study,
    version: ModelVersion,
    approvals: tuple[Approval, ...],
    needs: tuple[SignerRule, ...],
    *,
    mover: Label | None = None,
    package_unchanged: bool = False,
    monitored: bool = False,
) -> Case:
    done = version.validated
    return Case(
        at=study.clock.now(),
        author=version.author,
        validation_passed=done is not None and done.passed,
        protocol_pinned=done is not None and done.protocol is not None,
        protocol_approvals=_protocol_approvals(study, done),
        approvals=approvals,
        needs=needs,
        package_unchanged=package_unchanged,
        monitored=monitored,
        mover=mover,
    )


def _protocol_approvals(study: Study, done: Validated | None) -> tuple[Approval, ...]:
    """Who approved the protocol before it was executed."""
    if done is None or done.protocol is None or done.pinned is None:
        return ()
    return approvals_of(study, done.protocol, before=done.pinned)


def _is_unchanged(study: Study, version: ModelVersion) -> bool:
    """Whether the package lies there as it was made, and holds what was signed."""
    packaged = version.packaged
    if packaged is None or not (study.root / packaged.artifact.path).is_dir():
        return False
    try:
        package = open_package(Path(study.root / packaged.artifact.path), expected=packaged.digest)
    except (IntegrityError, UsageError):
        return False
    return package.authority.signed == packaged.signed


def _is_monitored(study: Study, version: ModelVersion) -> bool:
    """Whether monitoring looked at the package since the version came into its present state."""
    packaged = version.packaged
    if packaged is None:
        return False
    history = ModelHistory.of(study.model_name, study.events(EventType.MODEL_TRANSITIONED))
    since = history.since(version.version)
    return any(
        stored.index > since
        and stored.event.stage == "monitor"
        and any(ref.digest == packaged.artifact.digest for ref in stored.event.inputs)
        for stored in study.events(EventType.STAGE_FINISHED)
    )


__all__ = [
    "approval_record",
    "authority_over",
    "move_case",
    "release_case",
    "trusted_keys",
]
