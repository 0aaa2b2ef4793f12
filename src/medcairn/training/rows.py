"""The rows that a model may learn from: the ``train`` split of a gold folder, checked."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from medcairn.core.canonical import JSON
from medcairn.core.digests import Digest, digest_file, digest_json
from medcairn.core.errors import DataError, IntegrityError, UsageError
from medcairn.core.labels import Label

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]

_TRAIN = "train"
_KEYS = ("subject_id", "prediction_time", "boolean_value", "split")


@dataclass(frozen=True)
class TrainingRows:
    """What training sees. ``values`` is (n_rows, n_features) with NaN for missing; ``outcome`` is 0 or 1.

    ``subject`` numbers the subjects from 0 in the order of the table. ``digest`` is that of the train rows
    alone, ``file_digest`` that of the whole feature table.
    """

    names: tuple[Label, ...]
    values: Floats
    outcome: Ints
    subject: Ints
    feature_spec_digest: Digest
    digest: Digest
    file_digest: Digest

    @property
    def subjects(self) -> int:
        """How many subjects there are."""
        return int(self.subject.max()) + 1

    @property
    def positives(self) -> int:
        """Rows with the outcome."""
        return int(self.outcome.sum())


def read_training_rows(gold_dir: Path) -> TrainingRows:
    """The ``train`` rows of ``gold_dir``, sorted by subject and time. No other row is looked at.

    Raises :class:`UsageError` when the folder holds no gold table, :class:`DataError` when the table cannot
    be read, lacks a column, has an infinite value, no row or one outcome only, :class:`IntegrityError` when
    the feature spec is not what its digest says.
    """
    table_file, spec_file = gold_dir / "features.parquet", gold_dir / "feature_spec.json"
    for file in (table_file, spec_file):
        if not file.is_file():
            raise UsageError("There is no feature table here", hint="Run the features stage first", file=file)
    names, spec_digest = _read_spec(spec_file)
    table = _read_table(table_file, names)
    values = _values(table, names)
    outcome = _column(table, "boolean_value").cast(pa.int64()).to_numpy()
    if not 0 < int(outcome.sum()) < len(outcome):
        raise DataError(
            "The training rows need both outcomes", rows=len(outcome), positives=int(outcome.sum())
        )
    encoded = _column(table, "subject_id").dictionary_encode()
    subject = np.asarray(encoded.indices.to_numpy(), dtype=np.int64)
    times = _column(table, "prediction_time").cast(pa.timestamp("us", "UTC")).cast(pa.int64()).to_numpy()
    return TrainingRows(
        names=names,
        values=values,
        outcome=outcome,
        subject=subject,
        feature_spec_digest=spec_digest,
        digest=_digest(names, (encoded.dictionary.to_pylist(), subject, times, outcome, values)),
        file_digest=digest_file(table_file),
    )


def _read_spec(path: Path) -> tuple[tuple[Label, ...], Digest]:
    """The names of the features in column order, and the digest, recomputed."""
    found: tuple[tuple[Label, ...], Digest] | None = None
    rest: dict[str, JSON] = {}
    try:
        spec = json.loads(path.read_bytes())
        rest = {key: value for key, value in spec.items() if key != "digest"}
        names = tuple(Label(feature["name"]) for feature in spec["features"])
        found = names, Digest(spec["digest"])
    except (ValueError, KeyError, TypeError, AttributeError):
        pass
    if found is None:
        raise DataError("The feature spec cannot be read", file=path)
    if digest_json(rest) != found[1]:
        raise IntegrityError("The feature spec is not what its digest says", file=path)
    return found


def _read_table(path: Path, names: tuple[Label, ...]) -> pa.Table:
    columns: list[str] | None = None
    table: pa.Table | None = None
    try:
        columns = pq.read_schema(path).names
        if columns == [*_KEYS, *names]:
            table = pq.read_table(path, filters=[("split", "==", _TRAIN)])
            table = table.sort_by([("subject_id", "ascending"), ("prediction_time", "ascending")])
    except (pa.ArrowException, OSError, KeyError):
        pass
    if columns is None:
        raise DataError("The feature table cannot be read", file=path)
    if columns != [*_KEYS, *names]:
        raise DataError("The feature table's columns are not those of the feature spec", file=path)
    if table is None:
        raise DataError("The feature table cannot be read", file=path)
    if table.num_rows == 0:
        raise DataError("The feature table has no row to train on", file=path)
    return table


def _values(table: pa.Table, names: tuple[Label, ...]) -> Floats:
    """The features as one array; every NaN has the same bits, so that equal tables have equal bytes."""
    values = np.empty((table.num_rows, len(names)), dtype=np.float64)
    for place, name in enumerate(names):
        column = table.column(name)
        if not pa.types.is_floating(column.type):
            raise DataError("A feature is no floating point column", column=name)
        values[:, place] = pc.fill_null(column, float("nan")).cast(pa.float64()).to_numpy()
        if np.isinf(values[:, place]).any():
            raise DataError("A feature has an infinite value", column=name)
    values[np.isnan(values)] = np.nan
    return values


def _column(table: pa.Table, name: str) -> pa.Array:
    column = table.column(name).combine_chunks()
    if column.null_count:
        raise DataError("A key column has an empty cell", column=Label(name), rows=int(column.null_count))
    return column


def _digest(names: tuple[Label, ...], parts: tuple[list[str], Ints, Ints, Ints, Floats]) -> Digest:
    """Digest over names, subjects, times, outcomes and values, in little-endian bytes."""
    subjects, *arrays = parts
    state = hashlib.sha256()
    for text in (list(names), subjects):
        state.update(json.dumps(text, ensure_ascii=True).encode() + b"\n")
    for array in arrays:
        state.update(np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).tobytes())
    return Digest("sha256:" + state.hexdigest())


__all__ = ["Floats", "Ints", "TrainingRows", "read_training_rows"]
