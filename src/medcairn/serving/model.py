"""What is served: a model's identity, the card it shows, and the vectors it must reproduce."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medcairn.core.canonical import JSON
from medcairn.core.digests import Digest
from medcairn.core.errors import IntegrityError
from medcairn.core.labels import Label
from medcairn.core.scoring import Scorer

TOLERANCE = 1e-9


@dataclass(frozen=True)
class KnownScore:
    """A row (missing features absent or None) and the probability that the packaged model gave it."""

    features: Mapping[str, float | None]
    probability: float


@dataclass(frozen=True)
class ServedModel:
    """A packaged model as the service shows it. ``digest`` is the package's; the cards are whole files."""

    name: Label
    version: Label
    digest: Digest
    card_json: bytes
    card_page: bytes
    known_scores: tuple[KnownScore, ...]

    def as_json(self) -> dict[str, JSON]:
        return {"name": self.name, "version": self.version, "digest": self.digest}


def row_of(names: tuple[str, ...], features: Mapping[str, float | None]) -> NDArray[np.float64]:
    """One row of shape (1, n_features) in the order of ``names``; what is absent or None is NaN."""
    values = [features.get(name) for name in names]
    return np.array([[np.nan if value is None else value for value in values]], dtype=np.float64)


def check_known_scores(scorer: Scorer, model: ServedModel) -> None:
    """Pass when ``scorer`` gives the packaged probabilities within 1e-9.

    Raises :class:`IntegrityError` when it does not, and when there is nothing to compare with.
    """
    if not model.known_scores:
        raise IntegrityError("The model has no test vectors")
    rows = np.vstack([row_of(scorer.feature_names, known.features) for known in model.known_scores])
    expected = np.array([known.probability for known in model.known_scores])
    found = scorer.score(rows)
    if found.shape != expected.shape or not bool(np.all(np.abs(found - expected) <= TOLERANCE)):
        raise IntegrityError("The model does not reproduce its test vectors", vectors=len(expected))


__all__ = ["TOLERANCE", "KnownScore", "ServedModel", "check_known_scores", "row_of"]
