"""Dates read and written quickly: hours and days recur, so each is worked out once."""

from __future__ import annotations

from datetime import date, datetime
from typing import TypeVar

from medcairn.deid.axis import read_moment

_LIMIT = 50_000
_ANY_DAY = date(2000, 6, 15)
_MINUTES = frozenset(f":{minute:02d}:{second:02d}" for minute in range(60) for second in range(60))
_PLAIN = (25, 20)
_WITH_MILLISECONDS = (29, 24)

Key = TypeVar("Key")
Value = TypeVar("Value")


class Calendar:
    """Remembers which day is written how, and which UTC hour an hour elsewhere is."""

    __slots__ = ("_days", "_hours", "_numbers")

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._hours: dict[str, tuple[int, str]] = {}
        self._days: dict[int, tuple[int, str]] = {}

    def moved(self, text: str, days: int) -> tuple[int, str] | None:
        """(year, ``YYYY-MM-DDTHH:MM:SSZ``) of an instant ``days`` later; None: not of a common form."""
        hour = self.hour(text)
        if hour is None:
            return None
        number = hour[0] + days
        day = self._days.get(number) or self.day(number)
        return None if day is None else (day[0], f"{day[1]}{hour[1]}{text[13:19]}Z")

    def hour(self, text: str) -> tuple[int, str] | None:
        """(day number in UTC, ``THH``) of an instant; None when it is not of a common form.

        Common are ``YYYY-MM-DDTHH:MM:SS`` with or without milliseconds, then ``Z`` or an offset of hours.
        """
        size = len(text)
        if size in _PLAIN:
            key = text[10:13] + text[19:]
        elif size in _WITH_MILLISECONDS and text[19] == "." and text[20:23].isdigit():
            key = text[10:13] + text[23:]
        else:
            return None
        if text[13:19] not in _MINUTES:
            return None
        hour = self._hours.get(key) or self._hour(key)
        if hour is None:
            return None
        day = text[:10]
        number = self._numbers.get(day) or self._number(day)
        return None if number is None else (number + hour[0], hour[1])

    def day(self, number: int) -> tuple[int, str] | None:
        """(year, ``YYYY-MM-DD``) of a day number; None when the calendar does not hold it."""
        try:
            return self._days[number]
        except KeyError:
            pass
        if not 1 <= number <= date.max.toordinal():
            return None
        day = date.fromordinal(number)
        found = day.year, day.isoformat()
        _keep(self._days, number, found)
        return found

    def _number(self, day: str) -> int | None:
        moment = read_moment(day) if len(day) == 10 else None
        if moment is None:
            return None
        _keep(self._numbers, day, moment.toordinal())
        return moment.toordinal()

    def _hour(self, key: str) -> tuple[int, str] | None:
        """(days from the written day to the UTC day, ``THH``) of a ``THH`` and a zone."""
        moment = read_moment(f"{_ANY_DAY:%Y-%m-%d}{key[:3]}:00:00{key[3:]}")
        if moment is None or moment.minute or moment.second:
            return None
        found = moment.toordinal() - _ANY_DAY.toordinal(), f"T{moment.hour:02d}"
        _keep(self._hours, key, found)
        return found


def _keep(memo: dict[Key, Value], key: Key, value: Value) -> None:
    if len(memo) >= _LIMIT:
        memo.clear()
    memo[key] = value


def in_precision_of(text: str, day: str, moment: datetime) -> str:
    """The moved ``day`` as precisely as ``text`` was written: a year, a day, or a UTC second."""
    if len(text) > 10:
        return f"{day}T{moment:%H:%M:%S}Z"
    return day if len(text) == 10 else day[:4]


__all__ = ["Calendar", "in_precision_of"]
