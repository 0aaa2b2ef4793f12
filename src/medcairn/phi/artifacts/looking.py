"""One look through one artifact and what is packed in it: the detector, the limits, the findings so far."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from medcairn.core.labels import Label
from medcairn.phi.artifacts.limits import ArtifactLimits, ArtifactRefused, Reason
from medcairn.phi.detector import PhiDetector
from medcairn.phi.findings import PhiFinding


@dataclass
class Looking:
    """What the decoders of one artifact share; ``unpacked`` and ``entries`` count over all archives in it."""

    detector: PhiDetector
    limits: ArtifactLimits
    findings: dict[PhiFinding, None] = field(default_factory=dict)
    unpacked: int = 0
    entries: int = 0

    def add(self, findings: Iterable[PhiFinding]) -> None:
        """Keep findings, up to the limit."""
        for finding in findings:
            if not self.enough:
                self.findings[finding] = None

    @property
    def enough(self) -> bool:
        """Whether so much was found that no more needs to be looked for."""
        return len(self.findings) >= self.limits.most_findings

    def texts(self, texts: Iterable[str], location: Label, *, cue: str = "") -> None:
        """Look at several texts of one place."""
        for text in texts:
            if self.enough:
                return
            self.add(self.detector.find(text, location=location, cue=cue))

    def count_unpacked(self, count: int) -> None:
        """Count bytes that came out of archives. Raises :class:`ArtifactRefused` beyond the limit."""
        self.unpacked += count
        if self.unpacked > self.limits.largest:
            raise refused(Reason.TOO_LARGE, "archive")


def refused(reason: Reason, artifact_type: str) -> ArtifactRefused:
    """The refusal of an artifact that passed the door."""
    messages = {
        Reason.UNREADABLE: "An artifact cannot be read, so nobody can say what is in it",
        Reason.TOO_LARGE: "An artifact is too large to be looked through",
        Reason.PICKLE: "A pickle is not allowed: it cannot be read without running what is in it",
        Reason.TYPE_NOT_ALLOWED: "The kind of an artifact is not allowed",
    }
    return ArtifactRefused(messages[reason], artifact_type=Label(artifact_type), reason=reason)


def below(location: Label, step: str) -> Label:
    """The location of a part of what stands at ``location``."""
    return location if len(location) > 160 else Label(location + step)


__all__ = ["Looking", "below", "refused"]
