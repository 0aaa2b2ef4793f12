"""One concept: its codes, canonical unit, conversions and plausible limits."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from medcairn.core.concepts.systems import plain_code, system_of
from medcairn.core.errors import SettingsError
from medcairn.core.labels import Label

_MOST_DECIMALS = 4
"""Features keep values in 1/10,000 of the canonical unit; a finer conversion would only be rounded again."""

Coding = tuple[str, str]


class Kind(StrEnum):
    """What sort of fact a concept names, and so in which silver table it is found."""

    MEASUREMENT = "measurement"
    CONDITION = "condition"
    MEDICATION = "medication"
    PROCEDURE = "procedure"
    IMMUNIZATION = "immunization"
    ALLERGY = "allergy"


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

    def convert(self, value: float, decimals: int) -> float:
        """``value`` in the canonical unit, rounded to the digits that the value itself carries.

        5.55 mmol/L of glucose is known to 0.01 mmol/L, which is 0.18 mg/dL, so its 99.9866 mg/dL is 100: the
        figure that the same laboratory prints in mg/dL. The last decimal kept is the coarsest that is still
        no coarser than the value's own last digit, but never coarser than ``decimals`` (what laboratories
        print in the canonical unit) and never finer than 1/10,000. A double does not know its trailing
        zeros, so 5.50 counts as 5.5; what remains then is ``decimals``. The number itself is returned where
        only the unit's spelling differs.
        """
        if self.is_identity:
            return value
        step = 10.0 ** -_decimals(value) * self.factor
        places = math.floor(1e-9 - math.log10(step))
        return round(value * self.factor + self.offset, max(decimals, min(places, _MOST_DECIMALS)))


def _decimals(value: float) -> int:
    """How many decimals the shortest text of the number has, between -15 and 17."""
    digits, _, exponent = repr(value).partition("e")
    decimals = len(digits.partition(".")[2].removesuffix("0"))
    return max(-15, min(decimals - int(exponent or "0"), 17))


@dataclass(frozen=True)
class Concept:
    """A reviewed value set.

    ``codes`` are exact (system, code) pairs. ``prefixes`` are (system, prefix) pairs for hierarchical
    systems: (ICD-10-CM, "E11") stands for E11 and everything below it. ``members`` are the concepts that a
    class is made of; their codes are among its own.

    Measurements have a ``canonical_unit``, the ``units`` that convert into it (itself first), ``decimals``
    that laboratories print in it, and plausible limits ``low`` and ``high`` in it, both inclusive.
    ``molar_mass`` is in g/mol and ``valence`` in equivalents per mol, where amounts and masses or
    equivalents convert into each other. ``unit_when_absent`` is the unit of a number that came without one,
    None where no guess is safe. ``answers`` gives coded results a number.

    Raises :class:`SettingsError` when it contradicts itself.
    """

    name: Label
    title: str
    kind: Kind
    codes: tuple[Coding, ...]
    prefixes: tuple[Coding, ...] = ()
    members: tuple[Label, ...] = ()
    canonical_unit: str | None = None
    units: tuple[Unit, ...] = ()
    decimals: int = 0
    low: float | None = None
    high: float | None = None
    molar_mass: float | None = None
    valence: int | None = None
    unit_when_absent: str | None = None
    answers: tuple[tuple[Coding, float], ...] = ()

    def __post_init__(self) -> None:
        problem = self._problem() or (self._unit_problem() if self.canonical_unit is not None else "")
        if problem:
            raise SettingsError("A concept contradicts itself", hint=problem, concept=self.name)

    def _problem(self) -> str:
        if not self.codes and not self.prefixes:
            return "It has no code"
        if len(set(self.codes)) != len(self.codes) or len(set(self.prefixes)) != len(self.prefixes):
            return "It lists a code twice"
        if (self.kind is Kind.MEASUREMENT) != (self.canonical_unit is not None):
            return "A measurement has a unit, and nothing else has one"
        return ""

    def _unit_problem(self) -> str:
        if self.low is None or self.high is None or not self.low < self.high:
            return "Its plausible limits are not lowest, highest"
        names = {unit.name for unit in self.units}
        if len(names) != len(self.units):
            return "It lists a unit twice"
        if any(unit.factor <= 0 or not math.isfinite(unit.factor) for unit in self.units):
            return "A unit's factor is not above zero"
        if self.unit_when_absent is not None and self.unit_when_absent not in names:
            return "The unit for numbers without one is not among its units"
        if not 0 <= self.decimals <= _MOST_DECIMALS:
            return "Decimals are 0 to 4"
        if self.molar_mass is not None and self.molar_mass <= 0:
            return "Its molar mass is not above zero"
        if any(not self.low <= number <= self.high for _, number in self.answers):
            return "An answer's number is outside the plausible limits"
        return ""

    def matches(self, system: str, code: str) -> bool:
        """Whether the code belongs to this concept. Dots do not matter below a prefix (E119 is E11.9)."""
        system = system_of(system)
        code = plain_code(system, code)
        if any(code == plain_code(s, c) for s, c in self.codes if s == system):
            return True
        return any(system == s and code.startswith(plain_code(s, p)) for s, p in self.prefixes)

    def canonical(self, value: float, unit: str) -> float | None:
        """``value`` in the canonical unit by the listed units, or None when ``unit`` is not one of them.

        Neither other spellings nor plausible limits are looked at: that is
        :func:`~medcairn.core.concepts.units.canonical_value`.
        """
        for known in self.units:
            if known.name == unit:
                return known.convert(value, self.decimals)
        return None


__all__ = ["Coding", "Concept", "Kind", "Unit"]
