"""What became of the attachments, in numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from medcairn.core.canonical import JSON


@dataclass(frozen=True)
class AttachmentReport:
    """``found`` attachments with an address or data; of these ``kept`` have their content here, in
    ``contents`` distinct files of together ``size`` bytes; ``verified`` had a hash that fits.
    ``left_inline`` have their data in the resource and were not asked for; ``missing`` counts the rest, by
    reason.
    """

    found: int = 0
    kept: int = 0
    contents: int = 0
    size: int = 0
    verified: int = 0
    left_inline: int = 0
    missing: Mapping[str, int] = field(default_factory=dict)

    @property
    def missing_count(self) -> int:
        """Attachments whose content could not be had."""
        return sum(self.missing.values())

    def facts(self) -> dict[str, JSON]:
        """Aggregate and deterministic: no addresses, no content."""
        return {
            "attachments": self.found,
            "kept": self.kept,
            "contents": self.contents,
            "bytes": self.size,
            "verified": self.verified,
            "left_inline": self.left_inline,
            "missing": dict(sorted(self.missing.items())),
        }


__all__ = ["AttachmentReport"]
