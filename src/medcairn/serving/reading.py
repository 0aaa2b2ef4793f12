"""Reading the recorded predictions back, for monitoring and for the audit."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa

from medcairn.core.digests import Digest
from medcairn.core.errors import IntegrityError, UsageError
from medcairn.core.labels import Label
from medcairn.serving.predictions import record_digest
from medcairn.serving.requests import Purpose

_INSTANT = pa.timestamp("us", tz="UTC")


@dataclass(frozen=True)
class RecordedPrediction:
    """A stored record whose bytes still have the digest that was stored, and the ledger holds, for them."""

    id: Label
    digest: Digest
    purpose: Purpose
    predicted_at: datetime
    prediction_time: datetime | None
    package_digest: Digest
    probability: float
    features: Mapping[str, float | None]


def recorded_predictions(path: Path) -> Iterator[RecordedPrediction]:
    """Every prediction in the record at ``path``, in the order of recording.

    Raises :class:`UsageError` when there is no such record, :class:`IntegrityError` that names the
    prediction when a record was changed.
    """
    for prediction_id, record, digest in _rows(path):
        if str(record_digest(record)) != digest:
            raise IntegrityError("A recorded prediction was changed", prediction=Label(prediction_id))
        yield _parsed(prediction_id, record, digest)


def read_predictions(
    path: Path, *, purpose: Purpose = Purpose.CARE, package_digest: Digest | None = None
) -> pa.Table:
    """The predictions as a table: one row each, in the order of recording.

    Columns: ``prediction_id``, ``predicted_at``, ``prediction_time`` (null when the client sent features),
    ``package_digest``, ``probability``, then one float64 column for each feature (missing is null).
    ``package_digest`` keeps one package's only. Raises as :func:`recorded_predictions`.
    """
    kept = [
        prediction
        for prediction in recorded_predictions(path)
        if prediction.purpose is purpose and package_digest in (None, prediction.package_digest)
    ]
    columns: dict[str, pa.Array] = {
        "prediction_id": pa.array([str(p.id) for p in kept], pa.string()),
        "predicted_at": pa.array([p.predicted_at for p in kept], _INSTANT),
        "prediction_time": pa.array([p.prediction_time for p in kept], _INSTANT),
        "package_digest": pa.array([str(p.package_digest) for p in kept], pa.string()),
        "probability": pa.array([p.probability for p in kept], pa.float64()),
    }
    for name in _feature_names(kept):
        columns[name] = pa.array([p.features.get(name) for p in kept], pa.float64())
    return pa.table(columns)


def prediction_digests(path: Path) -> Iterator[tuple[str, Digest]]:
    """For each prediction in the record at ``path`` its id and the digest of its bytes as they are now.

    For the audit, which holds them against the ledger. Raises :class:`UsageError` when there is no such
    record, :class:`IntegrityError` when it is no database of ours.
    """
    for prediction_id, record, _ in _rows(path):
        yield prediction_id, record_digest(record)


def _rows(path: Path) -> Iterator[tuple[str, bytes, str]]:
    if not path.is_file():
        raise UsageError("There is no record of predictions here", file=path)
    broken = False
    try:
        with closing(sqlite3.connect(f"file:{_quoted(path)}?mode=ro", uri=True)) as database:
            yield from database.execute(
                "SELECT prediction_id, record, record_digest FROM prediction ORDER BY rowid"
            )
    except sqlite3.Error:
        broken = True
    if broken:
        raise IntegrityError("The record of predictions cannot be read", file=path)


def _quoted(path: Path) -> str:
    return path.absolute().as_uri().removeprefix("file://")


def _parsed(prediction_id: str, record: bytes, digest: str) -> RecordedPrediction:
    value: dict[str, Any] = msgspec.json.decode(record)
    moment = value["prediction_time"]
    return RecordedPrediction(
        id=Label(prediction_id),
        digest=Digest(digest),
        purpose=Purpose(value["purpose"]),
        predicted_at=datetime.fromisoformat(value["predicted_at"]),
        prediction_time=datetime.fromisoformat(moment) if moment else None,
        package_digest=Digest(value["package_digest"]),
        probability=float(value["probability"]),
        features=value["features"],
    )


def _feature_names(predictions: Sequence[RecordedPrediction]) -> list[str]:
    return list(dict.fromkeys(name for prediction in predictions for name in prediction.features))


__all__ = ["RecordedPrediction", "prediction_digests", "read_predictions", "recorded_predictions"]
