"""An estimate with its interval, or the reason why there is none."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

from medcairn.core.canonical import JSON

NORMAL_975 = 1.959963984540054
"""The 97.5% point of the standard normal distribution; every interval here is a 95% interval."""


def shown_number(number: float, form: str) -> str:
    """``number`` for people, with a minus sign and never a hyphen."""
    return format(number, form).replace("-", "−")


@dataclass(frozen=True)
class Estimate:
    """A point estimate and its 95% interval.

    ``method`` names how the interval was made. Raises ``ValueError`` when a number is not finite: a value
    that could not be computed is an :class:`Unavailable` and never a NaN that slips through a comparison.
    """

    value: float
    low: float
    high: float
    method: str

    def __post_init__(self) -> None:
        if not all(math.isfinite(number) for number in (self.value, self.low, self.high)):
            raise ValueError("an estimate and its interval are finite numbers")

    def as_json(self) -> dict[str, JSON]:
        """Rounded to ten decimals, far below any meaning and above differences between machines."""
        return {
            "value": round(self.value, 10),
            "low": round(self.low, 10),
            "high": round(self.high, 10),
            "method": self.method,
        }

    def text(self, decimals: int = 3) -> str:
        """``0.731 (0.630 to 0.833)``."""
        value, low, high = (shown_number(x, f".{decimals}f") for x in (self.value, self.low, self.high))
        return f"{value} ({low} to {high})"


@dataclass(frozen=True)
class Unavailable:
    """A metric that cannot be computed from these rows, and why (constant text)."""

    reason: str

    def as_json(self) -> dict[str, JSON]:
        return {"unavailable": self.reason}

    def text(self, decimals: int = 3) -> str:
        """The reason; ``decimals`` is for the sake of the other record."""
        return f"not computed: {self.reason}"


Measured: TypeAlias = Estimate | Unavailable

ONE_CLASS = Unavailable("the rows hold only one outcome class")
NO_ROWS = Unavailable("there are no rows")


def wilson_interval(successes: int, total: int) -> tuple[float, float]:
    """Wilson's score interval of a proportion (Wilson 1927, JASA 22:209), 95%, within [0, 1].

    (0, 1) for ``total`` 0: nothing is known.
    """
    if total == 0:
        return 0.0, 1.0
    share, square = successes / total, NORMAL_975**2
    centre = share + square / (2 * total)
    spread = NORMAL_975 * math.sqrt(share * (1 - share) / total + square / (4 * total**2))
    scale = 1 + square / total
    low = 0.0 if successes == 0 else (centre - spread) / scale
    high = 1.0 if successes == total else (centre + spread) / scale
    return low, high


def wald_interval(value: float, variance: float) -> tuple[float, float]:
    """``value`` ± 1.96 standard errors."""
    spread = NORMAL_975 * math.sqrt(variance)
    return value - spread, value + spread


__all__ = [
    "NORMAL_975",
    "NO_ROWS",
    "ONE_CLASS",
    "Estimate",
    "Measured",
    "Unavailable",
    "shown_number",
    "wald_interval",
    "wilson_interval",
]
