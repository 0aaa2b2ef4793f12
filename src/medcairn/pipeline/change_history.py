"""What the ledger says of a model's changes: the plan in force, the version they are held against, and how
many there were."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from medcairn.access import Meaning
from medcairn.audit.events import EventType, StoredEvent
from medcairn.audit.signed import signature_of
from medcairn.core.errors import IntegrityError
from medcairn.pipeline.versions import BY_PLAN
from medcairn.registry import ChangeControlPlan, LifecycleState

_SIGNED_STATES = frozenset(
    {LifecycleState.APPROVED, LifecycleState.SHADOW, LifecycleState.CANARY, LifecycleState.PRODUCTION}
)


@dataclass(frozen=True)
class SignedPlan:
    """A plan and the entry of its first signature; ``signatures`` are all entries that sign it."""

    plan: ChangeControlPlan
    entry: int
    signatures: tuple[StoredEvent, ...]


def plan_in_force(signed: Iterable[StoredEvent], task: str | None, *, before: int) -> SignedPlan | None:
    """The change control plan for ``task`` that was signed last before the entry ``before``.

    ``signed`` are events RECORD_SIGNED in order. Only signatures over the plan itself that mean approval
    count; their seals are not checked here.
    """
    found: dict[str, list[StoredEvent]] = {}
    plans: dict[str, ChangeControlPlan] = {}
    for stored in signed:
        record, signature = stored.event.record.get("signed"), signature_of(stored.event)
        if stored.index >= before or not isinstance(record, Mapping) or signature is None:
            continue
        with suppress(IntegrityError):
            plan = ChangeControlPlan.from_json(record)
            approves = signature.meaning == Meaning.APPROVED and signature.record == plan.digest
            if plan.task == task and approves:
                plans[plan.digest] = plan
                found.setdefault(plan.digest, []).append(stored)
    if not found:
        return None
    latest = max(found, key=lambda digest: found[digest][0].index)
    return SignedPlan(plans[latest], found[latest][0].index, tuple(found[latest]))


def signed_baseline(
    transitions: Sequence[StoredEvent], model: str, version: str, *, before: int
) -> str | None:
    """The version of ``model`` that people signed last before the entry ``before``, other than ``version``.

    A version that came forward under a plan was not signed, and is no baseline for the next.
    """
    by_plan = versions_by_plan(transitions, model, since=0, before=before)
    signed = [
        str(stored.event.record.get("version"))
        for stored in transitions
        if stored.index < before
        and stored.event.record.get("model") == model
        and stored.event.record.get("state") in _SIGNED_STATES
    ]
    return next((one for one in reversed(signed) if one != version and one not in by_plan), None)


def versions_by_plan(
    transitions: Iterable[StoredEvent], model: str, *, since: int, before: int
) -> tuple[str, ...]:
    """The versions of ``model`` that a plan brought forward between two entries, each once, in order."""
    return tuple(
        dict.fromkeys(
            str(stored.event.record.get("version"))
            for stored in transitions
            if since <= stored.index < before
            and stored.event.type is EventType.MODEL_TRANSITIONED
            and stored.event.record.get("model") == model
            and stored.event.record.get("authority") == BY_PLAN
        )
    )


__all__ = ["SignedPlan", "plan_in_force", "signed_baseline", "versions_by_plan"]
