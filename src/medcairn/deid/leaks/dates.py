"""Full dates in a text, in the common ways of writing them. Where one can be read in two ways, both count."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date

_NAMES = "jan feb mar apr may jun jul aug sep oct nov dec"
_MONTH = (
    r"(jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|"
    r"oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)"
)
_DAY = r"([0-9]{1,2})(?:st|nd|rd|th)?"
_YEAR = r"([0-9]{4}|[0-9]{2})(?![0-9])"
_YEAR_FIRST = re.compile(
    r"(?<![0-9])(?<![0-9][.])([12][0-9]{3})([-/. _]?)([0-9]{1,2})\2([0-9]{1,2})(?![0-9])"
)
_YEAR_LAST = re.compile(
    r"(?<![0-9])(?<![0-9][.])([0-9]{1,2})([-/. _])([0-9]{1,2})\2" + _YEAR + r"(?!\2[0-9])"
)
_DAY_MONTH_YEAR = re.compile(r"(?<![0-9])" + _DAY + r"[ .,_-]*(?:of )?" + _MONTH + r"[ .,'_-]*" + _YEAR)
_MONTH_DAY_YEAR = re.compile(r"(?<![a-z])" + _MONTH + r"[ .,_-]*" + _DAY + r"[ .,'_-]+" + _YEAR)
_YEAR_MONTH_DAY = re.compile(r"(?<![0-9])([0-9]{4})[ .,_-]*" + _MONTH + r"[ .,_-]*" + _DAY)
_LETTERS_OF_A_MONTH = re.compile(r"(?:jan|feb|ma[ry]|apr|ju[nl]|aug|sep|oct|nov|dec)[a-z]{0,6}[^a-z]")
_CENTURIES = (1900, 2000)


def days_in(folded: str) -> set[int]:
    """The days (proleptic Gregorian ordinals) that a folded text names in full, with day, month and year."""
    found: set[int] = set()
    for year, month, day in _written(folded):
        for whole in (year,) if year > 99 else (century + year for century in _CENTURIES):
            try:
                found.add(date(whole, month, day).toordinal())
            except ValueError:
                continue
    return found


def _written(text: str) -> Iterator[tuple[int, int, int]]:
    for match in _YEAR_FIRST.finditer(text):
        if match[2] or len(match[3] + match[4]) == 4:
            yield int(match[1]), int(match[3]), int(match[4])
    for match in _YEAR_LAST.finditer(text):
        first, second, year = int(match[1]), int(match[3]), int(match[4])
        yield year, first, second
        yield year, second, first
    if not _LETTERS_OF_A_MONTH.search(text + " "):
        return
    for match in _DAY_MONTH_YEAR.finditer(text):
        yield int(match[3]), _month(match[2]), int(match[1])
    for match in _MONTH_DAY_YEAR.finditer(text):
        yield int(match[3]), _month(match[1]), int(match[2])
    for match in _YEAR_MONTH_DAY.finditer(text):
        yield int(match[1]), _month(match[2]), int(match[3])


def _month(name: str) -> int:
    return _NAMES.index(name[:3]) // 4 + 1


__all__ = ["days_in"]
