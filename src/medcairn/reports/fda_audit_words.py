"""The words of the audit report: names of statements, and values as a reader sees them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from medcairn.core.canonical import JSON

_DIGEST = re.compile(r"sha256:([0-9a-f]{16})[0-9a-f]{48}\Z")
_KEY = re.compile(r"([0-9a-f]{16})[0-9a-f]{48}\Z")
_INSTANT = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)\.\d{6}Z\Z")
_WORDS = {
    "auroc": "AUROC",
    "auprc": "AUPRC",
    "brier": "Brier score",
    "brier_skill": "Brier skill",
    "ppv": "PPV",
    "npv": "NPV",
    "sex": "Sex",
    "mlflow_run": "MLflow run",
    "subgroup_auroc_gap": "Largest subgroup gap in AUROC",
    "cross_validation_auroc": "Cross-validated AUROC",
    "cross_validation_folds": "Cross-validation folds",
    "silver_digest": "Tables' digest (silver)",
    "dataset_digest": "Data set digest (gold)",
    "deidentification_mode": "De-identification",
    "deidentification_policy": "De-identification policy",
    "deidentification_policy_digest": "Its digest",
    "subjects_deidentified": "Subjects after it",
    "resources_deidentified": "Resources after it",
    "resources_quarantined": "Resources quarantined",
    "leak_scan_bytes": "Leak scan: bytes searched",
    "leak_scan_hits": "Leak scan: hits",
    "data_as_of": "Ages as of",
    "served_as": "Portable form",
    "parity_rows": "Parity gate: rows compared",
    "parity_difference": "Parity gate: largest difference",
    "held_out_rows": "Held-out rows",
    "held_out_subjects": "Held-out subjects",
    "held_out_positives": "Held-out positives",
    "threshold_fixed_before": "Threshold fixed before",
}


def name_text(name: str) -> str:
    """``criteria_pinned_at`` as ``Criteria pinned at``; a clause ``performance.auroc`` as its parts."""
    if "." in name:
        first, _, rest = name.partition(".")
        return f"{name_text(first)}: {name_text(rest)}"
    words = name.replace("_", " ")
    return _WORDS.get(name, words[:1].upper() + words[1:])


def cell_text(value: JSON) -> str:
    """A value in a cell: digests shortened, instants to the second, estimates with their interval."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, Mapping):
        return _mapping(value)
    return ", ".join(cell_text(item) for item in value) if isinstance(value, Sequence) else ""


def exact_text(value: JSON) -> str:
    """A value as it stands in the ledger: a setting, a limit."""
    return f"{value:g}".replace("-", "−") if isinstance(value, float) else cell_text(value)


def words_text(value: JSON) -> str:
    """A label of ours as words: ``gradient_boosting`` as ``gradient boosting``."""
    return value.replace("_", " ") if isinstance(value, str) else cell_text(value)


def _number(value: float) -> str:
    text = f"{value:.3f}" if 0.001 <= abs(value) < 1000 or value == 0 else f"{value:.3g}"
    return text.replace("-", "−")


def _text(value: str) -> str:
    for pattern in (_DIGEST, _KEY):
        if match := pattern.match(value):
            return match[1]
    if match := _INSTANT.match(value):
        return f"{match[1]} {match[2]}"
    return value


def _mapping(value: Mapping[str, JSON]) -> str:
    if "unavailable" in value:
        return f"not computed: {value['unavailable']}"
    if {"value", "low", "high"} <= value.keys():
        if value["low"] == value["high"]:
            whole = value["value"]
            return f"{whole:,.0f}" if isinstance(whole, int | float) else cell_text(whole)
        low, high = cell_text(_as_float(value["low"])), cell_text(_as_float(value["high"]))
        return f"{cell_text(_as_float(value['value']))} ({low} to {high})"
    return "; ".join(f"{name} {exact_text(item)}" for name, item in value.items())


def _as_float(value: JSON) -> JSON:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


__all__ = ["cell_text", "exact_text", "name_text", "words_text"]
