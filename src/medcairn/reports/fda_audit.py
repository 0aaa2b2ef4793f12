"""The audit report of a model version as a document: its record's sections as tables, in a reader's words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from medcairn.audit.record import Told
from medcairn.core.canonical import JSON
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
    Status,
    Table,
    Tone,
    Verdict,
)
from medcairn.reports.fda_audit_record import AuditSection, FdaAudit, Listing, Row
from medcairn.reports.fda_audit_words import cell_text, exact_text, name_text, words_text

_READING = (
    "Each statement stands in an entry of the study's audit ledger, whose number is in the column Entry or "
    "above the table. What no entry holds is told as unknown, with the reason. Digests are shortened to 16 "
    "digits; fda-audit.json has them whole."
)
_SYNTHETIC = "Trained and assessed on synthetic subjects only."


@dataclass(frozen=True)
class _Shown:
    """How a column of a listing is shown: its key, title, share of the width, and the form of its cells.

    Without a key the form is given the whole row.
    """

    key: str
    title: str
    share: float
    right: bool = False
    form: Callable[[JSON], Cell] = cell_text


def _outcome(good: str, bad: str) -> Callable[[JSON], Cell]:
    return lambda value: Status(good, Tone.GOOD) if value is True else Status(bad, Tone.BAD)


def _verdict(value: JSON) -> Cell:
    return Status("passed", Tone.GOOD) if value == "passed" else Status(cell_text(value), Tone.BAD)


def _seal(value: JSON) -> Cell:
    return Status("holds", Tone.GOOD) if value == "holds" else Status(cell_text(value), Tone.BAD)


def _withheld(value: JSON) -> Cell:
    return "withheld" if value is None else cell_text(value)


def _from(value: JSON) -> Cell:
    return "(none)" if value is None else cell_text(value)


def _reason(values: JSON) -> Cell:
    """The reason as it was typed; of a move beside another's also which one that was."""
    assert isinstance(values, Mapping)
    other, reason = values.get("beside_version"), values.get("reason")
    return cell_text(reason) if other is None else f"With version {other}: {cell_text(reason)}"


_LISTINGS: Mapping[str, tuple[str, tuple[_Shown, ...]]] = {
    "versions": (
        "Versions up to this one, and where each stood at the last entry about this one",
        (
            _Shown("version", "Version", 1.2),
            _Shown("trained_at", "Trained (UTC)", 3),
            _Shown("algorithm", "Algorithm", 3, form=words_text),
            _Shown("model_digest", "Model digest", 3),
            _Shown("state", "State", 2),
        ),
    ),
    "hyperparameters": (
        "Hyperparameters",
        (_Shown("name", "Name", 4), _Shown("value", "Value", 3, right=True, form=exact_text)),
    ),
    "candidates": (
        "Algorithms compared by cross-validation on the training subjects: means over the folds",
        (
            _Shown("algorithm", "Algorithm", 4, form=words_text),
            _Shown("auroc", "AUROC", 2, right=True),
            _Shown("auprc", "AUPRC", 2, right=True),
            _Shown("brier", "Brier score", 2, right=True),
        ),
    ),
    "resources": (
        "Resources by type",
        (
            _Shown("resource_type", "FHIR resource type", 4),
            _Shown("exported", "Exported", 2, right=True),
            _Shown("deidentified", "After de-identification", 3, right=True),
        ),
    ),
    "splits": (
        "How subjects were divided; a subject is in one split only",
        (
            _Shown("split", "Split", 4, form=words_text),
            _Shown("subjects", "Subjects", 2, right=True),
            _Shown("rows", "Rows", 2, right=True),
            _Shown("positives", "With the outcome", 3, right=True),
        ),
    ),
    "metrics": (
        "Performance on held-out subjects, with 95% intervals",
        (
            _Shown("metric", "Metric", 3, form=lambda value: name_text(str(value))),
            _Shown("estimate", "Estimate (95% interval)", 4),
            _Shown("method", "How the interval was made", 5),
        ),
    ),
    "subgroups": (
        "Discrimination by subgroup; small groups are withheld",
        (
            _Shown("attribute", "Attribute", 2, form=lambda value: name_text(str(value))),
            _Shown("group", "Group", 4),
            _Shown("rows", "Rows", 1.5, right=True, form=_withheld),
            _Shown("positives", "Positives", 1.6, right=True, form=_withheld),
            _Shown("auroc", "AUROC (95% interval)", 4),
        ),
    ),
    "criteria": (
        "Acceptance criteria, each with its outcome",
        (
            _Shown("criterion", "Criterion", 3, form=lambda value: name_text(str(value))),
            _Shown("rule", "What was asked", 4),
            _Shown("observed", "Observed", 3.4),
            _Shown("met", "Outcome", 1.6, form=_outcome("met", "not met")),
        ),
    ),
    "executions": (
        "Every validation of this study up to the last entry about this version: held-out subjects tell less "
        "each time they are looked at",
        (
            _Shown("validated_at", "When (UTC)", 3),
            _Shown("version", "Version", 1.3),
            _Shown("dataset_digest", "Data set", 2.7),
            _Shown("criteria_digest", "Criteria", 2.7),
            _Shown("verdict", "Verdict", 1.6, form=_verdict),
        ),
    ),
    "transitions": (
        "Moves between states, by the ledger's clock",
        (
            _Shown("at", "When (UTC)", 2.5),
            _Shown("previous", "From", 1.8, form=_from),
            _Shown("state", "To", 1.8),
            _Shown("who", "Who", 2.2),
            _Shown("authority", "Authority", 2, form=words_text),
            _Shown("", "Reason", 3.2, form=_reason),
        ),
    ),
    "clauses": (
        "The change from the baseline, clause by clause",
        (
            _Shown("clause", "Clause", 2.4, form=lambda value: name_text(str(value))),
            _Shown("allows", "The plan allows", 3),
            _Shown("baseline", "Baseline", 2.9),
            _Shown("candidate", "This version", 2.9),
            _Shown("inside", "Outcome", 1.5, form=_outcome("inside", "outside")),
        ),
    ),
    "signatures": (
        "E-signatures: who signed what, when, and what it meant",
        (
            _Shown("printed_name", "Printed name", 2.4),
            _Shown("signer", "Account", 1.7),
            _Shown("signed_at", "Signed (UTC)", 2.2),
            _Shown("meaning", "Meaning", 1.9),
            _Shown("of", "Of the", 1.9),
            _Shown("record", "Record", 2.7),
            _Shown("seal", "Seal", 1.3, form=_seal),
        ),
    ),
    "refusals": (
        "What was refused",
        (
            _Shown("at", "When (UTC)", 3),
            _Shown("who", "Who", 2.5),
            _Shown("refused", "What", 3),
            _Shown("why", "Why", 4, form=words_text),
        ),
    ),
    "uses": (
        "Deployments and monitoring",
        (_Shown("at", "When (UTC)", 3), _Shown("what", "What", 3), _Shown("outcome", "Outcome", 4)),
    ),
    "findings": (
        "Findings: what is not as it was recorded",
        (_Shown("what", "What", 6), _Shown("where", "Where", 3), _Shown("attack", "Named", 2)),
    ),
}
"""Each listing's caption and columns; the column Entry comes last by itself."""

_HEADINGS = {
    "identification": ("Identification and intended use", "What the model is"),
    "algorithm": ("Algorithm", "What was fitted, and what runs"),
    "training_data": ("Training data", "Where the data came from, and what was done to them"),
    "performance": ("Performance", "What was assessed, and at which operating point"),
    "validation_method": ("Validation method", "By which rules, and when they were fixed"),
    "version_history": ("Version history", ""),
    "change_control": ("Change control", "The predetermined change control plan"),
    "approvals": ("Approvals and refusals", ""),
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
    caption, shown = _LISTINGS[listing.name]
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


def _row(row: Row, shown: Sequence[_Shown]) -> tuple[Cell, ...]:
    return tuple(one.form(row.values.get(one.key) if one.key else row.values) for one in shown)


def _entries(entries: Sequence[int], one: str = "", several: str = "") -> str:
    return (one if len(entries) == 1 else several) + ", ".join(map(str, sorted(entries)))


__all__ = ["fda_audit_document"]
