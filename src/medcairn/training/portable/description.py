"""``model.json``: what the model file beside it is, and how it came to be."""

from __future__ import annotations

import contextlib
from pathlib import Path

import msgspec

from medcairn.core.canonical import JSON
from medcairn.core.digests import Digest
from medcairn.core.errors import IntegrityError, UsageError
from medcairn.core.labels import Label
from medcairn.training.algorithms import Algorithm
from medcairn.training.portable.form import Form

MODEL_JSON = "model.json"


class Measure(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One figure under cross-validation: the mean, and the value of each fold."""

    mean: float
    folds: tuple[float, ...]


class Candidate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The figures of one algorithm."""

    auroc: Measure
    auprc: Measure
    brier: Measure


class CrossValidation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the algorithms compared, and the chosen one's operating points.

    ``specificity_thresholds`` are pairs (specificity, threshold) from its out-of-fold scores.
    """

    folds: int
    candidates: dict[str, Candidate]
    specificity_thresholds: tuple[tuple[float, float], ...]


class TrainingData(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the model learned from; ``digest`` is over the train rows alone."""

    rows: int
    subjects: int
    positives: int
    digest: str


class ModelFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file of the model: name, digest and size in bytes."""

    name: str
    digest: str
    size: int


class ModelDescription(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole of ``model.json``.

    ``columns`` are the places in ``features`` that the model looks at. ``parity`` gives for each form the
    largest difference from scikit-learn, or the reason why there is none.
    """

    form: Form
    algorithm: Algorithm
    features: tuple[str, ...]
    columns: tuple[int, ...]
    feature_spec_digest: str
    seed: int
    parameters: dict[str, bool | int | float | str]
    cross_validation: CrossValidation
    parity: dict[str, float | str]
    parity_rows: int
    training: TrainingData
    model_file: ModelFile
    versions: dict[str, str]

    def __post_init__(self) -> None:
        """Refuse what does not hold together, with ``ValueError``."""
        for name in self.features:
            Label(name)
        Digest(self.feature_spec_digest), Digest(self.training.digest), Digest(self.model_file.digest)
        if len(set(self.features)) != len(self.features):
            raise ValueError("a feature is listed twice")
        if list(self.columns) != sorted(set(self.columns)) or not self.columns:
            raise ValueError("the columns are not in order")
        if self.columns[0] < 0 or self.columns[-1] >= len(self.features):
            raise ValueError("a column is no feature")
        if self.model_file.name != f"model.{self.form.value}":
            raise ValueError("the model file has another name than its form says")

    def as_json(self) -> dict[str, JSON]:
        """The record as ``model.json`` holds it."""
        plain: dict[str, JSON] = msgspec.to_builtins(self)
        return plain


def read_description(folder: Path) -> ModelDescription:
    """The description in ``folder``.

    Raises :class:`UsageError` when there is none, :class:`IntegrityError` when it cannot be read.
    """
    path = folder / MODEL_JSON
    if not path.is_file():
        raise UsageError("This folder holds no model: it has no model.json", folder=folder)
    found: ModelDescription | None = None
    with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError, OSError):
        found = msgspec.json.decode(path.read_bytes(), type=ModelDescription)
    if found is None:
        raise IntegrityError("A model's description cannot be read", file=path)
    return found


__all__ = [
    "MODEL_JSON",
    "Candidate",
    "CrossValidation",
    "Measure",
    "ModelDescription",
    "ModelFile",
    "TrainingData",
    "read_description",
]
