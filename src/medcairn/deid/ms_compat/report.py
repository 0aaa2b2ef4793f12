"""What a run says about itself: aggregate, deterministic, without any value of the source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from medcairn.core.canonical import JSON
from medcairn.core.digests import Digest
from medcairn.core.labels import Label
from medcairn.deid.report import ResourceCounts
from medcairn.deid.tally import Reason

MODE = Label("ms-compat")
STATEMENT = (
    "This mode reproduces the behaviour of Microsoft's FHIR anonymizer under the configuration given. "
    "It is not the Safe Harbor mode: what no rule names stays, and shifted dates keep month and day."
)


@dataclass(frozen=True)
class MsCompatReport(ResourceCounts):
    """The outcome of one run.

    ``read`` and ``left`` count resources by type of file, ``quarantined`` by type and reason. ``emptied``
    left with nothing but a label, because a rule could not be applied. ``members_dropped`` are JSON members
    that are no R4 content. ``rules_without_target`` are indices (from 0) of rules that can never match: they
    protect nothing.
    """

    as_of: date
    configuration_digest: Digest
    rules: int
    rules_without_target: tuple[int, ...]
    keys_derived: bool
    files: int
    files_passed_over: int
    bytes_read: int
    read: Mapping[str, int]
    left: Mapping[str, int]
    quarantined: Mapping[str, Mapping[Reason, int]]
    emptied: int
    members_dropped: int

    def facts(self) -> dict[str, JSON]:
        """The report as JSON, the same for the same inputs and settings."""
        return {
            "mode": MODE,
            "safe_harbor": False,
            "statement": STATEMENT,
            "as_of": self.as_of.isoformat(),
            "configuration_digest": self.configuration_digest,
            "rules": self.rules,
            "rules_without_target": list(self.rules_without_target),
            "keys_derived": self.keys_derived,
            "files": self.files,
            "files_passed_over": self.files_passed_over,
            "bytes_read": self.bytes_read,
            "resources_read": self.resources_read,
            "resources_left": self.resources_left,
            "resources_quarantined": self.resources_quarantined,
            "resources_emptied": self.emptied,
            "members_dropped": self.members_dropped,
            "read": dict(sorted(self.read.items())),
            "left": dict(sorted(self.left.items())),
            "quarantined": {
                name: {reason.value: count for reason, count in sorted(reasons.items())}
                for name, reasons in sorted(self.quarantined.items())
            },
        }


__all__ = ["MODE", "STATEMENT", "MsCompatReport"]
