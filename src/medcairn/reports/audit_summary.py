"""The summary of an audit package: what the ledger holds, who signed, and how it was checked."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from medcairn.audit.export.summary import AuditSummary, Noted
from medcairn.core.digests import Digest
from medcairn.reports.about import ReportAbout
from medcairn.reports.document import (
    Block,
    Bullets,
    Column,
    Document,
    Figure,
    Paragraph,
    Section,
    Table,
    Tone,
    Verdict,
)

_PURPOSE = "A summary of the audit trail, for those who check it. The entries themselves are the record."
_LIMITS = (
    "A tail of entries cut off after the last checkpoint that anybody holds cannot be seen. Keep copies of "
    "the checkpoints elsewhere.",
    "Someone who has the seal key, the database and every copy of the checkpoints can write another history.",
    "The ledger says what was recorded, not that it was right.",
)
_MOST_ROWS = 60
_PAGE_SHAPE = 1.24
"""How high a figure may be to stand on one A4 page with its heading, as a multiple of the text's width."""
_FULL_WIDTH = 900
"""A picture this wide, in pixels, takes the whole width; a narrower one less, so that letters stay small."""


@dataclass(frozen=True)
class _About(ReportAbout):
    """The head of a summary: the ledger instead of a model."""

    ledger: tuple[tuple[str, str], ...] = ()
    root: tuple[tuple[str, Digest], ...] = ()

    @property
    def facts(self) -> tuple[tuple[str, str], ...]:
        return self.ledger

    @property
    def digests(self) -> tuple[tuple[str, Digest], ...]:
        return self.root


@dataclass(frozen=True)
class Checked:
    """How the ledger was verified.

    ``findings`` in constant words, ``checkpoints`` how many were looked at, ``root_hash`` (hex) that of the
    tree as it was recomputed.
    """

    findings: tuple[str, ...]
    checkpoints: int
    root_hash: str


def audit_document(summary: AuditSummary, checked: Checked, *, trail_svg: str | None = None) -> Document:
    """The document of ``summary``. ``trail_svg`` is the picture of the latest package's trail.

    The same ledger gives the same document: it is dated by the last entry.
    """
    sections = (
        Section("What the ledger holds", _held(summary)),
        Section("E-signatures", _signatures(summary)),
        Section("Model states", _noted(summary.transitions, "Moves between states", "No model moved.")),
        Section(
            "Refusals and failures",
            _noted(summary.refusals, "What was refused or failed", "There were none."),
        ),
        Section("Artifacts", _artifacts(summary)),
        Section("How to check this", _check(checked)),
        *([Section("The trail of the latest package", (_figure(trail_svg),))] if trail_svg else []),
    )
    return Document("Audit trail summary", _about(summary), _verdict(summary, checked), sections)


def _figure(svg: str) -> Figure:
    """The picture as large as a page holds with its heading and caption."""
    size = re.match(r'<svg [^>]*width="(\d+)" height="(\d+)"', svg)
    assert size is not None  # as trail_picture writes it
    width, height = int(size[1]), int(size[2])
    share = min(1.0, width / _FULL_WIDTH, _PAGE_SHAPE * width / height)
    alt = "A graph of the entries that the latest package was made from and that were made from it."
    return Figure(svg, "Sources stand above what was made of them.", alt, width=share)


def _about(summary: AuditSummary) -> ReportAbout:
    return _About(
        study=summary.origin,
        purpose=_PURPOSE,
        model_name=None,
        model_version=None,
        algorithm=None,
        created_at=summary.last_recorded_at,
        ledger=(
            ("Ledger", summary.origin),
            ("Entries", f"{summary.tree_size:,}"),
            ("First entry", _second(summary.first_recorded_at)),
            ("Last entry", _second(summary.last_recorded_at)),
            ("Public key", f"{summary.public_key[:32]} {summary.public_key[32:]}"),
        ),
        root=(("Root hash", Digest(f"sha256:{summary.root_hash}")),),
    )


def _verdict(summary: AuditSummary, checked: Checked) -> Verdict:
    looked = f"{summary.tree_size:,} entries and {checked.checkpoints} checkpoints were checked"
    if checked.findings:
        return Verdict("changed", Tone.BAD, f"{looked}; {len(checked.findings)} findings are listed below.")
    return Verdict("no change found", Tone.GOOD, f"{looked} when this summary was written.")


def _held(summary: AuditSummary) -> tuple[Block, ...]:
    return (
        _counts("Entries by type", "Type", summary.by_type),
        _counts("Entries by who acted", "Actor", summary.by_actor),
    )


def _counts(caption: str, title: str, counts: Mapping[str, int]) -> Table:
    rows = tuple((name, f"{count:,}") for name, count in counts.items())
    return Table(caption, (Column(title, share=3), Column("Entries", "right", share=1)), rows)


def _artifacts(summary: AuditSummary) -> tuple[Block, ...]:
    if not summary.artifacts:
        return (Paragraph("No artifact was made yet."),)
    columns = (
        Column("Artifact", share=2),
        Column("Zone", share=2),
        Column("Entry", "right", share=1),
        Column("Identity (SHA-256, first 24 digits)", share=4),
        Column("Seal", share=4),
    )
    rows = tuple(
        (
            noted.ref.name,
            noted.ref.zone.value,
            str(noted.entry),
            noted.ref.digest.hex[:24],
            noted.ref.seal.hex[:24],
        )
        for noted in summary.artifacts
    )
    caption = "The latest artifact of each path; summary.json has the whole digests."
    return (Table(caption, columns, rows),)


def _signatures(summary: AuditSummary) -> tuple[Block, ...]:
    if not summary.signatures:
        return (Paragraph("Nobody signed yet."),)
    columns = (
        Column("Printed name", share=4),
        Column("Signed at (UTC)", share=3),
        Column("Meaning", share=2),
        Column("Record", share=2),
        Column("Entry", "right", share=1),
    )
    rows = tuple(
        (
            noted.signed.printed_name,
            _second(noted.signed.signed_at),
            noted.signed.meaning,
            Digest(noted.signed.record).short,
            str(noted.entry),
        )
        for noted in summary.signatures[-_MOST_ROWS:]
    )
    return (Table(_caption("Signatures", len(summary.signatures)), columns, rows),)


def _noted(noted: Sequence[Noted], caption: str, none: str) -> tuple[Block, ...]:
    if not noted:
        return (Paragraph(none),)
    columns = (
        Column("When (UTC)", share=3),
        Column("What", share=6),
        Column("Who", share=3),
        Column("Entry", "right", share=1),
    )
    rows = tuple(
        (_second(one.recorded_at), one.what, one.actor, str(one.entry)) for one in noted[-_MOST_ROWS:]
    )
    return (Table(_caption(caption, len(noted)), columns, rows),)


def _caption(caption: str, count: int) -> str:
    return caption if count <= _MOST_ROWS else f"{caption}: the last {_MOST_ROWS} of {count:,}"


def _check(checked: Checked) -> tuple[Block, ...]:
    how = Paragraph(
        "To check it run: python verify_audit.py . in this folder. It needs Python and the package "
        "cryptography, and nothing of medcairn. Compare the public key above with the one that you know "
        "from elsewhere."
    )
    found: tuple[Block, ...] = (Bullets(checked.findings),) if checked.findings else ()
    return (how, *found, Paragraph("What no check can see:"), Bullets(_LIMITS))


def _second(instant: str) -> str:
    return instant[:19].replace("T", " ")


__all__ = ["Checked", "audit_document"]
