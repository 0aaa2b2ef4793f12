"""Dates read and written quickly: hours and days recur, so each is worked out once."""

from __future__ import annotations

from datetime import date, datetime

from medcairn.deid.axis import read_moment

_LIMIT = 200_000
_MINUTES = frozenset(f":{minute:02d}:{second:02d}" for minute in range(60) for second in range(60))


class Calendar:
    """Remembers which UTC hour a written hour is, and which date a day number is."""

    __slots__ = ("_days", "_hours")

    def __init__(self) -> None:
        self._hours: dict[str, tuple[int, str] | None] = {}
        self._days: dict[int, tuple[int, str] | None] = {}

    def hour(self, text: str) -> tuple[int, str] | None:
        """(day number in UTC, ``THH``) of an instant; None when it is not of a common form.

        Common are ``YYYY-MM-DDTHH:MM:SS`` with or without milliseconds, then ``Z`` or an offset of hours.
        """
        size = len(text)
        if size in (20, 25):
            zone = text[19:]
        elif size in (24, 29) and text[19] == "." and text[20:23].isdigit():
            zone = text[23:]
        else:
            return None
        if text[13:19] not in _MINUTES:
            return None
        key = text[:13] + zone
        try:
            return self._hours[key]
        except KeyError:
            pass
        moment = read_moment(f"{text[:13]}:00:00{zone}")
        found = None if moment is None or moment.minute or moment.second else _hour(moment)
        if len(self._hours) >= _LIMIT:
            self._hours.clear()
        self._hours[key] = found
        return found

    def day(self, number: int) -> tuple[int, str] | None:
        """(year, ``YYYY-MM-DD``) of a day number; None when the calendar does not hold it."""
        try:
            return self._days[number]
        except KeyError:
            pass
        found = None
        if 1 <= number <= date.max.toordinal():
            day = date.fromordinal(number)
            found = day.year, day.isoformat()
        if len(self._days) >= _LIMIT:
            self._days.clear()
        self._days[number] = found
        return found


def _hour(moment: datetime) -> tuple[int, str]:
    return moment.toordinal(), f"T{moment.hour:02d}"


def in_precision_of(text: str, day: str, moment: datetime) -> str:
    """The moved ``day`` as precisely as ``text`` was written: a year, a day, or a UTC second."""
    if len(text) > 10:
        return f"{day}T{moment:%H:%M:%S}Z"
    return day if len(text) == 10 else day[:4]


__all__ = ["Calendar", "in_precision_of"]
