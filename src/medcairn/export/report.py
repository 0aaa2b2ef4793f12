"""What an export leaves behind, as one frozen record."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from medcairn.core.canonical import JSON
from medcairn.core.digests import Digest
from medcairn.core.labels import Label
from medcairn.export.ndjson import Fault


@dataclass(frozen=True)
class ExportedFile:
    """One verified NDJSON file below the output folder.

    ``lines`` counts resources (blank lines are no resources), ``size`` is in bytes, ``digest`` is of the
    file's bytes.
    """

    name: Label
    resource_type: Label
    lines: int
    size: int
    digest: Digest


@dataclass(frozen=True)
class Located:
    """A place in a landed file, and what is wrong there.

    ``line`` is the 1-based line of an NDJSON file, the 1-based entry of a Bundle, or 0 for a whole file.
    """

    file: Path
    line: int
    reason: Fault


@dataclass(frozen=True)
class ExportReport:
    """What came out of a source.

    ``files`` are in order of type and then of the source. ``transaction_time`` is the server's own instant
    of the export, as it wrote it: what ``_since`` of the next export starts from. It is None for landed
    files and when the server's value is no FHIR instant. ``outcomes`` counts the issues of the server's
    error files by severity, ``quarantined`` the landed resources that were set aside, by reason.

    ``remarks`` are the first of what those issues say, for the terminal of the person who runs the export.
    They may quote patients: no fact, log or error holds them.
    """

    source: Literal["bulk", "files", "search", "objects"]
    files: tuple[ExportedFile, ...]
    transaction_time: Label | None = None
    outcomes: Mapping[str, int] = field(default_factory=dict)
    deletion_files: int = 0
    quarantined: Mapping[str, int] = field(default_factory=dict)
    first_quarantined: Located | None = None
    files_read: int = 0
    files_ignored: int = 0
    remarks: tuple[str, ...] = field(default=(), repr=False)

    @property
    def resources(self) -> dict[str, int]:
        """Resources by type, sorted by type."""
        counts: Counter[str] = Counter()
        for file in self.files:
            counts[str(file.resource_type)] += file.lines
        return dict(sorted(counts.items()))

    @property
    def resource_count(self) -> int:
        """Resources of all types."""
        return sum(file.lines for file in self.files)

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)

    @property
    def quarantined_count(self) -> int:
        """Resources that were set aside."""
        return sum(self.quarantined.values())

    def facts(self) -> dict[str, JSON]:
        """Aggregate and deterministic: what an artifact's manifest holds. No times, URLs or ids."""
        return {
            "source": self.source,
            "resources": self.resources,
            "resource_count": self.resource_count,
            "files": len(self.files),
            "bytes": self.size,
            "outcomes": dict(sorted(self.outcomes.items())),
            "deletion_files": self.deletion_files,
            "quarantined": dict(sorted(self.quarantined.items())),
            "files_ignored": self.files_ignored,
        }


__all__ = ["ExportReport", "ExportedFile", "Located"]
