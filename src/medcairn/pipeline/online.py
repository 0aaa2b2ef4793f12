"""Features of one FHIR Bundle, by the code that made the training table: the same views and finisher."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

import pyarrow as pa

from medcairn.core.errors import DataError
from medcairn.features import feature_set_from_spec, features_at
from medcairn.lakehouse import silver_from_resources

_MICROSECONDS_UTC = pa.timestamp("us", tz="UTC")


def bundle_features(
    package: Path,
) -> Callable[[Sequence[bytes], datetime], Mapping[str, float | None]]:
    """A function from one subject's resources and the instant of prediction to the package's features.

    The package is checked already. The function raises :class:`DataError` unless the resources belong to
    exactly one Patient.
    """
    feature_set = feature_set_from_spec(json.loads((package / "feature_spec.json").read_bytes()))

    def compute(resources: Sequence[bytes], prediction_time: datetime) -> Mapping[str, float | None]:
        tables = silver_from_resources(resources)
        subjects = tables["patient"]["subject_id"].to_pylist()
        if len(subjects) != 1:
            raise DataError("A Bundle must hold exactly one Patient", patients=len(subjects))
        index = pa.table(
            {
                "subject_id": pa.array(subjects, pa.string()),
                "prediction_time": pa.array([prediction_time], _MICROSECONDS_UTC),
            }
        )
        row = features_at(tables, index, feature_set).to_pylist()[0]
        return {name: _finite(row[name]) for name in feature_set.names}

    return compute


def _finite(value: object) -> float | None:
    return float(value) if isinstance(value, float) and math.isfinite(value) else None


__all__ = ["bundle_features"]
