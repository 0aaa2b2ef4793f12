"""The area under the ROC curve of true risks against drawn outcomes, in bounded memory."""

from __future__ import annotations

from array import array

_BINS = 200_000


class RiskTally:
    """Counts outcomes by risk, to 1/200,000, and gives the AUROC (Mann-Whitney, ties count one half).

    Memory does not grow with the number of risks. The result differs from the exact rank statistic by less
    than the share of pairs whose risks are closer than 5e-6.
    """

    def __init__(self) -> None:
        self._with = array("q", bytes(8 * (_BINS + 1)))
        self._without = array("q", bytes(8 * (_BINS + 1)))
        self.count = 0
        self.outcomes = 0

    def add(self, risk: float, outcome: bool) -> None:
        """One index event: its true ``risk`` in [0, 1] and whether the outcome came."""
        self.count += 1
        self.outcomes += outcome
        (self._with if outcome else self._without)[int(risk * _BINS)] += 1

    def auroc(self) -> float | None:
        """In [0, 1]; None when all or none had the outcome."""
        others = self.count - self.outcomes
        if not self.outcomes or not others:
            return None
        below = 0
        doubled = 0
        for positive, negative in zip(self._with, self._without, strict=True):
            if positive:
                doubled += positive * (2 * below + negative)
            below += negative
        return doubled / (2 * self.outcomes * others)


__all__ = ["RiskTally"]
