"""``tracking-server.yaml``: who may reach what, which proxy is trusted, how large a request may be.

The file lies in the server's folder and may be absent. Unknown keys are refused.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from medcairn.access import AccessPolicy, Role, read_policy
from medcairn.audit import LedgerAddress
from medcairn.audit.study_address import address_in
from medcairn.core.errors import SettingsError, UsageError
from medcairn.core.settings import SETTINGS_FILE as STUDY_FILE
from medcairn.core.settings import read_settings

FOLDER_VARIABLE = "MEDCAIRN_TRACKING_SERVER"
"""Names the server's folder for ``mlflow server --app-name medcairn``."""

SETTINGS_FILE = "tracking-server.yaml"

HeaderName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{1,60}$")]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Department(_Record):
    """Who shares experiments and registered models: those whose names begin with one of ``prefixes``."""

    prefixes: tuple[Annotated[str, Field(min_length=1, max_length=100)], ...] = Field(min_length=1)
    members: frozenset[str] = frozenset()
    services: frozenset[str] = frozenset()


class Proxy(_Record):
    """A proxy that signs people in (OpenID Connect) and says in header fields who it was."""

    networks: tuple[str, ...] = Field(min_length=1, description="Its addresses, such as 10.0.3.7/32.")
    secret_file: Path = Field(description="The text that it sends in secret_header, relative to the folder.")
    user_header: HeaderName = "x-forwarded-user"
    groups_header: HeaderName = "x-forwarded-groups"
    secret_header: HeaderName = "x-medcairn-proxy"  # noqa: S105 - the name of a header field
    groups: dict[str, tuple[Role, ...]] = {}


class Pickles(StrEnum):
    """What happens to pickled models. They are never loaded here; whoever loads one runs its code."""

    REFUSED = "refused"
    SEARCHED = "searched"


class Limits(_Record):
    """The largest bodies, in bytes, after inflating; and what is done with pickles."""

    json_bytes: int = Field(default=8 << 20, ge=1024)
    spans_bytes: int = Field(default=16 << 20, ge=1024)
    artifact_bytes: int = Field(default=1 << 30, ge=1024)
    pickles: Pickles = Pickles.REFUSED
    scanned_at_a_time: int = Field(default=4, ge=1, le=64)


class TrackingServerSettings(_Record):
    """The whole file."""

    departments: dict[str, Department] = {}
    everywhere: frozenset[str] = Field(
        default=frozenset(), description="People and services that reach every department."
    )
    protected_aliases: dict[str, str] = Field(
        default={
            "champion": "production", "production": "production", "canary": "canary", "shadow": "shadow",
            "approved": "approved",
        },
        description="Alias to the lifecycle state that the ledger must show for the version.",
    )  # fmt: skip
    proxy: Proxy | None = None
    limits: Limits = Limits()
    remember_seconds: float = Field(default=30.0, ge=0, le=300)


@dataclass(frozen=True)
class ProxySettings:
    """A proxy with its secret read."""

    networks: tuple[IPv4Network | IPv6Network, ...]
    user_header: str
    groups_header: str
    secret_header: str
    secret: bytes = field(repr=False)
    groups: Mapping[str, tuple[Role, ...]]

    @classmethod
    def read(cls, proxy: Proxy, folder: Path) -> ProxySettings:
        """Raises :class:`SettingsError` for no network, or a secret of fewer than 32 characters."""
        networks: list[IPv4Network | IPv6Network] = []
        secret = b""
        try:
            networks = [ip_network(network) for network in proxy.networks]
            secret = (folder / proxy.secret_file).read_bytes().strip()
        except (ValueError, OSError):
            networks = []
        if not networks or len(secret) < 32:
            raise SettingsError("proxy needs networks, and a secret file of 32 characters or more")
        return cls(
            tuple(networks), proxy.user_header, proxy.groups_header, proxy.secret_header, secret, proxy.groups
        )


@dataclass(frozen=True)
class ServerFolder:
    """Where a server keeps its people, ledger and keys; a study's folder serves as one."""

    path: Path

    @classmethod
    def of_environment(cls, environ: Mapping[str, str] = os.environ) -> ServerFolder:
        """Raises :class:`UsageError` when the environment names no folder."""
        named = environ.get(FOLDER_VARIABLE, "")
        if not named or not Path(named).is_dir():
            raise UsageError(
                "The tracking server needs its folder",
                hint=f"Set {FOLDER_VARIABLE}, or `medcairn mlflow-server`",
            )
        return cls(Path(named))

    @property
    def people(self) -> Path:
        return self.path / "people.db"

    @property
    def ledger(self) -> LedgerAddress:
        """The study's ledger, by its ``study.yaml``; a file of the folder's own without one."""
        return address_in(self.path)

    @property
    def policy(self) -> AccessPolicy:
        """The study's rules of access; the default ones without a study."""
        if not (self.path / STUDY_FILE).is_file():
            return AccessPolicy()
        rules = read_settings(self.path).access.policy
        return read_policy(self.path / rules if rules.endswith((".yaml", ".yml")) else rules)

    @property
    def ledger_key(self) -> Path:
        return self.path / "keys" / "ledger.key"

    @property
    def detector_key(self) -> Path:
        """The key under which findings are hashed."""
        return self.path / "keys" / "phi-guard.key"

    def settings(self) -> TrackingServerSettings:
        """Raises :class:`SettingsError` that names the keys that are wrong."""
        file = self.path / SETTINGS_FILE
        if not file.exists():
            return TrackingServerSettings()
        settings: TrackingServerSettings | None = None
        try:
            settings = TrackingServerSettings.model_validate(yaml.safe_load(file.read_text("utf-8")) or {})
        except (yaml.YAMLError, ValidationError, ValueError):
            settings = None
        if settings is None:
            raise SettingsError("The tracking server's settings cannot be used", file=file)
        return settings


__all__ = [
    "FOLDER_VARIABLE",
    "SETTINGS_FILE",
    "Department",
    "Limits",
    "Pickles",
    "Proxy",
    "ProxySettings",
    "ServerFolder",
    "TrackingServerSettings",
]
