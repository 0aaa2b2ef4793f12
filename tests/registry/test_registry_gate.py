"""Gates as data: what each check asks, who counts as a signer, and that silence denies."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medcairn.access import ESignature, Meaning, Role
from medcairn.core.digests import digest_json
from medcairn.core.errors import GateRefused, SettingsError
from medcairn.core.labels import Label
from medcairn.core.lifecycle import LifecycleState
from medcairn.registry import (
    HINTS,
    Approval,
    Case,
    Check,
    SignerRule,
    is_signed,
    opens,
    parse_gates,
    pass_gate,
    read_gates,
    refused_checks,
)

NOW = datetime(2026, 3, 1, tzinfo=UTC)
CLINICAL, QUALITY = Role.CLINICAL_REVIEWER, Role.QUALITY_REVIEWER


def approval(name: str, *roles: Role, days_ago: int = 1, holds: bool = True, key: str = "") -> Approval:
    signature = ESignature(
        Label(name), f"Dr {name}", NOW, Meaning.APPROVED, digest_json("record"), key or name, "seal"
    )
    return Approval(signature, 7, NOW - timedelta(days=days_ago), frozenset(roles or {CLINICAL}), holds)


ADA, BEA = approval("ada", CLINICAL), approval("bea", QUALITY)
BOTH = (
    SignerRule(signatures=1, roles=frozenset({CLINICAL})),
    SignerRule(signatures=1, roles=frozenset({QUALITY})),
)
GOOD = Case(
    at=NOW,
    author=Label("dan"),
    validation_passed=True,
    protocol_pinned=True,
    protocol_approvals=(ADA, BEA),
    approvals=(ADA, BEA),
    needs=BOTH,
    package_unchanged=True,
    monitored=True,
    mover=Label("oscar"),
)
PART11 = read_gates("part11")


@pytest.mark.parametrize("state", PART11.before)
def test_a_good_case_passes_every_gate(state: LifecycleState) -> None:
    pass_gate(PART11, state, GOOD)


REFUSED = [
    ("protocol not pinned", {"protocol_pinned": False}, Check.PROTOCOL_PINNED),
    ("protocol signed by one of two", {"protocol_approvals": (ADA,)}, Check.PROTOCOL_SIGNED),
    ("validation failed", {"validation_passed": False}, Check.VALIDATION_PASSED),
    (
        "a seal is broken",
        {"approvals": (ADA, BEA, approval("cyd", holds=False))},
        Check.SIGNATURES_HOLD,
    ),
    (
        "two names, one key",
        {"approvals": (ADA, approval("bea", QUALITY, key="ada"))},
        Check.ONE_KEY_EACH,
    ),
    ("the author approved", {"author": Label("ada")}, Check.AUTHOR_DID_NOT_APPROVE),
    ("the author in capitals", {"author": Label("ADA")}, Check.AUTHOR_DID_NOT_APPROVE),
    ("nobody approved", {"approvals": ()}, Check.APPROVED),
    ("one of two", {"approvals": (BEA,)}, Check.APPROVED),
    ("two of the same role", {"approvals": (ADA, approval("cyd", CLINICAL))}, Check.APPROVED),
    (
        "one person with both roles",
        {"approvals": (approval("ada", CLINICAL, QUALITY),)},
        Check.APPROVED,
    ),
    ("a role that is lost", {"approvals": (ADA, approval("bea", Role.AUDITOR))}, Check.APPROVED),
    (
        "an approval of long ago",
        {"approvals": (ADA, approval("bea", QUALITY, days_ago=366))},
        Check.APPROVALS_CURRENT,
    ),
    ("another package", {"package_unchanged": False}, Check.PACKAGE_UNCHANGED),
    ("nobody looked", {"monitored": False}, Check.MONITORED),
    ("the author moves it", {"mover": Label("Dan")}, Check.MOVER_IS_NOT_AUTHOR),
    ("an approver moves it", {"mover": Label("bea")}, Check.MOVER_DID_NOT_APPROVE),
]


@pytest.mark.part11("11.10(f)", "11.10(g)")
@pytest.mark.parametrize(("what", "change", "check"), REFUSED, ids=[row[0] for row in REFUSED])
def test_each_check_refuses(what: str, change: dict[str, object], check: Check) -> None:
    case = replace(GOOD, **change)  # type: ignore[arg-type]
    refusing = [state for state, checks in PART11.before.items() if check in checks]
    assert refusing, what
    for state in refusing:
        assert check in refused_checks(PART11, state, case)
        assert not opens(PART11, state, case)
        with pytest.raises(GateRefused) as refusal:
            pass_gate(PART11, state, case)
        assert refusal.value.hint == HINTS[refused_checks(PART11, state, case)[0]]


def test_every_check_has_a_row_and_a_hint() -> None:
    assert {check for _, _, check in REFUSED} == set(Check) == set(HINTS)


def test_one_person_with_both_roles_and_one_with_one_are_two() -> None:
    assert is_signed(BOTH, [approval("ada", CLINICAL, QUALITY), approval("cyd", CLINICAL)])


@given(
    st.lists(st.sets(st.sampled_from([CLINICAL, QUALITY, Role.OPERATOR]), min_size=1), max_size=4),
    st.lists(st.sets(st.sampled_from([CLINICAL, QUALITY, Role.OPERATOR])), max_size=4),
)
def test_signers_are_seated_as_trying_every_order_would(
    places: list[set[Role]], people: list[set[Role]]
) -> None:
    rules = [SignerRule(signatures=1, roles=frozenset(roles)) for roles in places]
    given_ = [replace(approval(f"p{number}"), roles=frozenset(roles)) for number, roles in enumerate(people)]
    tried = any(
        all(place & person for place, person in zip(places, order, strict=True))
        for order in permutations(people, len(places))
    )
    assert is_signed(rules, given_) is (tried if len(places) <= len(people) else False)


@pytest.mark.part11("11.10(f)")
@pytest.mark.parametrize("checks", ["canary: []", "shadow: [validation_passed]"])
def test_a_state_without_checks_lets_nothing_through(checks: str) -> None:
    rule = "[{signatures: 1, roles: [clinical_reviewer]}]"
    gates = parse_gates(f"approval: {rule}\nchange_control: {rule}\nbefore: {{{checks}}}")
    with pytest.raises(GateRefused, match="without checks"):
        pass_gate(gates, LifecycleState.CANARY, GOOD)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("", None),
        ("[", None),
        ("approval: []\nchange_control: []\nbefore: {}", "approval"),
        ("before: {canary: [no_such_check]}", "approval"),
        ("extra: 1", "approval"),
    ],
)
def test_broken_gates_name_the_key_and_no_value(text: str, key: str | None) -> None:
    with pytest.raises(SettingsError) as failure:
        parse_gates(text)
    assert failure.value.fields.get("key") == key
    assert "no_such_check" not in str(failure.value)


def test_gates_are_read_by_name_or_from_a_file(tmp_path: Path) -> None:
    with pytest.raises(SettingsError):
        read_gates("none")
    with pytest.raises(SettingsError):
        read_gates(tmp_path / "none.yaml")


def test_the_digest_names_the_gates_and_not_the_order_of_their_roles() -> None:
    first = "approval: [{signatures: 1, roles: [clinical_reviewer, operator]}]\n"
    second = "approval: [{signatures: 1, roles: [operator, clinical_reviewer]}]\n"
    rest = "change_control: [{signatures: 1, roles: [operator]}]\nbefore: {canary: [monitored]}"
    assert parse_gates(first + rest).digest == parse_gates(second + rest).digest
    assert parse_gates(first + rest).digest != PART11.digest
