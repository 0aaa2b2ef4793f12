"""The audit report of a model version as a document: its record's sections as tables, in a reader's words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from medcairn.audit.record import Told
from medcairn.core.digests import Digest
from medcairn.reports.about import ReportAbout
from medcairn.reports.document import (
    Block,
    Bullets,
    Cell,
    Column,
    Document,
    Paragraph,
    Section,
    Table,
    Verdict,
)
from medcairn.reports.fda_audit_record import AuditSection, FdaAudit, Listing, Row
from medcairn.reports.fda_audit_tables import LISTINGS, Shown
from medcairn.reports.fda_audit_words import exact_text, name_text, words_text

_READING = (
    "Each statement stands in an entry of the study's audit ledger, whose number is in the column Entry or "
    "above the table. What no entry holds is told as unknown, with the reason. Digests are shortened to 16 "
    "digits; fda-audit.json has them whole."
)
_SYNTHETIC = "Trained and assessed on synthetic subjects only."


_HEADINGS = {
    "identification": ("Identification and intended use", "What the model is"),
    "algorithm": ("Algorithm", "What was fitted, and what runs"),
    "training_data": ("Training data", "Where the data came from, and what was done to them"),
    "performance": ("Performance", "What was assessed, and at which operating point"),
    "validation_method": ("Validation method", "By which rules, and when they were fixed"),
    "version_history": ("Version history", ""),
    "change_control": ("Change control", "The predetermined change control plan"),
    "approvals": ("Approvals and refusals", "The package that was released, and what it took"),
    "use": ("Deployment and monitoring", "The latest deployment, and how it is watched"),
    "trail": ("The trail behind this report", "The ledger up to the last entry about this version"),
}
"""Each section's heading, and the caption of its facts."""

_AS_WORDS = frozenset({"algorithm"})
_NUMBERS_AS_NAMES = frozenset({"seed"})


@dataclass(frozen=True)
class _About(ReportAbout):
    """The head of the report: the ledger beside the model."""

    root: Digest | None = None

    @property
    def facts(self) -> tuple[tuple[str, str], ...]:
        return (
            ("Study", self.study),
            ("Model", f"{self.model_name}, version {self.model_version}"),
            ("Last entry", self.created_at[:19].replace("T", " ") + " UTC"),
        )

    @property
    def digests(self) -> tuple[tuple[str, Digest], ...]:
        return (("Ledger's root then", self.root),) if self.root else ()


def fda_audit_document(record: FdaAudit) -> Document:
    """The document of ``record``, dated by its last entry: the same record gives the same document."""
    about = _About(
        study=record.study,
        purpose=record.purpose,
        model_name=record.model,
        model_version=record.version,
        algorithm=None,
        created_at=record.dated,
        root=Digest(f"sha256:{record.root_hash}"),
        notes=((_SYNTHETIC,) if record.synthetic else ()) + (_READING,),
    )
    standing = record.standing
    return Document(
        "Audit report of a model version",
        about,
        Verdict(standing.word, standing.tone, standing.reason),
        (
            *(_section(section) for section in record.sections),
            Section("Limits", (Bullets(record.limits),)),
        ),
    )


def _section(section: AuditSection) -> Section:
    blocks: list[Block] = [Paragraph(note) for note in section.notes]
    if section.facts:
        blocks.append(_facts(section.facts, _HEADINGS[section.name][1]))
    for listing in section.listings:
        blocks.append(_listing(listing))
    return Section(_HEADINGS[section.name][0], tuple(blocks))


def _facts(facts: Sequence[Told], caption: str) -> Table:
    columns = (Column("Statement", share=3), Column("Value", share=6), Column("Entry", "right", share=0.9))
    rows = tuple(
        (name_text(told.name), _value(told), "" if told.entry is None else str(told.entry)) for told in facts
    )
    return Table(caption, columns, rows)


def _value(told: Told) -> str:
    if told.unknown:
        return f"unknown: {told.unknown}"
    if told.name in _AS_WORDS:
        return words_text(told.value)
    return str(told.value) if told.name in _NUMBERS_AS_NAMES else exact_text(told.value)


def _listing(listing: Listing) -> Block:
    caption, shown = LISTINGS[listing.name]
    if not listing.rows:
        text = listing.none[:1].upper() + listing.none[1:]
        return Paragraph(f"{caption}: {listing.none}." if not text.endswith(".") else text)
    columns = tuple(Column(one.title, "right" if one.right else "left", one.share) for one in shown)
    rows = tuple(_row(row, shown) for row in listing.rows)
    behind = {row.entries for row in listing.rows}
    if len(behind) == 1 and len(rows) > 1:  # said once
        return Table(f"{caption} ({_entries(behind.pop(), 'entry ', 'entries ')})", columns, rows)
    columns = (*columns, Column("Entry", "right", share=1))
    cells = tuple((*row, _entries(one.entries)) for row, one in zip(rows, listing.rows, strict=True))
    return Table(caption, columns, cells)


def _row(row: Row, shown: Sequence[Shown]) -> tuple[Cell, ...]:
    return tuple(one.form(row.values.get(one.key) if one.key else row.values) for one in shown)


def _entries(entries: Sequence[int], one: str = "", several: str = "") -> str:
    return (one if len(entries) == 1 else several) + ", ".join(map(str, sorted(entries)))


__all__ = ["fda_audit_document"]
