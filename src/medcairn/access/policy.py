"""How strict a people store is: passwords, lock-out, and what a signature takes. A policy is data.

Two ship with medcairn, ``policies/basic.yaml`` and ``policies/part11.yaml``; a study may bring a file of its
own in the same form. What a file does not say takes the default below, which is that of ``basic``.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from medcairn.core.digests import Digest, digest_json
from medcairn.core.errors import SettingsError
from medcairn.core.labels import Label

BUILT_IN = ("basic", "part11")

Course = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
"""The short name of a training."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class PasswordPolicy(_Record):
    """What a new password must be, and how long one is good (21 CFR 11.300(b))."""

    minimum_length: int = Field(default=12, ge=8, le=64, description="In characters.")
    remembered: int = Field(default=5, ge=0, le=24, description="So many earlier ones may not come back.")
    maximum_age_days: int | None = Field(default=None, ge=1, description="Then it must be changed.")


class LockOut(_Record):
    """After ``failures`` wrong tries in a row a name is refused for ``minutes``, right or wrong."""

    failures: int = Field(default=5, ge=1, le=100)
    minutes: int = Field(default=15, ge=1, le=1440)


class SigningPolicy(_Record):
    """What a person needs in order to sign, and how long one session of signing lasts."""

    second_factor: Literal["optional", "required"] = Field(
        default="optional", description="Optional: who has none enrolled signs with name and password."
    )
    identity_proof: bool = Field(default=False, description="Somebody must have proven who this is.")
    training: tuple[Course, ...] = Field(default=(), description="Trainings that must be current.")
    idle_minutes: int = Field(default=15, ge=1, le=480, description="An idle session starts over.")
    longest_minutes: int = Field(default=480, ge=1, le=1440, description="So does one as old as this.")


class AccessPolicy(_Record):
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

    Raises :class:`SettingsError` that names the key at fault and never its value.
    """
    if isinstance(rules, str) and rules not in BUILT_IN:
        raise SettingsError("There is no such built-in access policy", hint="Built in: basic, part11")
    if isinstance(rules, str):
        text = resources.files(__package__).joinpath("policies", f"{rules}.yaml").read_text("utf-8")
    elif rules.is_file():
        text = rules.read_text(encoding="utf-8", errors="replace")
    else:
        raise SettingsError("There is no such access policy file", file=rules)
    return parse_policy(text)


def parse_policy(text: str) -> AccessPolicy:
    """The policy in the text of a YAML file. Raises :class:`SettingsError`."""
    value: object = None
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        value = None
    if not isinstance(value, dict):
        raise SettingsError("The access policy is empty, no mapping or no YAML")
    policy: AccessPolicy | None = None
    keys: list[str] = []
    try:
        policy = AccessPolicy.model_validate(value)
    except ValidationError as failure:
        problems = failure.errors(include_url=False, include_input=False, include_context=False)
        keys = [".".join(str(part) for part in problem["loc"]) for problem in problems]
    if policy is None:
        raise SettingsError("A key of the access policy cannot be used", key=_shown(keys[0]))
    return policy


def _shown(key: str) -> Label:
    try:
        return Label(key)
    except ValueError:
        return Label("unknown")


__all__ = [
    "AccessPolicy",
    "LockOut",
    "PasswordPolicy",
    "SigningPolicy",
    "parse_policy",
    "read_policy",
]
