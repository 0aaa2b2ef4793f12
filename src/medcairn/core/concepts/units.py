"""A result in the canonical unit of its concept, or the reason why not.

In order: the units that the concept lists, by their exact spelling; the same by another spelling
(``spellings.yaml``, capitals, μ for u, blanks); then any UCUM unit of the same dimension through ucumvert and
pint, with the concept's molar mass or valence where amounts become masses or equivalents amounts
(:mod:`~medcairn.core.concepts.unlisted`). Each distinct (concept, unit) is looked up once in a process.

Nothing is clipped: a value outside the plausible limits is refused, and its row keeps the original.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import StrEnum
from functools import cache, lru_cache
from importlib import resources
from typing import NamedTuple

from medcairn.core.concepts.catalogue import CONCEPTS
from medcairn.core.concepts.concept import Concept, Unit
from medcairn.core.concepts.systems import plain_code, system_of

_LONGEST_UNIT = 64
"""No unit of medicine is longer; what is longer is a sentence and not parsed."""


class Refusal(StrEnum):
    """Why a result has no canonical value."""

    NO_UNIT = "no_unit"
    UNKNOWN_UNIT = "unknown_unit"
    OTHER_DIMENSION = "other_dimension"
    IMPLAUSIBLE = "implausible"
    NOT_FINITE = "not_finite"


class Canonical(NamedTuple):
    """``value`` in ``unit``; or both None and the ``reason``."""

    value: float | None
    unit: str | None
    reason: Refusal | None


class _Reading(NamedTuple):
    """What one unit means for one concept."""

    unit: Unit
    decimals: int
    low: float
    high: float
    canonical: str


_REFUSED: Mapping[Refusal, Canonical] = {reason: Canonical(None, None, reason) for reason in Refusal}


def canonical_value(concept: str, value: float, unit: str | None) -> Canonical:
    """The result in the concept's canonical unit.

    ``unit`` is Quantity.code where the quantity is in UCUM, else Quantity.unit, None when neither is there: a
    number without a unit counts only where the concept states ``unit_when_absent``. Raises ``KeyError``
    when no concept has this name.
    """
    reading = _reading(concept, unit)
    if isinstance(reading, Refusal):
        return _REFUSED[reading]
    if not math.isfinite(value):
        return _REFUSED[Refusal.NOT_FINITE]
    number = reading.unit.convert(value, reading.decimals)
    if not reading.low <= number <= reading.high:
        return _REFUSED[Refusal.IMPLAUSIBLE]
    return Canonical(number, reading.canonical, None)


@lru_cache(maxsize=65_536)
def coded_value(concept: str, system: str, code: str) -> float | None:
    """The number of a coded answer (``answers`` of the concept), None when it has none."""
    system = system_of(system)
    return dict(CONCEPTS[concept].answers).get((system, plain_code(system, code)))


@lru_cache(maxsize=65_536)
def _reading(name: str, unit: str | None) -> _Reading | Refusal:
    concept = CONCEPTS[name]
    if concept.canonical_unit is None or concept.low is None or concept.high is None:
        return Refusal.UNKNOWN_UNIT  # a concept of another kind has no unit at all
    rule = _rule(concept, unit)
    if isinstance(rule, Refusal):
        return rule
    return _Reading(rule, concept.decimals, concept.low, concept.high, concept.canonical_unit)


def _rule(concept: Concept, unit: str | None) -> Unit | Refusal:
    """How ``unit`` becomes the concept's canonical unit."""
    text = (unit or "").strip() or concept.unit_when_absent
    if not text:
        return Refusal.NO_UNIT
    listed = _listed(concept, text)
    if listed is not None:
        return listed
    if len(text) > _LONGEST_UNIT:
        return Refusal.UNKNOWN_UNIT
    from medcairn.core.concepts.unlisted import unlisted_unit

    found = unlisted_unit(concept, _ucum(text))
    if found is None:
        return Refusal.UNKNOWN_UNIT
    return found if isinstance(found, Unit) else Refusal.OTHER_DIMENSION


def _listed(concept: Concept, text: str) -> Unit | None:
    exact = {unit.name: unit for unit in concept.units}
    if text in exact:
        return exact[text]
    folded: dict[str, Unit | None] = {}
    for unit in concept.units:
        key = folded_unit(unit.name)
        # Two units that differ only in their capitals are told apart by their exact spelling alone.
        folded[key] = unit if key not in folded or _same(folded[key], unit) else None
    return folded.get(folded_unit(text)) or folded.get(folded_unit(_ucum(text)))


def _same(one: Unit | None, other: Unit) -> bool:
    return one is not None and (one.factor, one.offset) == (other.factor, other.offset)


def folded_unit(text: str) -> str:
    """A unit's spelling without what does not tell units apart here: capitals, blanks, the sign for micro."""
    for old, new in (("µ", "u"), ("μ", "u"), ("²", "2"), ("³", "3"), ("·", "."), (" ", ""), ("^", "*")):
        text = text.replace(old, new)
    return text.casefold()


def _ucum(text: str) -> str:
    """The UCUM unit that a common spelling means; a text that is not listed stays as it is."""
    return _spellings().get(folded_unit(text), text)


@cache
def _spellings() -> Mapping[str, str]:
    import yaml

    from medcairn.core.concepts.parse import LOADER

    text = resources.files(__package__).joinpath("value_sets", "spellings.yaml").read_text(encoding="utf-8")
    document = yaml.load(text, Loader=LOADER)  # noqa: S506 -- a loader of plain text
    return {folded_unit(spelling): ucum for ucum, known in document.items() for spelling in known}


__all__ = ["Canonical", "Refusal", "canonical_value", "coded_value", "folded_unit"]
