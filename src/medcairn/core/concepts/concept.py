"""One concept: its codes, canonical unit, conversions and plausible limits."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from medcairn.core.errors import SettingsError
from medcairn.core.labels import Label

_DECIMALS = 6


class Kind(StrEnum):
    """What sort of fact a concept names, and so in which silver table it is found."""

    MEASUREMENT = "measurement"
    CONDITION = "condition"
    MEDICATION = "medication"
    PROCEDURE = "procedure"


@dataclass(frozen=True)
class Unit:
    """A unit that a measurement may come in; ``canonical = value * factor + offset``."""

    name: str
    factor: float
    offset: float

    @property
    def is_identity(self) -> bool:
        """True when the number stays as it is and only the unit's spelling differs."""
        return self.factor == 1.0 and self.offset == 0.0


@dataclass(frozen=True)
class Concept:
    """A reviewed value set.

    ``codes`` are exact (system, code) pairs. ``prefixes`` are (system, prefix) pairs for hierarchical
    systems: (ICD-10-CM, "E11") stands for E11 and everything below it. Measurements have a
    ``canonical_unit``, the ``units`` that convert into it (itself among them) and plausible limits ``low``
    and ``high`` in that unit, both inclusive.

    Raises :class:`SettingsError` when it contradicts itself.
    """

    name: Label
    title: str
    kind: Kind
    codes: tuple[tuple[str, str], ...]
    prefixes: tuple[tuple[str, str], ...] = ()
    canonical_unit: str | None = None
    units: tuple[Unit, ...] = ()
    low: float | None = None
    high: float | None = None

    def __post_init__(self) -> None:
        problem = self._problem()
        if problem:
            raise SettingsError("A concept contradicts itself", hint=problem, concept=self.name)

    def _problem(self) -> str:
        if not self.codes and not self.prefixes:
            return "It has no code"
        if len(set(self.codes)) != len(self.codes) or len(set(self.prefixes)) != len(self.prefixes):
            return "It lists a code twice"
        if (self.kind is Kind.MEASUREMENT) != (self.canonical_unit is not None):
            return "A measurement has a unit, and nothing else has one"
        if self.canonical_unit is None:
            return ""
        if self.low is None or self.high is None or not self.low < self.high:
            return "Its plausible limits are not lowest, highest"
        if len({unit.name for unit in self.units}) != len(self.units):
            return "It lists a unit twice"
        if any(unit.factor <= 0 or not math.isfinite(unit.factor) for unit in self.units):
            return "A unit's factor is not above zero"
        return ""

    def matches(self, system: str, code: str) -> bool:
        """Whether the code belongs to this concept. Dots do not matter below a prefix (E119 is E11.9)."""
        if (system, code) in self.codes:
            return True
        bare = code.replace(".", "")
        return any(system == s and bare.startswith(p.replace(".", "")) for s, p in self.prefixes)

    def canonical(self, value: float, unit: str) -> float | None:
        """``value`` in the canonical unit, or None when ``unit`` is not one of :attr:`units`.

        A converted value is rounded to 6 decimals, so that the conversion's own noise does not show.
        """
        for known in self.units:
            if known.name == unit:
                return value if known.is_identity else round(value * known.factor + known.offset, _DECIMALS)
        return None


__all__ = ["Concept", "Kind", "Unit"]
