"""The interval time axis: pure rules for where a subject's dates go.

All instants are read as UTC. A subject's dates are moved by the whole days that bring the day of the first
record to 1 January of its year: that year and the intervals are published, and nothing else of the dates.

Our reading of 45 CFR 164.514(b)(2)(i)(C) for ages over 89: a subject is *over 89* when that age was reached
at death or, for the living, by ``as_of`` or the last record, whichever is later. The year of birth becomes
90 years before ``as_of`` (before death, when that was earlier), and dates before that year are withheld.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

OLDEST_SHOWN_AGE = 89
TOP_AGE = 90

LARGEST_SHIFT = timedelta(days=365)
"""From 31 December of a leap year back to 1 January."""

_AFTER = "~"
"""Follows every character of a date, so that a day and this follow every time on that day."""


def read_moment(text: str) -> datetime | None:
    """A FHIR date or dateTime as a naive UTC instant; partial dates as their first day; None: unreadable.

    A time without an offset, which FHIR forbids, is read as UTC.
    """
    if len(text) == 4 and text.isdigit():
        text += "-01-01"
    elif len(text) == 7:
        text += "-01"
    if len(text) < 10 or text[4] != "-" or text[5] == "W":
        return None
    try:
        moment = datetime.fromisoformat(text)
        offset = moment.utcoffset()
        return moment if offset is None else moment.replace(tzinfo=None) - offset
    except (ValueError, OverflowError):
        return None


class Span:
    """What pass one learns of a subject: first and last day, day of birth and of death (proleptic ordinals).

    The last day matters only where it is later than ``as_of``, and is not kept before.

    A date or dateTime ``text`` with ``after_first < text < last_text`` lies between the first and the last
    day, and need not be noted: a comparison of strings tells most.
    """

    __slots__ = ("after_first", "birth", "died", "first", "last", "last_text")

    def __init__(self, as_of: date) -> None:
        self.first: int | None = None
        self.last = as_of.toordinal()
        self.birth: int | None = None
        self.died: int | None = None
        self.after_first = _AFTER
        self.last_text = as_of.isoformat()

    def note(self, text: str) -> None:
        """A date of one of the subject's records."""
        if self.after_first < text < self.last_text:
            return  # the UTC day differs from the written one by at most a day, so it lies between as well
        moment = read_moment(text)
        if moment is not None:
            day = moment.toordinal()
            self.reach(day)

    def born(self, text: str) -> None:
        """The date of birth. It is no record, so it does not move the first day."""
        moment = read_moment(text)
        if moment is not None:
            self.birth = _earliest(self.birth, moment.toordinal())

    def death(self, text: str) -> None:
        """The date of death, which is a record as well."""
        self.note(text)
        moment = read_moment(text)
        if moment is not None:
            self.died = _earliest(self.died, moment.toordinal())

    def reach(self, day: int) -> None:
        """Widen the span to hold ``day``."""
        if self.first is None or day < self.first:
            self.first = day
            self.after_first = date.fromordinal(day).isoformat() + _AFTER
        if day > self.last:
            self.last = day
            self.last_text = date.fromordinal(day).isoformat()

    def merge(self, other: Span) -> None:
        """Take in what another part of the source said of the same subject."""
        if other.first is not None:
            self.reach(other.first)
            self.reach(other.last)
        self.birth = _earliest(self.birth, other.birth)
        self.died = _earliest(self.died, other.died)

    def __reduce__(self) -> tuple[object, ...]:
        return _span, (self.first, self.last, self.birth, self.died)


def _span(first: int | None, last: int, birth: int | None, died: int | None) -> Span:
    span = Span(date.fromordinal(last))
    if first is not None:
        span.reach(first)
    span.birth, span.died = birth, died
    return span


def _earliest(one: int | None, other: int | None) -> int | None:
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)


@dataclass(frozen=True, slots=True)
class Axis:
    """How one subject's dates are moved: by ``shift`` days; those before ``floor_year`` do not leave."""

    shift: int
    floor_year: int
    birth_year: int | None
    over_89: bool


def axis_of(span: Span, as_of: date) -> Axis:
    """The axis of a subject, with ages reckoned at ``as_of``."""
    shift = 0 if span.first is None else _new_year(span.first) - span.first
    birth = span.birth if span.birth is not None else span.first
    end = span.died if span.died is not None else max(as_of.toordinal(), span.last)
    if birth is not None and _age(birth, end) > OLDEST_SHOWN_AGE:
        top = as_of.year if span.died is None else min(as_of.year, _year(span.died + shift))
        birth_year = top - TOP_AGE
        return Axis(shift, birth_year, None if span.birth is None else birth_year, True)
    birth_year_shown = None if span.birth is None else _year(span.birth + shift)
    return Axis(shift, 1, birth_year_shown, False)


def followed_until(as_of: date) -> date:
    """The day up to which every subject was followed, on everybody's moved axis.

    The export's own day, moved like a subject's dates, would tell the shift to whoever knows that day. So it
    is moved by the largest shift there is, for all alike: it tells nothing about anyone, and no subject's
    follow-up ends before it.
    """
    return as_of - LARGEST_SHIFT


def _new_year(day: int) -> int:
    return date(date.fromordinal(day).year, 1, 1).toordinal()


def _year(day: int) -> int:
    return date.fromordinal(max(day, 1)).year


def _age(birth: int, day: int) -> int:
    born, then = date.fromordinal(birth), date.fromordinal(day)
    return then.year - born.year - ((then.month, then.day) < (born.month, born.day))


__all__ = [
    "LARGEST_SHIFT",
    "OLDEST_SHOWN_AGE",
    "TOP_AGE",
    "Axis",
    "Span",
    "axis_of",
    "followed_until",
    "read_moment",
]
