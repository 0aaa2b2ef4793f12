"""Roles, actions and the table that joins them (``actions.yaml``)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from functools import cache
from importlib import resources

import yaml

from medcairn.core.digests import Digest, digest_bytes
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
    BUILD_PACKAGE = "build_package"
    SIGN_AUTHORED = "sign_authored"
    SIGN_REVIEWED = "sign_reviewed"
    SIGN_APPROVED = "sign_approved"
    SIGN_RESPONSIBILITY = "sign_responsibility"
    CHANGE_GATES = "change_gates"
    RETIRE_MODEL = "retire_model"
    DEPLOY_MODEL = "deploy_model"
    PROMOTE_MODEL = "promote_model"
    ROLL_BACK_MODEL = "roll_back_model"
    SERVE_MODEL = "serve_model"
    READ_REPORTS = "read_reports"
    VERIFY_LEDGER = "verify_ledger"
    TRACE_PREDICTION = "trace_prediction"
    EXPORT_AUDIT = "export_audit"
    REIDENTIFY_SUBJECT = "reidentify_subject"
    MANAGE_PEOPLE = "manage_people"
    RESET_CREDENTIALS = "reset_credentials"
    REVOKE_SIGNING_KEY = "revoke_signing_key"
    PROVE_IDENTITY = "prove_identity"
    RECORD_TRAINING = "record_training"
    MANAGE_TOKENS = "manage_tokens"
    ROTATE_KEYS = "rotate_keys"


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
    return parse_action_table(_text())


def action_table_digest() -> Digest:
    """Names the table that ships with medcairn exactly, so that the trail can tell which was in force."""
    return digest_bytes(_text().encode("utf-8"))


def _text() -> str:
    return resources.files(__package__).joinpath("actions.yaml").read_text("utf-8")


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


__all__ = [
    "Action",
    "ActionTable",
    "Role",
    "action_table",
    "action_table_digest",
    "check_roles",
    "is_allowed",
    "parse_action_table",
]
