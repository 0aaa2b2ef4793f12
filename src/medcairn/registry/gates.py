"""Gates as data: who must sign what, and which checks stand before each state of a model.

Two sets ship with medcairn, ``gate_files/basic.yaml`` and ``gate_files/part11.yaml``; a study may bring a
file of its own in the same form. What a file does not list is refused: an empty gate lets nothing through.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from importlib import resources
from pathlib import Path

from pydantic import Field

from medcairn.access import Role
from medcairn.core.digests import Digest, digest_json
from medcairn.core.lifecycle import LifecycleState
from medcairn.core.rule_files import parse_rules, rule_text
from medcairn.core.settings_form import SettingsRecord

BUILT_IN = ("basic", "part11")


class Check(StrEnum):
    """A condition of a gate, by name."""

    PROTOCOL_PINNED = "protocol_pinned"
    PROTOCOL_SIGNED = "protocol_signed"
    VALIDATION_PASSED = "validation_passed"
    SIGNATURES_HOLD = "signatures_hold"
    ONE_KEY_EACH = "one_key_each"
    AUTHOR_DID_NOT_APPROVE = "author_did_not_approve"
    APPROVED = "approved"
    APPROVALS_CURRENT = "approvals_current"
    PACKAGE_UNCHANGED = "package_unchanged"
    MONITORED = "monitored"
    MOVER_IS_NOT_AUTHOR = "mover_is_not_author"
    MOVER_DID_NOT_APPROVE = "mover_did_not_approve"


class SignerRule(SettingsRecord):
    """So many different people must sign, each with one of the roles when they signed."""

    signatures: int = Field(ge=1, le=10)
    roles: frozenset[Role] = Field(min_length=1)


class Gates(SettingsRecord):
    """The gates of a study. A signature counts for one rule only, and one person counts once."""

    protocol: tuple[SignerRule, ...] = ()
    approval: tuple[SignerRule, ...] = Field(min_length=1)
    change_control: tuple[SignerRule, ...] = Field(min_length=1)
    approval_days: int | None = Field(default=None, ge=1, description="An older approval does not count.")
    before: Mapping[LifecycleState, tuple[Check, ...]]

    @property
    def digest(self) -> Digest:
        """Names these gates exactly, so that the trail can tell which were in force."""
        value = self.model_dump(mode="json")
        for rules in ("protocol", "approval", "change_control"):
            for rule in value[rules]:
                rule["roles"] = sorted(rule["roles"])
        return digest_json(value)


def read_gates(rules: str | Path) -> Gates:
    """Built-in gates by their name, or those in a YAML file.

    Raises :class:`~medcairn.core.errors.SettingsError` that names the key at fault and never its value.
    """
    folder = resources.files(__package__) / "gate_files"
    return parse_gates(rule_text(rules, folder=folder, built_in=BUILT_IN))


def parse_gates(text: str) -> Gates:
    """The gates in the text of a YAML file. Raises :class:`~medcairn.core.errors.SettingsError`."""
    return parse_rules(text, Gates, hint="See registry/gate_files/part11.yaml")


__all__ = ["BUILT_IN", "Check", "Gates", "SignerRule", "parse_gates", "read_gates"]
