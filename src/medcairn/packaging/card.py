"""The model card: what the model is for, what it was made from, how good it is and where it ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from medcairn.access import ESignature
from medcairn.core.canonical import JSON
from medcairn.core.clock import instant
from medcairn.core.labels import Label
from medcairn.packaging.evidence import Evidence
from medcairn.reports import (
    Bullets,
    Column,
    Document,
    Paragraph,
    ReportAbout,
    Section,
    Status,
    Table,
    Tone,
    Verdict,
)

_SYNTHETIC = (
    "Every subject behind this model is synthetic. Its numbers say how the software behaves and nothing "
    "about care; the model must not be used for a patient."
)
_ALWAYS = (
    "The performance below is that of one held-out set. Another hospital, time or population can differ; "
    "assess the model there before use.",
    "The probability supports a clinician's judgement and does not replace it.",
    "A feature that is missing is scored as missing. Many missing features make an answer less certain; "
    "each answer says how many were missing.",
)


@dataclass(frozen=True)
class ModelAbout:
    """What people say about the model. ``synthetic``: it was trained on synthetic subjects only."""

    study: str
    purpose: str
    author: Label
    synthetic: bool = False
    limitations: tuple[str, ...] = ()


@dataclass(frozen=True)
class Card:
    """Everything the card says, in the order in which it says it."""

    name: Label
    version: Label
    created_at: str
    about: ModelAbout
    evidence: Evidence
    signatures: tuple[ESignature, ...]

    @property
    def limitations(self) -> tuple[str, ...]:
        """What a reader must know first, the most important first."""
        return (*((_SYNTHETIC,) if self.about.synthetic else ()), *self.about.limitations, *_ALWAYS)

    def as_json(self) -> dict[str, JSON]:
        """The card for machines (``model-card.json``)."""
        evidence = self.evidence
        return {
            "name": self.name,
            "version": self.version,
            "created_at": self.created_at,
            "study": self.about.study,
            "intended_use": self.about.purpose,
            "author": self.about.author,
            "synthetic_data": self.about.synthetic,
            "limitations": list(self.limitations),
            "model": {
                key: evidence.model.get(key)
                for key in ("algorithm", "form", "seed", "parameters", "parity", "versions")
            },
            "task": evidence.spec.get("task"),
            "feature_set": evidence.spec.get("feature_set"),
            "features": list(evidence.feature_names),
            "data": {"splits": [split.as_json() for split in evidence.splits], "flow": evidence.flow},
            "validation": dict(evidence.report),
            "approvals": [signature.as_json() for signature in self.signatures],
        }

    def document(self) -> Document:
        """The card for people."""
        evidence = self.evidence
        passed = evidence.validation_passed
        return Document(
            title=f"Model card: {self.name}",
            about=ReportAbout(
                study=self.about.study,
                purpose=self.about.purpose,
                model_name=self.name,
                model_version=self.version,
                algorithm=str(evidence.model.get("algorithm", "not stated")),
                created_at=self.created_at,
                notes=(_SYNTHETIC,) if self.about.synthetic else (),
            ),
            verdict=Verdict(
                "Criteria met" if passed else "Criteria not met",
                Tone.GOOD if passed else Tone.BAD,
                "Every acceptance criterion was met on the held-out subjects."
                if passed
                else "At least one acceptance criterion was not met on the held-out subjects.",
            ),
            sections=(
                Section("Intended use", (Paragraph(self.about.purpose or "Not stated."),)),
                Section("Limitations", (Bullets(self.limitations),)),
                Section("Data", _data(evidence)),
                Section("Performance on held-out subjects", _performance(evidence.validation)),
                Section("Acceptance criteria", _criteria(evidence.validation)),
                Section("Performance by group", _groups(evidence.validation)),
                Section("Model", _model(evidence)),
                Section("Approvals", _approvals(self.signatures)),
            ),
        )


def _data(evidence: Evidence) -> tuple[Table, ...]:
    rows = tuple(
        (split.split, _count(split.subjects), _count(split.rows), _count(split.positives))
        for split in evidence.splits
    )
    columns = (
        Column("Split"),
        Column("Subjects", "right"),
        Column("Index dates", "right"),
        Column("With the outcome", "right"),
    )
    return (Table("Subjects by split; a subject is in one split only.", columns, rows),)


def _performance(report: Mapping[str, Any]) -> tuple[Table | Paragraph, ...]:
    metrics = report.get("metrics")
    if not isinstance(metrics, Mapping) or not metrics:
        return (Paragraph("The validation report holds no metrics."),)
    ordered = sorted(metrics, key=lambda name: name not in ("rows", "positives"))
    rows = tuple((str(name).replace("_", " "), *_measured(metrics[name])) for name in ordered)
    columns = (Column("Metric"), Column("Estimate", "right"), Column("95% interval", "right"))
    return (Table("Performance with 95% confidence intervals.", columns, rows),)


def _criteria(report: Mapping[str, Any]) -> tuple[Table | Paragraph, ...]:
    checks = report.get("checks")
    if not isinstance(checks, Sequence) or not checks:
        return (Paragraph("The validation report holds no criteria."),)
    rows = tuple(
        (
            str(check["rule"]),
            Status("met", Tone.GOOD) if check["passed"] is True else Status("not met", Tone.BAD),
            str(check["reason"]),
        )
        for check in checks
    )
    columns = (Column("Criterion"), Column("Outcome"), Column("Reason"))
    return (Table("Criteria, fixed before the held-out subjects were looked at.", columns, rows),)


def _groups(report: Mapping[str, Any]) -> tuple[Table | Paragraph, ...]:
    groups = report.get("subgroups")
    if not isinstance(groups, Sequence) or not groups:
        return (Paragraph("The validation report holds no subgroups."),)
    rows = tuple(
        (f"{group['attribute']}: {group['group']}", _count(group["rows"]), *_measured(group["auroc"]))
        for group in groups
    )
    columns = (
        Column("Group"),
        Column("Rows", "right"),
        Column("AUROC", "right"),
        Column("95% interval", "right"),
    )
    return (Table("Discrimination by group. Small groups are withheld.", columns, rows),)


def _model(evidence: Evidence) -> tuple[Table | Paragraph, ...]:
    model, feature_set = evidence.model, evidence.spec.get("feature_set", {})
    rows = (
        ("Algorithm", str(model.get("algorithm", "not stated"))),
        ("Form that runs", str(model.get("form", "not stated"))),
        ("Seed", str(model.get("seed", "not stated"))),
        ("Features", str(len(evidence.feature_names))),
        ("Feature set", f"{feature_set.get('name', 'not stated')} {feature_set.get('version', '')}".strip()),
    )
    features = "The model reads: " + ", ".join(evidence.feature_names) + "."
    return (Table("What runs.", (Column("Property"), Column("Value")), rows), Paragraph(features))


def _approvals(signatures: Sequence[ESignature]) -> tuple[Table, ...]:
    rows = tuple((s.printed_name, s.meaning.value, instant(s.signed_at)) for s in signatures)
    columns = (Column("Signed by"), Column("Meaning"), Column("Time (UTC)"))
    return (Table("E-signatures, bound to the digests of model, features and validation.", columns, rows),)


def _measured(value: object) -> tuple[str, str]:
    if isinstance(value, (int, float)):
        return f"{value:,}" if isinstance(value, int) else f"{value:.3f}", ""
    if not isinstance(value, Mapping):
        return "not stated", ""
    if "value" not in value:
        return f"not computed: {value.get('unavailable', 'no reason given')}", ""
    if value.get("method") == "count":
        return f"{value['value']:,.0f}", ""
    return f"{value['value']:.3f}", f"{value['low']:.3f} to {value['high']:.3f}"


def _count(number: int | None) -> str:
    return "withheld" if number is None else f"{number:,}"


__all__ = ["Card", "ModelAbout"]
