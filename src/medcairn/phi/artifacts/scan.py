"""The door: decides what an artifact is and has its decoder look through it."""

from __future__ import annotations

from typing import BinaryIO

from medcairn.core.labels import Label
from medcairn.phi.artifacts.limits import ArtifactLimits, ArtifactRefused, Reason
from medcairn.phi.detector import PhiDetector
from medcairn.phi.findings import PhiFinding


def scan_artifact(
    name: str, stream: BinaryIO, detector: PhiDetector, *, limits: ArtifactLimits = ArtifactLimits()
) -> list[PhiFinding]:
    """Look for PHI in an artifact. ``name`` is its path in the run; it is looked at too.

    Raises :class:`ArtifactRefused` when the artifact is of a kind that is not allowed, is too large, or cannot
    be read.
    """
    raise ArtifactRefused(
        "This kind of artifact is not allowed", reason=Reason.TYPE_NOT_ALLOWED, artifact_type=Label("other")
    )


__all__ = ["scan_artifact"]
