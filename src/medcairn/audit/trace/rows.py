"""Asks one table file how much of it is about a subject, and which features it gives the subject."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

Features: TypeAlias = Mapping[str, float | None]

_FEATURES = "features.parquet"
_KEYS = frozenset({"subject_id", "prediction_time", "boolean_value", "split"})
_FHIR = "resource"
"""The column of bronze that keeps a FHIR resource whole."""


@dataclass(frozen=True)
class About:
    """How many rows are about the subject, and by split where the table has splits."""

    rows: int
    splits: Mapping[str, int] = field(default_factory=dict)


def about(path: Path, pseudonym: str) -> About | None:
    """How much of a table is about ``pseudonym``; None for a file that is no table of subjects."""
    if path.suffix == ".ndjson":
        return About(_lines(path, pseudonym))
    if path.suffix == ".parquet":
        return _table_rows(path, pseudonym)
    return None


def _lines(path: Path, pseudonym: str) -> int:
    """Lines that name the subject: its own Patient resource and those that refer to it."""
    own, reference = f'"{pseudonym}"'.encode(), f'/{pseudonym}"'.encode()
    with path.open("rb") as stream:
        return sum(own in line or reference in line for line in stream)


def _table_rows(path: Path, pseudonym: str) -> About | None:
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    names = set(pq.read_schema(path).names)
    if "subject_id" in names:
        columns = [name for name in ("subject_id", "split") if name in names]
        found = pq.read_table(
            path, columns=columns, filters=[("subject_id", "=", pseudonym)], partitioning=None
        )
        splits = Counter(found["split"].to_pylist()) if "split" in names else Counter()
        return About(found.num_rows, dict(sorted(splits.items())))
    if _FHIR not in names:
        return None
    count = 0
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(columns=[_FHIR]):
            column = batch.column(0)
            named = pc.or_(
                pc.match_substring(column, f'"{pseudonym}"'), pc.match_substring(column, f'/{pseudonym}"')
            )
            count += pc.sum(named).as_py() or 0
    return About(count)


def feature_rows(folder: Path, pseudonym: str) -> list[Features]:
    """The subject's rows of features in an artifact's folder; none where it has no such table."""
    import pyarrow.parquet as pq

    path = folder / _FEATURES
    if not path.is_file():
        return []
    found = pq.read_table(path, filters=[("subject_id", "=", pseudonym)], partitioning=None)
    kept = found.drop_columns([name for name in found.column_names if name in _KEYS])
    return [{name: _number(value) for name, value in row.items()} for row in kept.to_pylist()]


def same_features(rows: Sequence[Features], predictions: Iterable[tuple[str, Features]]) -> Iterator[str]:
    """Ids of the predictions that were made from exactly the features of one of ``rows``."""
    known = [dict(row) for row in rows]
    for prediction_id, features in predictions:
        if {name: _number(value) for name, value in features.items()} in known:
            yield prediction_id


def _number(value: float | None) -> float | None:
    """Missing as None, whichever way it was written."""
    return None if value is None or math.isnan(value) else float(value)


__all__ = ["About", "Features", "about", "feature_rows", "same_features"]
