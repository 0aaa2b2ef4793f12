"""Counting, another way than the scrub works, how many known identifiers stood in the texts and still do.

The scrub joins words and looks the result up; here each identifier is searched for as a row of words, or of
digits, in the text as a whole. It measures the removal of what the records hold, and says nothing of names
that only the note knows.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from datetime import date

from medcairn.core.canonical import JSON
from medcairn.core.identifiers import IdentifierClass
from medcairn.deid.scrub.subject import SubjectIdentifiers, fold

_SPLIT = re.compile(r"[\W_]+")
_BETWEEN_DIGITS = re.compile(r"(?<=[0-9])[\s().\-/+]+(?=[0-9(])")
_SHORTEST_NAME = 3


class RecallTally:
    """Running counts by class: identifiers that stood in the texts, and those that still do."""

    def __init__(self) -> None:
        self.stood: Counter[IdentifierClass] = Counter()
        self.still: Counter[IdentifierClass] = Counter()

    def count(self, subject: SubjectIdentifiers, before: str, after: str) -> None:
        """Count the subject's identifiers in a text before and after its scrub."""
        old, new = _Text(before), _Text(re.sub(r"\[[A-Z0-9_]+\]", " | ", after))
        for kind, value in set(_values(subject)):
            if old.holds(value):
                self.stood[kind] += 1
                self.still[kind] += new.holds(value)

    def facts(self) -> dict[str, JSON]:
        """By class: how many stood there, how many were removed, and the share (recall)."""
        return {
            kind.value: {
                "stood": count,
                "removed": count - self.still[kind],
                "recall": round(1 - self.still[kind] / count, 6),
            }
            for kind, count in sorted(self.stood.items())
        }


class _Text:
    """A text as words between single blanks, and as groups of digits pulled together."""

    def __init__(self, text: str) -> None:
        folded = fold(text)
        self._words = f" {' '.join(_SPLIT.split(folded))} "
        self._numbers = frozenset(re.findall(r"[0-9]+", _BETWEEN_DIGITS.sub("", folded)))

    def holds(self, value: str) -> bool:
        return value in self._numbers if value.isdigit() else f" {value} " in self._words


def _values(subject: SubjectIdentifiers) -> Iterator[tuple[IdentifierClass, str]]:
    for name in subject.names:
        for part in (*name.given, name.family):
            if len(part) >= _SHORTEST_NAME:
                yield IdentifierClass.NAME, _row(part)
    for street in subject.streets:
        yield IdentifierClass.ADDRESS, _row(street)
    for city in subject.cities:
        yield IdentifierClass.CITY, _row(city)
    for code in subject.postal_codes:
        yield IdentifierClass.POSTAL_CODE, _row(code)
    for email in subject.emails:
        yield IdentifierClass.EMAIL, _row(email)
    for phone in subject.phones:
        yield IdentifierClass.PHONE, "".join(mark for mark in phone if mark.isdigit())
    for number in subject.numbers:
        digits = "".join(mark for mark in number if mark.isdigit())
        bare = _SPLIT.sub("", fold(number))
        yield IdentifierClass.IDENTIFIER, digits if bare == digits else _row(number)
    for day in subject.dates:
        for form in _days(day):
            yield IdentifierClass.DATE, _row(form)


def _days(day: date) -> Iterator[str]:
    yield day.isoformat()
    for form in ("%m/%d/%Y", "%d %B %Y", "%B %d %Y", "%d %b %Y"):
        yield day.strftime(form)


def _row(text: str) -> str:
    return " ".join(_SPLIT.split(fold(text))).strip()


__all__ = ["RecallTally"]
