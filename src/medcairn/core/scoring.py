"""The seam between a trained model and whoever asks it: validation, serving, the parity gate."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Scorer(Protocol):
    """A model that gives the probability of the positive class."""

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The columns of a row, in order."""
        ...

    def score(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Probabilities, shape (n_rows,), for ``rows`` of shape (n_rows, n_features); NaN is missing."""
        ...


__all__ = ["Scorer"]
