"""Decoders that look for PHI in artifacts: one for each kind on the list, and refusal of all else."""

from medcairn.phi.artifacts.limits import ArtifactLimits, ArtifactRefused, Reason
from medcairn.phi.artifacts.scan import scan_artifact

__all__ = ["ArtifactLimits", "ArtifactRefused", "Reason", "scan_artifact"]
