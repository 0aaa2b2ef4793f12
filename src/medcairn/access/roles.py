"""Roles, actions and the table that joins them (``actions.yaml``)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from functools import cache
from importlib import resources

import yaml

from medcairn.core.errors import PolicyError, SettingsError


class Role(StrEnum):
    """What a person is to a study. One person may have several roles; the actions add up."""

    DATA_SCIENTIST = "data_scientist"
    CLINICAL_REVIEWER = "clinical_reviewer"
    QUALITY_REVIEWER = "quality_reviewer"
    OPERATOR = "operator"
    AUDITOR = "auditor"
    ADMINISTRATOR = "administrator"


class Action(StrEnum):
    """What a person may be allowed to do."""

    RUN_PIPELINE = "run_pipeline"
    REGISTER_MODEL = "register_model"
    SIGN_AUTHORED = "sign_authored"
    SIGN_REVIEWED = "sign_reviewed"
    SIGN_APPROVED = "sign_approved"
    SIGN_RESPONSIBILITY = "sign_responsibility"
    BUILD_PACKAGE = "build_package"
    DEPLOY_MODEL = "deploy_model"
    SERVE_MODEL = "serve_model"
    READ_REPORTS = "read_reports"
    VERIFY_LEDGER = "verify_ledger"
    TRACE_PREDICTION = "trace_prediction"
    EXPORT_AUDIT = "export_audit"
    MANAGE_PEOPLE = "manage_people"


ActionTable = Mapping[Action, frozenset[Role]]
"""For each action the roles that may do it. What is absent is denied."""


def parse_action_table(text: str) -> ActionTable:
    """The table from the text of an ``actions.yaml``.

    Raises :class:`SettingsError` when it is no mapping of known actions to lists of known roles.
    """
    value: object = None
    table: dict[Action, frozenset[Role]] | None = None
    try:
        value = yaml.safe_load(text)
        if isinstance(value, dict):
            table = {Action(name): _roles(names) for name, names in value.items()}
    except (yaml.YAMLError, ValueError, TypeError):
        table = None
    if table is None:
        raise SettingsError("The table of actions names something that is no action or no role")
    return table


def _roles(names: object) -> frozenset[Role]:
    if not isinstance(names, list):
        raise TypeError("not a list")
    return frozenset(Role(name) for name in names)


@cache
def action_table() -> ActionTable:
    """The table that ships with medcairn."""
    return parse_action_table(resources.files(__package__).joinpath("actions.yaml").read_text("utf-8"))


def is_allowed(roles: Iterable[Role], action: Action, *, table: ActionTable | None = None) -> bool:
    """Whether one of ``roles`` may do ``action``."""
    allowed = (action_table() if table is None else table).get(action, frozenset())
    return not allowed.isdisjoint(roles)


def check_roles(roles: Iterable[Role], action: Action) -> None:
    """Pass when one of ``roles`` may do ``action``; raise :class:`PolicyError` otherwise."""
    if not is_allowed(roles, action):
        raise PolicyError(
            "This person's roles do not allow this action",
            hint="access/actions.yaml lists the roles for each action",
            action=action,
        )


__all__ = ["Action", "ActionTable", "Role", "action_table", "check_roles", "is_allowed", "parse_action_table"]
