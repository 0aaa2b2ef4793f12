"""A prediction as it is recorded: the inputs, the answer, and which package gave it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import msgspec
import numpy as np
from numpy.typing import NDArray

from medcairn.core.clock import instant
from medcairn.core.digests import Digest, digest_bytes
from medcairn.core.labels import Label
from medcairn.serving.requests import Purpose


@dataclass(frozen=True)
class Prediction:
    """One answer of the service.

    ``prediction_time`` is the instant that features were computed for, or None when the client sent the
    features. ``features`` are in the order of the model; None is missing.
    """

    id: Label
    predicted_at: datetime
    prediction_time: datetime | None
    purpose: Purpose
    model_name: Label
    model_version: Label
    package_digest: Digest
    features: Mapping[str, float | None]
    inputs_digest: Digest
    probability: float

    @property
    def missing_features(self) -> int:
        """How many features were missing."""
        return sum(value is None for value in self.features.values())

    def as_record(self) -> bytes:
        """The JSON bytes that are stored; their digest is what the ledger holds."""
        return msgspec.json.encode(
            {
                "prediction_id": str(self.id),
                "predicted_at": instant(self.predicted_at),
                "prediction_time": instant(self.prediction_time) if self.prediction_time else None,
                "purpose": self.purpose.value,
                "model": {"name": str(self.model_name), "version": str(self.model_version)},
                "package_digest": str(self.package_digest),
                "features": dict(self.features),
                "inputs_digest": str(self.inputs_digest),
                "probability": self.probability,
            }
        )


def record_digest(record: bytes) -> Digest:
    """The digest of a stored record."""
    return digest_bytes(record)


def inputs_digest(row: NDArray[np.float64]) -> Digest:
    """The digest of a row as anyone can recompute it.

    SHA-256 over the features in the order of the feature spec, each as eight bytes, IEEE 754 binary64,
    little-endian; missing is the quiet NaN 0x7ff8000000000000, and -0.0 counts as 0.0.
    """
    plain = np.where(np.isnan(row), np.nan, row + 0.0)
    return Digest("sha256:" + hashlib.sha256(plain.astype("<f8").tobytes()).hexdigest())


__all__ = ["Prediction", "inputs_digest", "record_digest"]
