"""What the release of a candidate rests on: people's approvals of it, or a change control plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from medcairn import registry
from medcairn.audit import EventType
from medcairn.core.canonical import JSON
from medcairn.core.errors import GateRefused
from medcairn.core.labels import Label
from medcairn.core.lifecycle import LifecycleState
from medcairn.packaging import ApprovalRecord, Authority, TrustedKeys
from medcairn.pipeline.approval import authority_over, release_case, trusted_keys
from medcairn.pipeline.model_facts import model_facts
from medcairn.pipeline.signing import approvals_of
from medcairn.pipeline.study import Study
from medcairn.pipeline.versions import present_version
from medcairn.registry import (
    BY_PLAN,
    BY_SIGNATURE,
    Approval,
    ChangeAssessment,
    ChangeControlPlan,
    Check,
    ModelHistory,
)


@dataclass(frozen=True)
class Release:
    """Who or what stands for the release, and the keys that are trusted for it."""

    rests_on: str
    authority: Authority
    trusted: TrustedKeys


def release_of(study: Study, record: ApprovalRecord) -> Release:
    """What the release of the candidate behind ``record`` rests on, after the gate before packaging.

    People's approvals of the candidate come first. Where they are not enough, a change control plan that
    people signed stands in for them, when the change from the version that they signed last is within it.

    Raises :class:`GateRefused` that names the check, or the clause of the plan.
    """
    gates, approvals = study.gates(), approvals_of(study, record.digest)
    case = release_case(study, present_version(study), approvals)
    lacking = registry.refused_checks(gates, LifecycleState.APPROVED, case)
    plan = change_control_plan(study)
    if plan is not None and lacking and set(lacking) <= {Check.APPROVED, Check.APPROVALS_CURRENT}:
        assessment = assess_candidate(study, plan)
        if assessment is not None:
            return _by_plan(study, record, plan, assessment)
    registry.pass_gate(gates, LifecycleState.APPROVED, case)
    return Release(BY_SIGNATURE, authority_over(record.digest, approvals), trusted_keys(approvals))


def change_control_plan(study: Study) -> ChangeControlPlan | None:
    """The plan that ``study.yaml`` names. Raises :class:`~medcairn.core.errors.SettingsError`."""
    path = study.settings.approval.change_control
    return None if path is None else registry.read_change_control_plan(study.within(path))


def assess_candidate(study: Study, plan: ChangeControlPlan) -> ChangeAssessment | None:
    """The candidate held against the version that people signed last; None when there is no such version."""
    history = ModelHistory.of(study.model_name, study.events(EventType.MODEL_TRANSITIONED))
    candidate = present_version(study).version
    baseline = history.signed_before(candidate)
    if baseline is None:
        return None
    finished = study.events(EventType.STAGE_FINISHED)
    signed = min((found.entry for found in approvals_of(study, plan.digest)), default=history.last_entry + 1)
    return registry.assess_change(
        plan,
        model_facts(finished, baseline),
        model_facts(finished, candidate),
        changes_so_far=len(set(history.by_plan(since=signed)) - {candidate}),
        at=study.clock.now(),
    )


def _by_plan(
    study: Study, record: ApprovalRecord, plan: ChangeControlPlan, assessment: ChangeAssessment
) -> Release:
    """The plan in the place of approvals: within every clause, and signed by the people that it takes."""
    if assessment.outside:
        raise GateRefused(
            "This change is outside the change control plan, and not enough people approved it",
            hint="Let people approve this version: `medcairn approve`",
            gate=LifecycleState.APPROVED,
            check=assessment.outside[0],
            clauses_outside=len(assessment.outside),
            plan=plan.digest,
            version=Label(record.version),
        )
    approvals: tuple[Approval, ...] = approvals_of(study, plan.digest)
    gates = study.gates()
    case = release_case(study, present_version(study), approvals, needs=gates.change_control)
    registry.pass_gate(gates, LifecycleState.APPROVED, case)
    found: Mapping[str, JSON] = {**assessment.as_json(), "record": record.digest}
    authority = authority_over(plan.digest, approvals, plan=plan.as_json(), assessment=found)
    return Release(BY_PLAN, authority, trusted_keys(approvals))


__all__ = ["Release", "assess_candidate", "change_control_plan", "release_of"]
