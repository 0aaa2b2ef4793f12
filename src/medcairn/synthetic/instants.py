"""Time as whole minutes since 1970-01-01T00:00Z, and its FHIR forms.

The hospital keeps local time, five hours behind UTC all year; ``meta.lastUpdated`` is in UTC.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

HOUR = 60
DAY = 24 * HOUR
YEAR_DAYS = 365.25

_EPOCH = date(1970, 1, 1).toordinal()
_LOCAL_MINUTES = -5 * HOUR


class _DayNames(dict[int, str]):
    """Days since the epoch to ``YYYY-MM-DD``, remembered: formatting a date is slow, and days repeat."""

    def __missing__(self, day: int) -> str:
        name = self[day] = date.fromordinal(_EPOCH + day).isoformat()
        return name


_DAY_NAMES = _DayNames()
_MINUTE_NAMES = tuple(f"T{minute // 60:02}:{minute % 60:02}:00" for minute in range(DAY))


def fhir_datetime(minute: int) -> str:
    """``2025-01-31T09:30:00-05:00``: FHIR dateTime or instant in the hospital's local time."""
    day, rest = divmod(minute + _LOCAL_MINUTES, DAY)
    return f"{_DAY_NAMES[day]}{_MINUTE_NAMES[rest]}-05:00"


def fhir_instant(minute: int) -> str:
    """``2025-01-31T14:30:00Z``: FHIR instant in UTC."""
    day, rest = divmod(minute, DAY)
    return f"{_DAY_NAMES[day]}{_MINUTE_NAMES[rest]}Z"


def fhir_date(day: int) -> str:
    """``2025-01-31``; ``day`` counts days since 1970-01-01."""
    return _DAY_NAMES[day]


def local_day(minute: int) -> int:
    """The hospital's calendar day, as days since 1970-01-01."""
    return (minute + _LOCAL_MINUTES) // DAY


def office_minute(day: int, fraction: float) -> int:
    """A minute in office hours (08:00 to 16:00 local) of ``day``; ``fraction`` in [0, 1)."""
    return day * DAY - _LOCAL_MINUTES + 8 * HOUR + int(fraction * 8 * HOUR)


def start_of(day: date) -> int:
    """Midnight UTC at the beginning of ``day``."""
    return (day.toordinal() - _EPOCH) * DAY


def as_datetime(minute: int) -> datetime:
    """The aware UTC datetime of ``minute``."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(minutes=minute)


__all__ = [
    "DAY",
    "HOUR",
    "YEAR_DAYS",
    "as_datetime",
    "fhir_date",
    "fhir_datetime",
    "fhir_instant",
    "local_day",
    "office_minute",
    "start_of",
]
