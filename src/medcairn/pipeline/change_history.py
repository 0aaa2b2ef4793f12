"""The change control plan that was in force at a place of the ledger."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from medcairn.access import Meaning
from medcairn.audit.events import StoredEvent
from medcairn.audit.signed import signature_of
from medcairn.core.errors import IntegrityError
from medcairn.registry import ChangeControlPlan


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


__all__ = ["SignedPlan", "plan_in_force"]
