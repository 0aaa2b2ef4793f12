"""An organisation's provider as data: where it is, who we are to it, and the roles that its groups give."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from medcairn.access.roles import Role
from medcairn.core.errors import SettingsError
from medcairn.core.labels import Label

_LOOPBACK = ("127.0.0.1", "::1", "localhost")


def is_secure(url: str) -> bool:
    """Whether ``url`` is https, or http that does not leave this machine; without a user or a fragment."""
    parts = urlsplit(url)
    return (
        (parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK))
        and bool(parts.hostname)
        and parts.username is None
        and not parts.fragment
    )


def _secure(url: str) -> str:
    if not is_secure(url):
        raise ValueError("not https")
    return url


SecureUrl = Annotated[str, AfterValidator(_secure)]
"""https; http only to this machine."""

Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"]
"""Signatures with a key pair only: ``none`` and those with a shared secret are never accepted."""


class OrganisationSettings(BaseModel):
    """One provider. Unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    issuer: SecureUrl = Field(description="As in the provider's own configuration, to the letter.")
    client_id: str = Field(min_length=1, max_length=255)
    client_secret_file: Path | None = Field(default=None, description="None: a public client, PKCE alone.")
    redirect_uri: SecureUrl = Field(description="Where the provider sends people back to.")
    scopes: tuple[str, ...] = ("openid", "profile")
    algorithms: tuple[Algorithm, ...] = Field(default=("RS256", "ES256"), min_length=1)
    roles_claim: str = Field(default="groups", description="The claim of the ID token that lists groups.")
    roles: Mapping[str, tuple[Role, ...]] = Field(description="Group to roles; any other group gives none.")
    freshness_minutes: int = Field(default=15, ge=1, le=480, description="How old a sign-in there may be.")
    required_method: str | None = Field(default=None, description="A method that amr must name, e.g. mfa.")

    def roles_of(self, groups: object) -> frozenset[Role]:
        """The roles that a claim's value gives; what is no list of texts gives none."""
        if not isinstance(groups, list):
            return frozenset()
        return frozenset(
            role for group in groups if isinstance(group, str) for role in self.roles.get(group, ())
        )


def parse_organisation(text: str) -> OrganisationSettings:
    """Settings from the text of a YAML file.

    Raises :class:`SettingsError` that names the key at fault and never its value.
    """
    value: object = None
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        value = None
    settings: OrganisationSettings | None = None
    key = "file"
    try:
        settings = OrganisationSettings.model_validate(value)
    except ValidationError as failure:
        problems = failure.errors(include_url=False, include_input=False, include_context=False)
        key = str(problems[0]["loc"][0]) if problems[0]["loc"] else key
    if settings is None:
        named = Label(key) if key in OrganisationSettings.model_fields else Label("file")
        raise SettingsError("A key of the organisation's settings cannot be used", key=named)
    return settings


__all__ = ["Algorithm", "OrganisationSettings", "is_secure", "parse_organisation"]
