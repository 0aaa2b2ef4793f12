"""What de-identification says about itself: aggregate, deterministic, without any value of the source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from medcairn.core.canonical import JSON
from medcairn.core.digests import Digest
from medcairn.core.labels import Label
from medcairn.deid.tally import Loss, Reason


class ResourceCounts:
    """Totals of the counts that every report of de-identification has: read, left, kept back."""

    read: Mapping[str, int]
    left: Mapping[str, int]
    quarantined: Mapping[str, Mapping[Reason, int]]

    @property
    def resources_read(self) -> int:
        """All resources read."""
        return sum(self.read.values())

    @property
    def resources_left(self) -> int:
        """All resources that left."""
        return sum(self.left.values())

    @property
    def resources_quarantined(self) -> int:
        """All resources kept back with a reason."""
        return sum(sum(reasons.values()) for reasons in self.quarantined.values())


@dataclass(frozen=True)
class DeidReport(ResourceCounts):
    """The outcome of one run.

    ``read`` and ``left`` count resources by type, ``quarantined`` by type and reason, ``lost`` counts
    elements that were taken out of resources that left. ``over_89`` are subjects shown as 90 and more;
    ``pseudonyms`` says how pseudonyms were made.
    """

    mode: Label
    as_of: date
    pseudonyms: Mapping[str, JSON]
    policy: Label
    policy_digest: Digest
    zip_table: Label
    files: int
    files_passed_over: int
    bytes_read: int
    subjects: int
    over_89: int
    read: Mapping[str, int]
    left: Mapping[str, int]
    quarantined: Mapping[str, Mapping[Reason, int]]
    lost: Mapping[Loss, int]

    @property
    def key_id(self) -> str:
        """What tells the key, or the crosswalk, from another."""
        return str(self.pseudonyms.get("key_id") or self.pseudonyms.get("crosswalk_id"))

    @property
    def dropped_references(self) -> int:
        """References that could not leave."""
        return sum(count for loss, count in self.lost.items() if loss.value.startswith("reference_"))

    @property
    def withheld_dates(self) -> int:
        """Dates that could not leave."""
        return sum(count for loss, count in self.lost.items() if loss.value.startswith("date_"))

    def facts(self) -> dict[str, JSON]:
        """The report as JSON, the same for the same inputs and settings."""
        return {
            "mode": self.mode,
            "as_of": self.as_of.isoformat(),
            **self.pseudonyms,
            "policy": self.policy,
            "policy_digest": self.policy_digest,
            "zip_table": self.zip_table,
            "files": self.files,
            "files_passed_over": self.files_passed_over,
            "bytes_read": self.bytes_read,
            "subjects": self.subjects,
            "subjects_over_89": self.over_89,
            "resources_read": self.resources_read,
            "resources_left": self.resources_left,
            "resources_quarantined": self.resources_quarantined,
            "dropped_references": self.dropped_references,
            "withheld_dates": self.withheld_dates,
            "read": dict(sorted(self.read.items())),
            "left": dict(sorted(self.left.items())),
            "quarantined": {
                name: {reason.value: count for reason, count in sorted(reasons.items())}
                for name, reasons in sorted(self.quarantined.items())
            },
            "lost": {loss.value: count for loss, count in sorted(self.lost.items())},
        }


__all__ = ["DeidReport", "ResourceCounts"]
