"""A gate at work: what is known of a model version, held against the checks before a state."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from medcairn.access import ESignature, Role
from medcairn.core.errors import GateRefused
from medcairn.core.labels import Label
from medcairn.core.lifecycle import LifecycleState
from medcairn.registry.gates import Check, Gates, SignerRule


@dataclass(frozen=True)
class Approval:
    """One approving e-signature, as the ledger recorded it.

    ``roles`` are the signer's when it was recorded; ``holds`` says whether the seal is by a key that was
    trusted for the signer then.
    """

    signature: ESignature
    entry: int
    recorded_at: datetime
    roles: frozenset[Role]
    holds: bool

    @property
    def person(self) -> str:
        """Who signed; names differ by more than case."""
        return self.signature.signer.casefold()


@dataclass(frozen=True)
class Case:
    """What a gate decides on.

    ``approvals`` are of this version, ``protocol_approvals`` of the protocol as it was executed, and those
    only that were recorded before. ``needs`` are the rules that ``approvals`` must meet. ``mover`` is who
    asks for the move, None for the pipeline.
    """

    at: datetime
    author: Label
    validation_passed: bool
    protocol_pinned: bool
    protocol_approvals: tuple[Approval, ...]
    approvals: tuple[Approval, ...]
    needs: tuple[SignerRule, ...]
    package_unchanged: bool = False
    monitored: bool = False
    mover: Label | None = None


def is_signed(rules: Collection[SignerRule], approvals: Collection[Approval]) -> bool:
    """Whether different people with the roles of ``rules`` gave ``approvals`` that hold.

    Each person fills one place. No rules need nobody.
    """
    roles: dict[str, frozenset[Role]] = {}
    for approval in approvals:
        if approval.holds:
            roles[approval.person] = roles.get(approval.person, frozenset()) | approval.roles
    places = [rule.roles for rule in rules for _ in range(rule.signatures)]
    return _seated(places, roles)


def _seated(places: Sequence[frozenset[Role]], people: Mapping[str, frozenset[Role]]) -> bool:
    """Whether every place can have a person of its own (a matching in a bipartite graph)."""
    taken: dict[str, int] = {}

    def seat(place: int, asked: set[str]) -> bool:
        for person, roles in people.items():
            if person not in asked and not places[place].isdisjoint(roles):
                asked.add(person)
                if person not in taken or seat(taken[person], asked):
                    taken[person] = place
                    return True
        return False

    return all(seat(place, set()) for place in range(len(places)))


def _current(case: Case, gates: Gates) -> list[Approval]:
    if gates.approval_days is None:
        return list(case.approvals)
    oldest = case.at - timedelta(days=gates.approval_days)
    return [approval for approval in case.approvals if approval.recorded_at >= oldest]


def _one_key_each(case: Case) -> bool:
    owners: dict[str, set[str]] = {}
    for approval in case.approvals:
        owners.setdefault(approval.signature.public_key, set()).add(approval.person)
    return all(len(people) == 1 for people in owners.values())


def _mover_is(case: Case, people: Collection[str]) -> bool:
    return case.mover is not None and case.mover.casefold() in people


_RULES: Mapping[Check, Callable[[Case, Gates], bool]] = {
    Check.PROTOCOL_PINNED: lambda case, _: case.protocol_pinned,
    Check.PROTOCOL_SIGNED: lambda case, gates: is_signed(gates.protocol, case.protocol_approvals),
    Check.VALIDATION_PASSED: lambda case, _: case.validation_passed,
    Check.SIGNATURES_HOLD: lambda case, _: all(approval.holds for approval in case.approvals),
    Check.ONE_KEY_EACH: lambda case, _: _one_key_each(case),
    Check.AUTHOR_DID_NOT_APPROVE: lambda case, _: (
        case.author.casefold() not in {approval.person for approval in case.approvals}
    ),
    Check.APPROVED: lambda case, _: is_signed(case.needs, case.approvals),
    Check.APPROVALS_CURRENT: lambda case, gates: is_signed(case.needs, _current(case, gates)),
    Check.PACKAGE_UNCHANGED: lambda case, _: case.package_unchanged,
    Check.MONITORED: lambda case, _: case.monitored,
    Check.MOVER_IS_NOT_AUTHOR: lambda case, _: not _mover_is(case, {case.author.casefold()}),
    Check.MOVER_DID_NOT_APPROVE: lambda case, _: (
        not _mover_is(case, {approval.person for approval in case.approvals})
    ),
}


def refused_checks(gates: Gates, state: LifecycleState, case: Case) -> tuple[Check, ...]:
    """The checks before ``state`` that do not hold, in the gate's order."""
    return tuple(check for check in gates.before.get(state, ()) if not _RULES[check](case, gates))


def opens(gates: Gates, state: LifecycleState, case: Case) -> bool:
    """Whether there are checks before ``state`` and every one holds."""
    return bool(gates.before.get(state)) and not refused_checks(gates, state, case)


def pass_gate(gates: Gates, state: LifecycleState, case: Case) -> None:
    """Pass when the gate :func:`opens`.

    Raises :class:`GateRefused` that names the first check that does not hold.
    """
    if not gates.before.get(state):
        raise GateRefused("A gate without checks lets nothing through", gate=state)
    refused = refused_checks(gates, state, case)
    if refused:
        raise GateRefused(
            "A gate refused this model",
            hint=HINTS[refused[0]],
            gate=state,
            check=refused[0],
            checks_refused=len(refused),
            approvals=len({approval.person for approval in case.approvals if approval.holds}),
            required=sum(rule.signatures for rule in case.needs),
        )


HINTS: Mapping[Check, str] = {
    Check.PROTOCOL_PINNED: "The protocol was not pinned before the held-out rows were read; validate again",
    Check.PROTOCOL_SIGNED: "The protocol must be approved before it is executed: "
    "`medcairn approve --what protocol`, then validate (again: `medcairn run --force validate`)",
    Check.VALIDATION_PASSED: "A criterion of the validation is not met; a new candidate is needed",
    Check.SIGNATURES_HOLD: "A signature was changed, or was not made with a trusted key of the person it "
    "names: `medcairn audit verify`",
    Check.ONE_KEY_EACH: "Two people signed with the same key",
    Check.AUTHOR_DID_NOT_APPROVE: "The author of a model cannot approve it",
    Check.APPROVED: "More people must approve, each with a role that the gate names: `medcairn approve`",
    Check.APPROVALS_CURRENT: "The approvals are too old: the people must approve again",
    Check.PACKAGE_UNCHANGED: "The package is missing, or is not the one that was approved",
    Check.MONITORED: "Monitoring must see this version in its present state first: `medcairn monitor`",
    Check.MOVER_IS_NOT_AUTHOR: "The author of a model does not move it",
    Check.MOVER_DID_NOT_APPROVE: "Who approved a model does not move it",
}

__all__ = ["HINTS", "Approval", "Case", "is_signed", "opens", "pass_gate", "refused_checks"]
