"""What a load of bronze did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from medcairn.core.canonical import JSON
from medcairn.core.digests import Digest


@dataclass(frozen=True)
class BronzeReport:
    """Counts by resource type; ``quarantined`` by reason.

    ``rows`` and ``loads`` are what the tables hold now: rows (versions and deletions), and the number of the
    newest load. The rest is about this run: resources that were not known (``new``), further versions of
    known ones (``changed``), lines that say what was known (``unchanged``), and resources found gone
    (``deleted``). ``content_digest`` is a digest of all versions, whenever and in however many runs they
    came.
    """

    rows: Mapping[str, int]
    loads: Mapping[str, int]
    new: Mapping[str, int]
    changed: Mapping[str, int]
    unchanged: Mapping[str, int]
    deleted: Mapping[str, int]
    quarantined: Mapping[str, int]
    content_digest: Digest
    source_files: int
    source_bytes: int

    def facts(self) -> dict[str, JSON]:
        """What the tables hold: the same whenever and in however many runs it was loaded."""
        return {
            "rows": dict(self.rows),
            "quarantined": dict(self.quarantined),
            "content_digest": self.content_digest,
        }

    def run_facts(self) -> dict[str, JSON]:
        """What this run did: for the ledger, and no part of an identity."""
        return {
            "new": dict(self.new),
            "changed": dict(self.changed),
            "unchanged": dict(self.unchanged),
            "deleted": dict(self.deleted),
            "loads": dict(self.loads),
            "source_files": self.source_files,
            "source_bytes": self.source_bytes,
        }


__all__ = ["BronzeReport"]
