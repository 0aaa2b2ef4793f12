"""The audit report of a model version as a record: statements, each with the ledger entry it rests on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from medcairn.audit.record import Told
from medcairn.core.canonical import JSON
from medcairn.reports.document import Tone

FORM = "medcairn-fda-audit-1"


@dataclass(frozen=True)
class Row:
    """One row of a table, and the entries that hold it."""

    entries: tuple[int, ...]
    values: Mapping[str, JSON]

    def as_json(self) -> dict[str, JSON]:
        return {"entries": list(self.entries), **self.values}


@dataclass(frozen=True)
class Listing:
    """A table of the report. ``none`` says why there are no rows, when there are none."""

    name: str
    rows: tuple[Row, ...]
    none: str

    def as_json(self) -> dict[str, JSON]:
        if not self.rows:
            return {"name": self.name, "rows": [], "none": self.none}
        return {"name": self.name, "rows": [row.as_json() for row in self.rows]}


@dataclass(frozen=True)
class AuditSection:
    """A part of the report: single facts, and tables."""

    name: str
    facts: tuple[Told, ...] = ()
    listings: tuple[Listing, ...] = ()
    notes: tuple[str, ...] = ()

    def as_json(self) -> dict[str, JSON]:
        return {
            "name": self.name,
            "facts": [told.as_json() for told in self.facts],
            "tables": [listing.as_json() for listing in self.listings],
            "notes": list(self.notes),
        }


@dataclass(frozen=True)
class Standing:
    """Where the version stands, in a word and a sentence."""

    word: str
    tone: Tone
    reason: str


@dataclass(frozen=True)
class FdaAudit:
    """The report of one version of a model.

    ``dated`` (RFC 3339, UTC) is the time of the last entry that it rests on, ``tree_size`` and ``root_hash``
    (hex) those of the ledger up to that entry: what is recorded later about anything else changes nothing.
    """

    study: str
    model: str
    version: str
    purpose: str
    dated: str
    tree_size: int
    root_hash: str
    standing: Standing
    sections: tuple[AuditSection, ...]
    limits: tuple[str, ...]
    synthetic: bool = False

    @property
    def unknown(self) -> int:
        """How many facts are unknown."""
        return sum(bool(told.unknown) for section in self.sections for told in section.facts)

    def as_json(self) -> dict[str, JSON]:
        """The record as ``fda-audit.json`` holds it."""
        return {
            "form": FORM,
            "study": self.study,
            "model": self.model,
            "version": self.version,
            "purpose": self.purpose,
            "synthetic": self.synthetic,
            "dated": self.dated,
            "tree_size": self.tree_size,
            "root_hash": self.root_hash,
            "standing": {
                "word": self.standing.word,
                "tone": self.standing.tone.value,
                "reason": self.standing.reason,
            },
            "unknown": self.unknown,
            "sections": [section.as_json() for section in self.sections],
            "limits": list(self.limits),
        }


__all__ = ["FORM", "AuditSection", "FdaAudit", "Listing", "Row", "Standing"]
