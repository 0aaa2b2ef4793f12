"""How strict a people store is: passwords, lock-out, and what a signature takes. A policy is data.

Two ship with medcairn, ``policies/basic.yaml`` and ``policies/part11.yaml``; a study may bring a file of its
own in the same form. What a file does not say takes the default below, which is that of ``basic``.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from medcairn.core.digests import Digest, digest_json
from medcairn.core.rule_files import parse_rules, rule_text
from medcairn.core.settings_form import SettingsRecord

BUILT_IN = ("basic", "part11")

Course = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
"""The short name of a training."""


class PasswordPolicy(SettingsRecord):
    """What a new password must be, and how long one is good (21 CFR 11.300(b))."""

    minimum_length: int = Field(default=12, ge=8, le=64, description="In characters.")
    remembered: int = Field(default=5, ge=0, le=24, description="So many earlier ones may not come back.")
    maximum_age_days: int | None = Field(default=None, ge=1, description="Then it must be changed.")


class LockOut(SettingsRecord):
    """After ``failures`` wrong tries in a row a name is refused for ``minutes``, right or wrong."""

    failures: int = Field(default=5, ge=1, le=100)
    minutes: int = Field(default=15, ge=1, le=1440)


class SigningPolicy(SettingsRecord):
    """What a person needs in order to sign, and how long one session of signing lasts."""

    second_factor: Literal["optional", "required"] = Field(
        default="optional", description="Optional: who has none enrolled signs with name and password."
    )
    identity_proof: bool = Field(default=False, description="Somebody must have proven who this is.")
    training: tuple[Course, ...] = Field(default=(), description="Trainings that must be current.")
    idle_minutes: int = Field(default=15, ge=1, le=480, description="An idle session starts over.")
    longest_minutes: int = Field(default=480, ge=1, le=1440, description="So does one as old as this.")


class AccessPolicy(SettingsRecord):
    """The rules of one people store."""

    password: PasswordPolicy = PasswordPolicy()
    lock_out: LockOut = LockOut()
    signing: SigningPolicy = SigningPolicy()
    administrator_adds: bool = Field(
        default=False, description="Only an administrator adds people, after the first one."
    )

    @property
    def digest(self) -> Digest:
        """Names these rules exactly, so that the trail can tell which were in force."""
        return digest_json(self.model_dump(mode="json"))


def read_policy(rules: str | Path) -> AccessPolicy:
    """A built-in policy by its name, or the one in a YAML file.

    Raises :class:`~medcairn.core.errors.SettingsError` that names the key at fault and never its value.
    """
    folder = resources.files(__package__) / "policies"
    return parse_policy(rule_text(rules, folder=folder, built_in=BUILT_IN))


def parse_policy(text: str) -> AccessPolicy:
    """The policy in the text of a YAML file. Raises :class:`~medcairn.core.errors.SettingsError`."""
    return parse_rules(text, AccessPolicy, hint="See access/policies/part11.yaml")


__all__ = [
    "AccessPolicy",
    "LockOut",
    "PasswordPolicy",
    "SigningPolicy",
    "parse_policy",
    "read_policy",
]
