"""The held-back subjects as traffic: what the model never saw, sent to the running service."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import httpx
import pyarrow.compute as pc
import pyarrow.parquet as pq

from medcairn.core.canonical import JSON
from medcairn.core.clock import instant
from medcairn.core.errors import ExternalError
from medcairn.core.progress import Progress

_TIMEOUT_SECONDS = 30.0
_OWNER = re.compile(rb'"(?:subject|patient)":\{"reference":"Patient/([0-9a-f]+)"')
_PATIENT = re.compile(rb'"id":"([0-9a-f]+)"')


Row: TypeAlias = Mapping[str, Any]
"""A row of the gold table: ``subject_id``, ``prediction_time``, and the features by name."""


@dataclass
class TrafficReport:
    """What was sent and how it went. ``largest_difference`` compares each FHIR Bundle's probability with
    that of the same row of the gold table; latencies are in milliseconds."""

    vectors_ms: list[float] = field(default_factory=list)
    bundles_ms: list[float] = field(default_factory=list)
    largest_difference: float = 0.0
    prediction_ids: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, JSON]:
        return {
            "vectors": _latency(self.vectors_ms),
            "bundles": _latency(self.bundles_ms),
            "largest_difference": self.largest_difference,
        }


def percentile(latencies: Sequence[float], share: float) -> float:
    """The latency below which ``share`` of the requests stayed, by nearest rank; 0 without requests."""
    ordered = sorted(latencies)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else 0.0


def _latency(latencies: Sequence[float]) -> dict[str, JSON]:
    return {
        "requests": len(latencies),
        "p50_ms": percentile(latencies, 0.5),
        "p99_ms": percentile(latencies, 0.99),
    }


def send_held_out(
    base_url: str, gold: Path, deidentified: Path, *, bundles: int, progress: Progress
) -> TrafficReport:
    """Send every held-out row as a feature vector, and the first ``bundles`` subjects' whole records as
    FHIR Bundles too. The records hold what happened after the prediction time: the service must not see it.

    Raises :class:`ExternalError` when the service does not answer as it should.
    """
    rows = _held_out(gold)
    chosen = _first_of_each_subject(rows)[:bundles]
    records = _records(deidentified, {str(row["subject_id"]) for row in chosen})
    report = TrafficReport()
    progress.begin("Sending the held-out subjects to the service", len(rows) + len(chosen), "predictions")
    known: dict[tuple[str, str], float] = {}
    with httpx.Client(base_url=base_url, timeout=_TIMEOUT_SECONDS) as client:
        for row in rows:
            probability = _predict(client, {"features": _features(row)}, report, report.vectors_ms)
            known[str(row["subject_id"]), instant(row["prediction_time"])] = probability
            progress.advance(1)
        for row in chosen:
            moment = instant(row["prediction_time"])
            bundle = {
                "resourceType": "Bundle",
                "type": "collection",
                "entry": records[str(row["subject_id"])],
            }
            body = {"bundle": bundle, "prediction_time": moment}
            probability = _predict(client, body, report, report.bundles_ms)
            difference = abs(probability - known[str(row["subject_id"]), moment])
            report.largest_difference = max(report.largest_difference, difference)
            progress.advance(1)
    return report


def _held_out(gold: Path) -> list[Row]:
    table = pq.read_table(gold / "features.parquet")
    held_out = table.filter(pc.equal(table["split"], "held_out")).drop_columns(["boolean_value", "split"])
    rows: list[Row] = held_out.to_pylist()
    return rows


def _first_of_each_subject(rows: Sequence[Row]) -> list[Row]:
    first: dict[str, Row] = {}
    for row in rows:
        first.setdefault(str(row["subject_id"]), row)
    return list(first.values())


def _features(row: Row) -> dict[str, float | None]:
    features: dict[str, float | None] = {}
    for name, value in row.items():
        if name not in ("subject_id", "prediction_time"):
            features[name] = None if value is None or math.isnan(value) else value
    return features


def _records(deidentified: Path, subjects: set[str]) -> dict[str, list[dict[str, JSON]]]:
    """The de-identified resources of ``subjects`` as Bundle entries, by subject."""
    entries: dict[str, list[dict[str, JSON]]] = {subject: [] for subject in subjects}
    for subject, line in _owned_lines(deidentified):
        if subject in entries:
            entries[subject].append({"resource": json.loads(line)})
    return entries


def _owned_lines(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.glob("*.ndjson")):
        owner = _PATIENT if path.name.startswith("Patient.") else _OWNER
        with path.open("rb") as stream:
            for line in stream:
                if match := owner.search(line):
                    yield match[1].decode(), line


def _predict(
    client: httpx.Client, body: Mapping[str, object], report: TrafficReport, latencies: list[float]
) -> float:
    began = time.perf_counter()
    answer: httpx.Response | None = None
    try:
        answer = client.post("/predict", json=body)
    except httpx.HTTPError:
        answer = None
    if answer is None or answer.status_code != httpx.codes.OK:
        status = 0 if answer is None else answer.status_code
        raise ExternalError("The service did not answer a prediction", hint="See its log", status=status)
    latencies.append(1000 * (time.perf_counter() - began))
    prediction = answer.json()
    report.prediction_ids.append(str(prediction["prediction_id"]))
    return float(prediction["probability"])


__all__ = ["TrafficReport", "percentile", "send_held_out"]
