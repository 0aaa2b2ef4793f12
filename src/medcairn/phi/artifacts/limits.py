"""What an artifact may be, and the refusal of one that is not."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from medcairn.core.errors import PolicyError


class Reason(StrEnum):
    """Why an artifact is refused."""

    TYPE_NOT_ALLOWED = "type_not_allowed"
    """Its kind is not on the list, or its name and its content disagree."""
    PICKLE = "pickle"
    """A pickle runs code when it is read, and its content cannot be told without reading it."""
    UNREADABLE = "unreadable"
    """It is damaged, encrypted, or not of the kind that it says."""
    TOO_LARGE = "too_large"
    """It, or what it unpacks to, is beyond the limits."""


class ArtifactRefused(PolicyError):
    """An artifact that cannot be shown to be free of PHI. Fields: ``artifact_type``, ``reason``."""

    code = "artifact_refused"


@dataclass(frozen=True)
class ArtifactLimits:
    """Bounds on what is scanned. Sizes are bytes."""

    largest: int = 2 << 30
    """An artifact, and all that archives in it unpack to."""
    largest_document: int = 32 << 20
    """A document that has to be read as a whole: JSON, an image's metadata, ONNX, arrays of texts."""
    archive_depth: int = 3
    """Archives within archives."""
    archive_entries: int = 10_000
    archive_ratio: int = 200
    """How many times its packed size a member of an archive may unpack to (beyond the first MiB)."""
    longest_paragraph: int = 1500
    """Characters of prose in one paragraph of a text artifact."""
    most_findings: int = 100
    """Enough findings to stop at."""
    allow_pickle: bool = False
    """Whether pickles are looked through, opcode by opcode and never loaded, instead of refused."""


__all__ = ["ArtifactLimits", "ArtifactRefused", "Reason"]
