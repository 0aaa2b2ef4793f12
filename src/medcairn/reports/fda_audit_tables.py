"""The tables of the audit report, as data: for each listing its caption and columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from medcairn.core.canonical import JSON
from medcairn.reports.document import Cell, Status, Tone
from medcairn.reports.fda_audit_words import cell_text, exact_text, name_text, words_text


@dataclass(frozen=True)
class Shown:
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
    return Status("holds", Tone.GOOD) if value == "holds" else Status("broken", Tone.BAD)


def _withheld(value: JSON) -> Cell:
    return "withheld" if value is None else cell_text(value)


def _from(value: JSON) -> Cell:
    return "(none)" if value is None else cell_text(value)


def _reason(values: JSON) -> Cell:
    """The reason as it was typed; of a move beside another's also which one that was."""
    assert isinstance(values, Mapping)
    other, reason = values.get("beside_version"), values.get("reason")
    return cell_text(reason) if other is None else f"With version {other}: {cell_text(reason)}"


LISTINGS: Mapping[str, tuple[str, tuple[Shown, ...]]] = {
    "versions": (
        "Versions up to this one, and where each stood at the last entry about this one",
        (
            Shown("version", "Version", 1.2),
            Shown("trained_at", "Trained (UTC)", 3),
            Shown("algorithm", "Algorithm", 3, form=words_text),
            Shown("model_digest", "Model digest", 3),
            Shown("state", "State", 2),
        ),
    ),
    "hyperparameters": (
        "Hyperparameters",
        (Shown("name", "Name", 4), Shown("value", "Value", 3, right=True, form=exact_text)),
    ),
    "candidates": (
        "Algorithms compared by cross-validation on the training subjects: means over the folds",
        (
            Shown("algorithm", "Algorithm", 4, form=words_text),
            Shown("auroc", "AUROC", 2, right=True),
            Shown("auprc", "AUPRC", 2, right=True),
            Shown("brier", "Brier score", 2, right=True),
        ),
    ),
    "resources": (
        "Resources by type",
        (
            Shown("resource_type", "FHIR resource type", 4),
            Shown("exported", "Exported", 2, right=True),
            Shown("deidentified", "After de-identification", 3, right=True),
        ),
    ),
    "splits": (
        "How subjects were divided; a subject is in one split only",
        (
            Shown("split", "Split", 4, form=words_text),
            Shown("subjects", "Subjects", 2, right=True),
            Shown("rows", "Rows", 2, right=True),
            Shown("positives", "With the outcome", 3, right=True),
        ),
    ),
    "metrics": (
        "Performance on held-out subjects, with 95% intervals",
        (
            Shown("metric", "Metric", 3, form=lambda value: name_text(str(value))),
            Shown("estimate", "Estimate (95% interval)", 4),
            Shown("method", "How the interval was made", 5),
        ),
    ),
    "subgroups": (
        "Discrimination by subgroup; small groups are withheld",
        (
            Shown("attribute", "Attribute", 2, form=lambda value: name_text(str(value))),
            Shown("group", "Group", 4),
            Shown("rows", "Rows", 1.5, right=True, form=_withheld),
            Shown("positives", "Positives", 1.6, right=True, form=_withheld),
            Shown("auroc", "AUROC (95% interval)", 4),
        ),
    ),
    "criteria": (
        "Acceptance criteria, each with its outcome",
        (
            Shown("criterion", "Criterion", 3, form=lambda value: name_text(str(value))),
            Shown("rule", "What was asked", 4),
            Shown("observed", "Observed", 3.4),
            Shown("met", "Outcome", 1.6, form=_outcome("met", "not met")),
        ),
    ),
    "executions": (
        "Every validation of this study up to the last entry about this version: held-out subjects tell less "
        "each time they are looked at",
        (
            Shown("validated_at", "When (UTC)", 3),
            Shown("version", "Version", 1.3),
            Shown("dataset_digest", "Data set", 2.7),
            Shown("criteria_digest", "Criteria", 2.7),
            Shown("verdict", "Verdict", 1.6, form=_verdict),
        ),
    ),
    "transitions": (
        "Moves between states, by the ledger's clock",
        (
            Shown("at", "When (UTC)", 2.5),
            Shown("previous", "From", 1.8, form=_from),
            Shown("state", "To", 1.8),
            Shown("who", "Who", 2.2),
            Shown("authority", "Authority", 2, form=words_text),
            Shown("", "Reason", 3.2, form=_reason),
        ),
    ),
    "clauses": (
        "The change from the baseline, clause by clause",
        (
            Shown("clause", "Clause", 2.4, form=lambda value: name_text(str(value))),
            Shown("allows", "The plan allows", 3),
            Shown("baseline", "Baseline", 2.9),
            Shown("candidate", "This version", 2.9),
            Shown("inside", "Outcome", 1.5, form=_outcome("inside", "outside")),
        ),
    ),
    "signatures": (
        "E-signatures: who signed what, when, and what it meant",
        (
            Shown("printed_name", "Printed name", 2.4),
            Shown("signer", "Account", 1.7),
            Shown("signed_at", "Signed (UTC)", 2.2),
            Shown("meaning", "Meaning", 1.9),
            Shown("of", "Of the", 1.9),
            Shown("record", "Record", 2.7),
            Shown("seal", "Seal", 1.3, form=_seal),
        ),
    ),
    "refusals": (
        "What was refused",
        (
            Shown("at", "When (UTC)", 3),
            Shown("who", "Who", 2.5),
            Shown("refused", "What", 3),
            Shown("why", "Why", 4, form=words_text),
        ),
    ),
    "uses": (
        "Deployments and monitoring",
        (Shown("at", "When (UTC)", 3), Shown("what", "What", 3), Shown("outcome", "Outcome", 4)),
    ),
    "findings": (
        "Findings: what is not as it was recorded",
        (Shown("what", "What", 6), Shown("where", "Where", 3), Shown("attack", "Named", 2)),
    ),
}
"""Each listing's caption and columns; the column Entry comes last by itself."""

__all__ = ["LISTINGS", "Shown"]
