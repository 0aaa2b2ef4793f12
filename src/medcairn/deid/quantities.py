"""Numbers and quantities: digits as written, units of a closed list, no age over 89."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import cast

import msgspec

from medcairn.deid.datatypes import Quantity
from medcairn.deid.passage import Passage
from medcairn.deid.policy import Vocabulary
from medcairn.deid.tally import Loss

UCUM = "http://unitsofmeasure.org"
_DIGITS = rb"-?(?:0|[1-9][0-9]{0,20})(?:\.[0-9]{1,20})?(?:[eE][+-]?[0-9]{1,3})?"
_NUMBER = re.compile(_DIGITS)
_VALUE_FIRST = re.compile(rb'\{"value":(' + _DIGITS + rb")(?=[,}])")
_STAND_IN = b"271828182845"
_LIMIT = 20_000
_LONGEST_KEY_BYTES = 400
_YOUNG_SHARE = 5
"""A fifth of 89 years, about 18: for a subject over 89, a longer time beside a date may be an age."""


class Refused(Exception):
    """A value that its kind cannot take. Carries nothing, and never leaves this package."""


def number(value: object) -> bytes | None:
    """A JSON number as written. Raises :class:`Refused` for anything else, such as text of digits."""
    text = b"" + cast(bytes, value)
    if text == b"null":
        return None
    if _NUMBER.fullmatch(text) is None:
        raise Refused
    return text


@dataclass(frozen=True)
class _Measure:
    """What leaves of a unit, and the highest number in it that is no age over 89 (None: no unit of age)."""

    unit: str | None
    system: str | None
    code: str | None
    age_limit: int | None
    lost: bool


class Quantities:
    """Changes FHIR Quantities: the digits stay, and what stands around them recurs and is remembered."""

    def __init__(self, vocabulary: Vocabulary, passage: Passage) -> None:
        self._vocabulary = vocabulary
        self._units = vocabulary.units | vocabulary.unit_words
        self._passage = passage
        self._measures: dict[tuple[str | None, str | None, str | None], _Measure] = {}
        self._tails: dict[bytes, bytes | None] = {}
        self._decode = msgspec.json.Decoder(Quantity | None).decode
        self._encode = msgspec.json.Encoder().encode

    def quantity(self, value: bytes) -> bytes | None:
        """What may leave of a Quantity, a :class:`msgspec.Raw` (which adds to bytes like bytes)."""
        text = b"" + value
        match = _VALUE_FIRST.match(text)
        if match is not None:
            tail = text[match.end() :]
            known = self._tails[tail] if tail in self._tails else self._tail(tail)
            if known is not None:
                return b'{"value":' + match[1] + known
        decoded = self._decode(text)
        return None if decoded is None else self._encoded(decoded)

    def age(self, value: object) -> bytes | None:
        """What may leave of an Age: in a unit of age, of a subject who is not over 89."""
        quantity = cast(Quantity, value)
        measure = self._measure(quantity)
        if self._passage.over_89() or measure.age_limit is None or measure.unit is None:
            if quantity.value is not None:
                self._passage.lost.append(Loss.AGE_OVER_89)
            return None
        return self._encoded(quantity)

    def is_age(self, value: bytes) -> bool:
        """Whether a Quantity that may leave, as JSON, is in a unit of age."""
        quantity = self._decode(value)
        return quantity is not None and self._measure(quantity).age_limit is not None

    def _tail(self, tail: bytes) -> bytes | None:
        """What leaves of a Quantity after its digits; None when that depends on more than ``tail``."""
        found = None
        mark = len(self._passage.lost)
        asked, self._passage.asked = self._passage.asked, False
        decoded = self._decode(b'{"value":' + _STAND_IN + tail)
        changed = None if decoded is None else self._quantity(decoded)
        if changed is not None and not self._passage.asked and len(self._passage.lost) == mark:
            before, digits, after = self._encode(changed).partition(_STAND_IN)
            if (before, digits) == (b'{"value":', _STAND_IN):
                found = after
        del self._passage.lost[mark:]
        self._passage.asked = asked
        if len(tail) <= _LONGEST_KEY_BYTES:
            if len(self._tails) >= _LIMIT:
                self._tails.clear()
            self._tails[tail] = found
        return found

    def _encoded(self, value: Quantity) -> bytes | None:
        kept = self._quantity(value)
        return None if kept is None else self._encode(kept)

    def _quantity(self, value: Quantity) -> Quantity | None:
        digits = None if value.value is None else number(value.value)
        if digits is None:
            return None
        measure = self._measure(value)
        if measure.lost:
            self._passage.lost.append(Loss.UNIT_NOT_LISTED)
        if measure.age_limit is not None:
            limit = measure.age_limit / (_YOUNG_SHARE if self._passage.over_89() else 1)
            if float(digits) > limit:
                self._passage.lost.append(Loss.AGE_OVER_89)
                return None
        value.unit, value.system, value.code = measure.unit, measure.system, measure.code
        return value

    def _measure(self, value: Quantity) -> _Measure:
        written = (value.unit, value.system, value.code)
        known = self._measures.get(written)
        if known is None:
            known = self._read_measure(*written)
            if len(self._measures) >= _LIMIT:
                self._measures.clear()
            self._measures[written] = known
        return known

    def _read_measure(self, unit: str | None, system: str | None, code: str | None) -> _Measure:
        """An unlisted spelling of a unit of age (``Yrs``) does not leave, but it limits the number too."""
        units, limits = self._vocabulary.units, self._vocabulary.age_limits
        shown = unit if unit in self._units else code if code in units else None
        coded = system == UCUM and code in units
        spelled = ((text or "").strip().casefold() for text in (unit, code))
        limit = next((limits[text] for text in spelled if text in limits), None)
        lost = shown is None and bool(unit or code)
        return _Measure(shown, UCUM if coded else None, code if coded else None, limit, lost)


__all__ = ["UCUM", "Quantities", "Refused", "number"]
