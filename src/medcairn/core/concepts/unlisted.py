"""A unit that no concept lists: its factor through ucumvert and pint, when the dimensions agree.

Heavy: the registry takes a second to build. It is imported for the first such unit only, and the answer is
kept per distinct unit by the caller. What the libraries drop is looked at here first:

- annotations in braces must be those of the canonical unit: mg/g{creat} is not mg/g;
- arbitrary units in brackets and international units must be the same in both: [IU]/L is not [arb'U]/L;
- equivalents convert only where the concept states its valence, osmoles only into osmoles;
- pure numbers (%, mmol/mol, g/g) never convert by dimension: 48 mmol/mol HbA1c is not 4.8 %.
"""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Callable
from enum import Enum
from functools import cache
from typing import TYPE_CHECKING

from medcairn.core.concepts.concept import Concept, Unit

if TYPE_CHECKING:
    from lark import Lark
    from pint import Quantity, UnitRegistry

_ANNOTATION = re.compile(r"\{[^}]*\}")
_BRACKETS = re.compile(r"\[[^\]]*\]")
_PHYSICAL = frozenset(
    {"[lb_av]", "[oz_av]", "[stone_av]", "[gr]", "[in_i]", "[in_us]", "[ft_i]", "[ft_us]", "[yd_i]", "[mi_i]"}
    | {"[degF]", "[Hg]", "[H2O]", "[pt_us]", "[gal_us]", "[foz_us]"}
)
"""Bracketed units that are plain physical ones."""

_EQUIVALENTS = re.compile(r"(?<![A-Za-z])[kmunpdc]?eq(?![A-Za-z])")
_TOO_BIG = re.compile(r"[0-9]{5}|\*[+-]?[0-9]{3}")
"""Numbers that no unit of medicine has; pint would work out 10*999999999 digit by digit."""

_OSMOLES = re.compile(r"(?<![A-Za-z])[kmunpdc]?osm(?![A-Za-z])")


class Mismatch(Enum):
    """The unit is one, but not of this measurement."""

    DIMENSION = "dimension"


def unlisted_unit(concept: Concept, unit: str) -> Unit | Mismatch | None:
    """The conversion of a UCUM unit into the concept's canonical unit; None when it is no UCUM unit.

    Scales with an offset (temperatures) are not found here: concepts list them.
    """
    canonical = concept.canonical_unit
    here = _parsed(unit)
    if canonical is None or here is None:
        return None
    there = _parsed(canonical)
    if there is None or _marks(unit) != _marks(canonical) or here.dimensionless or there.dimensionless:
        return Mismatch.DIMENSION
    factors = (_factor(here, bridge, there) for bridge in _bridges(concept, unit))
    factor = next((found for found in factors if found is not None), None)
    return Unit(unit, factor, 0.0) if factor is not None else Mismatch.DIMENSION


def _factor(here: Quantity[float], bridge: Quantity[float], there: Quantity[float]) -> float | None:
    """How many of ``there`` one of ``here`` is; None when they are of different dimensions."""
    from pint.errors import PintError

    factor = None
    with contextlib.suppress(PintError, ArithmeticError):  # a scale with an offset does not multiply
        ratio = here * bridge / there
        if ratio.dimensionless:
            # Twelve digits: the noise of pint's own arithmetic is not part of a conversion.
            factor = float(f"{float(ratio.to_base_units().magnitude):.12g}")
    return factor if factor is not None and 0 < factor < math.inf else None


def _marks(unit: str) -> tuple[frozenset[str], frozenset[str], bool]:
    """What tells units of one dimension apart: annotations, arbitrary units, osmoles."""
    arbitrary = frozenset(_BRACKETS.findall(unit)) - _PHYSICAL
    return frozenset(_ANNOTATION.findall(unit)), arbitrary, bool(_OSMOLES.search(unit))


def _bridges(concept: Concept, unit: str) -> tuple[Quantity[float], ...]:
    """What a value may be multiplied by before the dimensions are compared: 1, g/mol, mol/g; per valence."""
    one = _registry().Quantity(1.0)
    if _EQUIVALENTS.search(unit):
        if concept.valence is None:
            return ()
        one = one / concept.valence
    if concept.molar_mass is None:
        return (one,)
    mass = _registry().Quantity(concept.molar_mass, "g/mol")
    return (one, one * mass, one / mass)


def _parsed(unit: str) -> Quantity[float] | None:
    """The unit as a quantity of the registry; None when it is not UCUM or the registry does not know it."""
    from ucumvert import parse_ucum

    if _TOO_BIG.search(unit):
        return None
    registry, parser, transform = _tools()
    # The grammar's and the registry's errors are of a dozen unrelated types, and all of them say one thing.
    try:
        return registry.Quantity(transform(parse_ucum(unit, parser)))
    except Exception:  # noqa: BLE001
        return None


def _registry() -> UnitRegistry[float]:
    return _tools()[0]


@cache
def _tools() -> tuple[UnitRegistry[float], Lark, Callable[[object], Quantity[float]]]:
    """One registry for all: ucumvert's own ``from_ucum`` hands out quantities of pint's shared registry."""
    from ucumvert import (
        PintUcumRegistry,
        UcumToPintTransformer,
        get_ucum_parser,
    )

    registry = PintUcumRegistry()
    return registry, get_ucum_parser(), UcumToPintTransformer(ureg=registry).transform


__all__ = ["Mismatch", "unlisted_unit"]
