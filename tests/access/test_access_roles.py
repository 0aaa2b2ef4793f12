"""The table of roles and actions, cell by cell, and that every denial becomes a notice."""

from __future__ import annotations

from pathlib import Path

import pytest

from access.conftest import denials, open_store
from medcairn.access import Action, People, Person, Reason, Role, action_table, check_allowed
from medcairn.access.roles import action_table_digest, is_allowed, parse_action_table
from medcairn.core.clock import FixedClock
from medcairn.core.errors import PolicyError, SettingsError
from medcairn.core.labels import Label

GRID = """
                      data_scientist  clinical_reviewer  quality_reviewer  operator  auditor  administrator
run_pipeline          yes             .                  .                 yes       .        .
register_model        yes             .                  .                 .         .        .
build_package         yes             .                  .                 yes       .        .
sign_authored         yes             .                  .                 .         .        .
sign_reviewed         .               yes                yes               .         .        .
sign_approved         .               yes                yes               .         .        .
sign_responsibility   yes             yes                yes               yes       .        .
change_gates          .               .                  yes               .         .        .
retire_model          .               .                  yes               yes       .        .
deploy_model          .               .                  .                 yes       .        .
promote_model         .               .                  .                 yes       .        .
roll_back_model       .               .                  .                 yes       .        .
serve_model           .               .                  .                 yes       .        .
read_reports          yes             yes                yes               yes       yes      .
verify_ledger         yes             yes                yes               yes       yes      yes
trace_prediction      .               yes                yes               .         yes      .
export_audit          .               .                  .                 .         yes      .
reidentify_subject    .               yes                .                 .         .        .
manage_people         .               .                  .                 .         .        yes
reset_credentials     .               .                  .                 .         .        yes
revoke_signing_key    .               .                  yes               .         .        yes
prove_identity        .               .                  yes               .         .        yes
record_training       .               .                  yes               .         .        .
manage_tokens         .               .                  .                 .         .        yes
rotate_keys           .               .                  .                 .         .        yes
"""


def cells() -> list[tuple[Action, Role, bool]]:
    header, *rows = [line.split() for line in GRID.strip().splitlines()]
    return [
        (Action(row[0]), Role(role), cell == "yes")
        for row in rows
        for role, cell in zip(header, row[1:], strict=True)
    ]


@pytest.fixture(scope="module")
def one_of_each(tmp_path_factory: pytest.TempPathFactory) -> tuple[People, dict[Role, Person]]:
    """A store with one person for each role."""
    people = open_store(tmp_path_factory.mktemp("roles") / "people.db")
    everybody = {
        role: people.add(f"p{number}", printed_name="P.", roles=[role], password="violet granite otter")
        for number, role in enumerate(Role)
    }
    return people, everybody


def test_the_grid_is_whole() -> None:
    assert {(action, role) for action, role, _ in cells()} == {(a, r) for a in Action for r in Role}
    assert set(action_table()) == set(Action)


@pytest.mark.part11("11.10(g)")
@pytest.mark.parametrize(("action", "role", "allowed"), cells())
def test_each_cell(
    one_of_each: tuple[People, dict[Role, Person]],
    clock: FixedClock,
    action: Action,
    role: Role,
    allowed: bool,
) -> None:
    """What is not allowed is refused, with the store and without; a notice names the action."""
    people, everybody = one_of_each
    person, before = everybody[role], len(people.outbox.pending())
    if allowed:
        check_allowed(person, action)
        assert people.permit(person, action, clock=clock) == person
        assert len(people.outbox.pending()) == before
        return
    with pytest.raises(PolicyError) as refused:
        check_allowed(person, action)
    assert refused.value.fields["action"] is action
    with pytest.raises(PolicyError):
        people.permit(person, action, clock=clock)
    (notice,) = people.outbox.pending()[before:]
    assert notice.actor == f"person:{person.name}"
    assert notice.record == {"reason": Reason.ROLE, "action": action.value}


def test_duties_are_apart() -> None:
    """No role both builds and approves, approves and deploys, or lets people in and does anything else."""

    def actions(role: Role) -> set[Action]:
        return {action for action in Action if is_allowed([role], action)}

    builds, approves, deploys = Action.REGISTER_MODEL, Action.SIGN_APPROVED, Action.PROMOTE_MODEL
    for role in Role:
        assert len({builds, approves, deploys} & actions(role)) <= 1
    assert not any(action.startswith("sign") for action in actions(Role.ADMINISTRATOR))
    reading = {Action.READ_REPORTS, Action.VERIFY_LEDGER, Action.TRACE_PREDICTION, Action.EXPORT_AUDIT}
    assert actions(Role.AUDITOR) == reading


def test_roles_are_those_of_now_and_not_of_when_somebody_signed_in(
    people: People, root: Person, clock: FixedClock
) -> None:
    stale = people.authenticate("dan", "correct staple cow", clock=clock)
    people.administration.set_roles("dan", [Role.AUDITOR], by=root, clock=clock)
    with pytest.raises(PolicyError):
        people.permit(stale, Action.RUN_PIPELINE, clock=clock)
    people.permit(stale, Action.EXPORT_AUDIT, clock=clock)


def test_somebody_of_another_store_is_nobody_here(people: People, clock: FixedClock) -> None:
    stranger = Person(Label("zoe"), "Zoe", frozenset(Role), "")
    with pytest.raises(PolicyError):
        people.permit(stranger, Action.VERIFY_LEDGER, clock=clock)
    assert denials(people) == [("person:zoe", Reason.ROLE)]


def test_what_is_not_listed_is_denied() -> None:
    table = parse_action_table("run_pipeline: [operator]\nserve_model: []\n")
    assert is_allowed([Role.OPERATOR], Action.RUN_PIPELINE, table=table)
    assert not is_allowed(Role, Action.SERVE_MODEL, table=table)
    assert not is_allowed(Role, Action.DEPLOY_MODEL, table=table)
    assert not is_allowed([], Action.RUN_PIPELINE, table=table)


@pytest.mark.parametrize(
    "text", ["fly: [operator]", "run_pipeline: [king]", "run_pipeline: operator", "- x", "a: [", ""]
)
def test_a_table_with_unknown_words_is_refused(text: str) -> None:
    with pytest.raises(SettingsError):
        parse_action_table(text)


@pytest.mark.part11("11.10(k)(1)", "11.10(k)(2)")
def test_the_rules_in_force_are_named_by_their_digests(store: Path) -> None:
    """So that the trail can say under which table and policy something was done."""
    from medcairn.access import read_policy

    assert action_table_digest() == action_table_digest()
    assert read_policy("basic").digest != read_policy("part11").digest
    assert open_store(store).policy.digest != open_store(store, administrator_adds=True).policy.digest
