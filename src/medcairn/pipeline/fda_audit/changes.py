"""Change control: the plan that was in force, and the version held against each of its clauses."""

from __future__ import annotations

from datetime import datetime

from medcairn.audit import EventType
from medcairn.audit.record import Told
from medcairn.pipeline.change_history import SignedPlan
from medcairn.pipeline.fda_audit.evidence import Evidence
from medcairn.pipeline.model_facts import model_facts, version_history
from medcairn.registry import ChangeAssessment, ModelHistory, assess_change
from medcairn.reports.fda_audit_record import AuditSection, Listing, Row

_NO_PLAN = (
    "No change control plan was signed before this version was judged: each change takes new signatures."
)
_RECOMPUTED = (
    "Each clause is recomputed here from the plan as it was signed and from the trainings and validations of "
    "the two versions."
)


def change_control(evidence: Evidence) -> AuditSection:
    """The plan in force when the version was judged, and the change from the version that people signed."""
    signed = evidence.plan
    if signed is None:
        return AuditSection("change_control", notes=(_NO_PLAN,))
    plan, judged = signed.plan, evidence.judged
    baseline = _history(evidence).signed_before(evidence.version)
    assessed = _assessed(evidence, signed, baseline) if baseline else None
    facts = (
        Told("plan", plan.name, signed.entry),
        Told("plan_version", plan.version, signed.entry),
        Told("plan_digest", plan.digest, signed.entry),
        _text("last_day", plan.until.isoformat() if plan.until else None, signed.entry),
        Told("most_changes", plan.most_changes, signed.entry),
        _text("description", plan.summary, signed.entry),
        _text("protocol", plan.protocol, signed.entry),
        _text("impact", plan.impact, signed.entry),
        Told("brought_forward_by_the_plan", bool(evidence.moves_by_plan), judged.index),
        Told("baseline", baseline, judged.index)
        if baseline
        else Told("baseline", None, unknown="people signed no other version before this one"),
        Told("inside_the_plan", assessed.inside, judged.index)
        if assessed
        else Told("inside_the_plan", None, unknown="there is no other version to hold it against"),
    )
    entries = _entries(evidence, signed.entry, baseline)
    rows = tuple(Row(entries, finding.as_json()) for finding in (assessed.findings if assessed else ()))
    notes = (_RECOMPUTED,) if assessed else ()
    listing = Listing("clauses", rows, "the version was held against no other")
    return AuditSection("change_control", facts, (listing,), notes)


def _assessed(evidence: Evidence, signed: SignedPlan, baseline: str) -> ChangeAssessment:
    made = _history(evidence).by_plan(since=signed.entry)
    finished = evidence.until_last.of(EventType.STAGE_FINISHED)
    return assess_change(
        signed.plan,
        model_facts(finished, baseline),
        model_facts(finished, evidence.version),
        changes_so_far=len(set(made) - {evidence.version}),
        at=datetime.fromisoformat(evidence.judged.event.recorded_at),
    )


def _history(evidence: Evidence) -> ModelHistory:
    """How the versions had moved when this one was judged."""
    moved = ModelHistory.of(evidence.model, evidence.of(EventType.MODEL_TRANSITIONED))
    return moved.before(evidence.judged.index)


def _entries(evidence: Evidence, plan: int, baseline: str | None) -> tuple[int, ...]:
    """The entries of the plan and of what it was applied to."""
    if baseline is None:
        return (plan,)
    histories = (
        version_history(evidence.until_last.of(EventType.STAGE_FINISHED), baseline),
        evidence.history,
    )
    behind = [one.index for each in histories for one in (each.made["train"], *each.validations[-1:])]
    return (plan, *behind)


def _text(name: str, text: str | None, entry: int) -> Told:
    return Told(name, text, entry) if text else Told(name, None, unknown="the plan states none")


__all__ = ["change_control"]
