"""The rows that statistics are computed from: outcome, score and whose row it is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medcairn.core.errors import DataError

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Sample:
    """Scored rows.

    ``outcome`` and ``score`` have one entry a row; ``subject`` numbers the subjects 0, 1, … so that the
    rows of one subject stay together when the uncertainty is reckoned.

    Raises :class:`DataError` when lengths differ, or a score is not a probability.
    """

    outcome: Bools
    score: Floats
    subject: Ints

    def __post_init__(self) -> None:
        if not len(self.outcome) == len(self.score) == len(self.subject):
            raise DataError("Outcomes, scores and subjects have different numbers of rows")
        bad = int(np.count_nonzero(~((self.score >= 0) & (self.score <= 1))))
        if bad:
            raise DataError("The model gave scores that are not probabilities", rows=bad)

    @classmethod
    def of(cls, outcome: Bools, score: Floats, subject: NDArray[np.str_] | Ints | None = None) -> Sample:
        """A sample with subjects given by any labels, or with one subject a row."""
        numbers = np.arange(len(outcome)) if subject is None else np.unique(subject, return_inverse=True)[1]
        return cls(np.asarray(outcome, np.bool_), np.asarray(score, np.float64), numbers.astype(np.int64))

    @property
    def rows(self) -> int:
        return len(self.outcome)

    @property
    def positives(self) -> int:
        return int(np.count_nonzero(self.outcome))

    @property
    def negatives(self) -> int:
        return self.rows - self.positives

    @property
    def subjects(self) -> int:
        return int(self.subject.max()) + 1 if self.rows else 0

    @property
    def prevalence(self) -> float:
        """Share of positive rows; 0 when there are none."""
        return self.positives / self.rows if self.rows else 0.0

    def only(self, chosen: Bools) -> Sample:
        """The rows where ``chosen`` is true."""
        return Sample.of(self.outcome[chosen], self.score[chosen], self.subject[chosen])


__all__ = ["Bools", "Floats", "Ints", "Sample"]
