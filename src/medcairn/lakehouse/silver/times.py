"""FHIR's texts for times, as integer microseconds since 1970 in UTC: the one rule for all of silver.

An R4 dateTime is a year, a month, a day, or an instant with its zone. A day is midnight UTC. A year or a
month is no time: to take its first instant would be a guess. An instant without a zone is not valid R4.
A leap second (``:60``) is the first second of the next minute; digits below a microsecond are cut off.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date

from medcairn.lakehouse.silver.problems import Problem

_SECOND = 1_000_000
_DAY = 86_400 * _SECOND
_EPOCH = date(1970, 1, 1).toordinal()
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_CLOCK = re.compile(
    r"T([01]\d|2[0-3]):([0-5]\d)(?::([0-5]\d|60)(?:\.(\d+))?)?(?:Z|([+-])(0\d|1[0-4]):([0-5]\d))", re.ASCII
)
_MOST = 1 << 17
"""Days and times of day that are remembered: all seconds of a day, in one zone."""
_MOST_LATELY = 1 << 9
"""Whole texts: few enough to stay near the processor."""

_days: dict[str, int] = {}
_clocks: dict[str, int] = {"": 0}


class _Lately(dict[str, int | None]):
    """Texts that were read lately: the facts of one encounter share theirs."""

    def __missing__(self, text: str) -> int | None:
        day, clock = _days.get(text[:10]), _clocks.get(text[10:])
        value = _read(text) if day is None or clock is None else day + clock
        if len(self) >= _MOST_LATELY:
            self.clear()
        self[text] = value
        return value


micros: Callable[[str], int | None] = _Lately().__getitem__
"""Microseconds since 1970-01-01T00:00Z; None for a year, a month, and what is no R4 time."""


def timed(text: str | None) -> tuple[int | None, int]:
    """:func:`micros` of a text that may be absent, and the problem bits when it is no time."""
    if text is None:
        return None, 0
    found = micros(text)
    return found, 0 if found is not None else time_problem(text)


def time_problem(text: str) -> int:
    """Why :func:`micros` gave None for ``text``, as problem bits."""
    return Problem.PARTIAL_TIME.bit if len(text) < 10 else Problem.INVALID_TIME.bit


def _read(text: str) -> int | None:
    day, clock = _day(text[:10]), _clock(text[10:])
    if day is None or clock is None:
        return None
    _remember(_days, text[:10], day)
    _remember(_clocks, text[10:], clock)
    return day + clock


def _remember(seen: dict[str, int], text: str, value: int) -> None:
    if len(seen) >= _MOST:
        seen.clear()
    seen[text] = value


def _day(text: str) -> int | None:
    if not _DATE.fullmatch(text):
        return None
    try:
        return (date(int(text[:4]), int(text[5:7]), int(text[8:])).toordinal() - _EPOCH) * _DAY
    except ValueError:
        return None


def _clock(text: str) -> int | None:
    """Of a time of day with its zone; it may be below zero or above a day. Nothing is midnight."""
    if not text:
        return 0
    found = _CLOCK.fullmatch(text)
    if found is None:
        return None
    hours, minutes, seconds, fraction, sign, zone_hours, zone_minutes = found.groups()
    total = (int(hours) * 60 + int(minutes)) * 60 + int(seconds or 0)
    if sign is not None:
        zone = (int(zone_hours) * 60 + int(zone_minutes)) * 60
        total += zone if sign == "-" else -zone
    return total * _SECOND + int((fraction or "0")[:6].ljust(6, "0"))


__all__ = ["micros", "time_problem", "timed"]
