"""A model folder on disk: written once, checked whenever it is opened."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medcairn.core.digests import Digest, digest_bytes
from medcairn.core.errors import DataError, IntegrityError
from medcairn.core.files import write_file, write_json
from medcairn.core.labels import Label
from medcairn.core.scoring import Scorer
from medcairn.training.portable.description import MODEL_JSON, ModelDescription, read_description
from medcairn.training.portable.form import Form, RawScore
from medcairn.training.portable.parity import FORMS
from medcairn.training.rows import Floats, Ints

_FLOAT32_LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class PortableScorer:
    """A :class:`~medcairn.core.scoring.Scorer` over a portable model."""

    feature_names: tuple[str, ...]
    columns: Ints
    raw: RawScore

    def score(self, rows: Floats) -> Floats:
        """Probabilities of the outcome.

        Raises :class:`DataError` for another number of features, or a value beyond the range of float32
        (infinities included), which the forms would not treat alike.
        """
        rows = np.asarray(rows, dtype=np.float64)
        if rows.ndim != 2 or rows.shape[1] != len(self.feature_names):
            given = int(rows.shape[-1]) if rows.ndim else 0
            raise DataError(
                "The rows have another number of features", given=given, expected=len(self.feature_names)
            )
        if len(rows) == 0:
            return np.empty(0)
        kept = rows[:, self.columns]
        with np.errstate(invalid="ignore"):
            beyond = np.abs(kept) > _FLOAT32_LARGEST
        if beyond.any():
            column = int(self.columns[int(np.argmax(beyond.any(axis=0)))])
            raise DataError(
                "A feature has a value beyond any measure", column=Label(self.feature_names[column])
            )
        return np.clip(self.raw(kept), 0.0, 1.0)


def write_model(folder: Path, description: ModelDescription, data: bytes) -> None:
    """Write the model file and ``model.json`` into ``folder``. Raises :class:`StorageError`."""
    write_file(folder / description.model_file.name, data)
    write_json(folder / MODEL_JSON, description.as_json())


def load(folder: Path) -> Scorer:
    """The model in ``folder``, ready to score on one thread. Nothing is ever unpickled.

    Raises :class:`~medcairn.core.errors.UsageError` when the folder holds no model,
    :class:`IntegrityError` when its files are not what ``model.json`` says or do not work.
    """
    description = read_description(folder)
    data = _checked_bytes(folder, description)
    raw: RawScore | None = None
    alive = False
    try:
        raw = FORMS[description.form].open(data, description.algorithm)
        answer = raw(np.full((1, len(description.columns)), np.nan))
        alive = answer.shape == (1,) and 0.0 <= float(answer[0]) <= 1.0
    except Exception:  # noqa: BLE001 - runtimes raise types of their own; their text stays here
        raw = None
    if raw is None or not alive:
        raise IntegrityError("A model file cannot be opened", form=description.form, folder=folder)
    columns = np.asarray(description.columns, dtype=np.int64)
    return PortableScorer(description.features, columns, raw)


def algorithm(folder: Path) -> str:
    """The name of the algorithm of the model in ``folder``. Raises what :func:`load` raises."""
    return read_description(folder).algorithm.value


def form(folder: Path) -> Form:
    """The form of the model in ``folder``. Raises what :func:`load` raises."""
    return read_description(folder).form


def threshold(folder: Path, specificity: float) -> float | None:
    """The score at or above which a row is called positive, to keep at least ``specificity``.

    Fixed on out-of-fold scores of the training rows, so before any held-out row is read. Specificities are
    kept in whole percents and rounded up to the next; None beyond 99%.

    Raises what :func:`load` raises.
    """
    for kept, bar in read_description(folder).cross_validation.specificity_thresholds:
        if kept >= specificity - 1e-9:
            return bar
    return None


def _checked_bytes(folder: Path, description: ModelDescription) -> bytes:
    path = folder / description.model_file.name
    data: bytes | None = None
    with contextlib.suppress(OSError):
        data = path.read_bytes()
    if data is None:
        raise IntegrityError("A model file is missing or cannot be read", file=path)
    expected = Digest(description.model_file.digest)
    if len(data) != description.model_file.size or digest_bytes(data) != expected:
        raise IntegrityError("A model file is not what model.json says", file=path, expected=expected)
    return data


__all__ = ["PortableScorer", "algorithm", "form", "load", "threshold", "write_model"]
