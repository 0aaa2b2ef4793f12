"""The report of landed data: what every export reports, and what only files and objects can have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from medcairn.core.canonical import JSON
from medcairn.core.digests import Digest
from medcairn.core.labels import Label
from medcairn.export.report import ExportReport


@dataclass(frozen=True)
class ObjectRead:
    """An object of a store as it was read.

    ``key`` is its name below the prefix, which may tell of a patient: it is for the PHI zone, as a path is.
    ``e_tag`` is the store's own mark of this state of it (RFC 9110), None when it gives none; ``size`` is in
    bytes and ``digest`` of its bytes, as stored.
    """

    key: Path
    size: int
    e_tag: str | None
    digest: Digest


@dataclass(frozen=True)
class LandedReport(ExportReport):
    """What came out of landed files or objects.

    ``duplicates`` counts resources whose type and id came before; all of them are written, since none says
    that it is the newer one. ``passed_over`` counts Bundle entries that bring no resource, by reason.
    ``store`` is the kind of object store, None for a folder; ``objects`` what was read from it, by key.
    """

    duplicates: int = 0
    passed_over: Mapping[str, int] = field(default_factory=dict)
    store: Label | None = None
    objects: tuple[ObjectRead, ...] = ()

    def facts(self) -> dict[str, JSON]:
        """As every export's, and the counts of landed data. No keys, and no marks that change with a copy."""
        return {
            **super().facts(),
            "source": "files" if self.store is None else "objects",
            "duplicates": self.duplicates,
            "passed_over": dict(sorted(self.passed_over.items())),
        }


__all__ = ["LandedReport", "ObjectRead"]
