"""The record that a package runs in an environment, in a state."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from medcairn.core.canonical import JSON
from medcairn.core.clock import Clock, instant
from medcairn.core.digests import Digest, digest_bytes
from medcairn.core.errors import IntegrityError, UsageError
from medcairn.core.files import write_json
from medcairn.core.labels import Label
from medcairn.core.lifecycle import LifecycleState

RECORD = "deployment.json"


@dataclass(frozen=True)
class DeploymentReport:
    """One deployment, in the state that it began in; the ledger tells of the states after.

    ``image_digest`` is that of the container image, as the operator stated it; nothing here looked at it.
    """

    name: Label
    version: Label
    package_digest: Digest
    environment: Label
    state: LifecycleState
    deployed_at: datetime
    image_digest: Digest | None = None

    def facts(self) -> dict[str, JSON]:
        """Facts for the manifest and the ledger; no time of day."""
        return {
            "name": self.name,
            "version": self.version,
            "package_digest": self.package_digest,
            "environment": self.environment,
            "state": self.state.value,
            **({"image_digest": self.image_digest} if self.image_digest else {}),
        }

    def as_json(self) -> dict[str, JSON]:
        """The content of ``deployment.json``."""
        return {**self.facts(), "deployed_at": instant(self.deployed_at)}


def deploy(
    package_dir: Path,
    out_dir: Path,
    *,
    environment: Label,
    clock: Clock,
    image_digest: Digest | None = None,
) -> DeploymentReport:
    """Write ``deployment.json`` into ``out_dir``: this package is in shadow in ``environment``.

    It records and starts nothing: `medcairn serve` or the package's Kubernetes manifests do that. The
    caller has opened the package, and so checked it, before. Raises :class:`UsageError` when the folder is
    no package.
    """
    name, version, digest = _identity(package_dir)
    state, at = LifecycleState.SHADOW, clock.now()
    report = DeploymentReport(name, version, digest, environment, state, at, image_digest)
    write_json(out_dir / RECORD, report.as_json())
    return report


def read_deployment(folder: Path) -> DeploymentReport | None:
    """The deployment that :func:`deploy` recorded in ``folder``; None when there is none.

    Raises :class:`IntegrityError` when the record cannot be read.
    """
    path = folder / RECORD
    if not path.is_file():
        return None
    report: DeploymentReport | None = None
    try:
        value = json.loads(path.read_bytes())
        report = DeploymentReport(
            name=Label(value["name"]),
            version=Label(value["version"]),
            package_digest=Digest(value["package_digest"]),
            environment=Label(value["environment"]),
            state=LifecycleState(value["state"]),
            deployed_at=datetime.fromisoformat(value["deployed_at"]).astimezone(UTC),
            image_digest=Digest(value["image_digest"]) if value.get("image_digest") else None,
        )
    except (ValueError, KeyError, TypeError):
        report = None
    if report is None:
        raise IntegrityError("A deployment record cannot be read", file=path)
    return report


def _identity(package_dir: Path) -> tuple[Label, Label, Digest]:
    """Name, version and digest of a package, from the two files that every package has."""
    digests, about = package_dir / "digests.json", package_dir / "package.json"
    if not digests.is_file() or not about.is_file():
        raise UsageError("This folder holds no package", folder=package_dir)
    data, described = digests.read_bytes(), about.read_bytes()
    identity: tuple[Label, Label, Digest] | None = None
    try:
        value, listed = json.loads(described), json.loads(data)
        if listed["package.json"] == digest_bytes(described):
            identity = Label(value["name"]), Label(value["version"]), digest_bytes(data)
    except (ValueError, KeyError, TypeError):
        identity = None
    if identity is None:
        raise IntegrityError("The package's description is not what was packaged", file=about)
    return identity


__all__ = ["RECORD", "DeploymentReport", "deploy", "read_deployment"]
