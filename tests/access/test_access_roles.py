"""The table of roles and actions, cell by cell."""

from __future__ import annotations

import pytest

from medcairn.access import Action, Person, Role, action_table, check_allowed
from medcairn.access.roles import is_allowed, parse_action_table
from medcairn.core.errors import PolicyError, SettingsError
from medcairn.core.labels import Label

DS, CR, QR, OP, AU, AD = Role

EXPECTED: dict[Action, set[Role]] = {
    Action.RUN_PIPELINE: {DS, OP},
    Action.REGISTER_MODEL: {DS},
    Action.SIGN_AUTHORED: {DS},
    Action.SIGN_REVIEWED: {CR, QR},
    Action.SIGN_APPROVED: {CR, QR},
    Action.SIGN_RESPONSIBILITY: {DS, CR, QR, OP},
    Action.BUILD_PACKAGE: {DS, OP},
    Action.DEPLOY_MODEL: {OP},
    Action.SERVE_MODEL: {OP},
    Action.READ_REPORTS: {DS, CR, QR, OP, AU},
    Action.VERIFY_LEDGER: set(Role),
    Action.TRACE_PREDICTION: {CR, QR, AU},
    Action.EXPORT_AUDIT: {AU},
    Action.MANAGE_PEOPLE: {AD},
}


def test_every_action_is_in_the_table() -> None:
    assert set(action_table()) == set(Action) == set(EXPECTED)


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("action", Action)
def test_each_cell(role: Role, action: Action) -> None:
    person = Person(Label("ada"), "Ada Okafor", frozenset({role}), "00" * 32)
    if role in EXPECTED[action]:
        check_allowed(person, action)
    else:
        with pytest.raises(PolicyError) as refused:
            check_allowed(person, action)
        assert refused.value.fields["action"] is action


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
