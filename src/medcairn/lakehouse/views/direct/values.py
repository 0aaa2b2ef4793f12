"""What the generated text calls: the few operations of a view that are more than a line of Python."""

from __future__ import annotations

import math
import re
from calendar import monthrange
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import zip_longest
from typing import NamedTuple, cast

import msgspec

from medcairn.core.errors import DataError
from medcairn.lakehouse.views.elements import INTEGERS

_ID = "[A-Za-z0-9.-]{1,64}"
_NUMBER_STARTS = b"-0123456789"
_LOWEST, _HIGHEST = -(2**63), 2**63 - 1
_MOMENT = re.compile(
    r"([1-9]\d{3}-\d\d-\d\d)T((?:[01]\d|2[0-3]):[0-5]\d)(?:(:[0-5]\d)(?:\.(\d{1,9}))?)?"
    r"(?:Z|([+-])(0\d|1[0-4]):([0-5]\d))?",
    re.ASCII,
)
_DECIMAL = re.compile(r"-?\d{1,23}(?:\.(\d{1,13}))?", re.ASCII)
_TIME = r"(\d\d:\d\d)(?:(:\d\d)(?:\.(\d+))?)?"
_DATE_TIME = re.compile(
    rf"(\d{{4}}(?:-\d\d){{0,2}})(?:(?<=-\d\d-\d\d)T({_TIME})(Z|[+-]\d\d:\d\d)?)?", re.ASCII
)
_TIME_ALONE = re.compile(_TIME, re.ASCII)


def several() -> DataError:
    """The error of a view that wants one value and finds more."""
    return DataError(
        "A view asks for one value where the data hold several",
        hint="Set `collection: true` on the column, or take one with first() or where()",
    )


def constant(value: str, type_name: str) -> str | int | float | bool:
    """A constant of a view as the Python value of its FHIR type."""
    if type_name == "boolean":
        return value == "true"
    if type_name in INTEGERS:
        return int(value)
    return float(value) if type_name == "decimal" else value


class Pair(NamedTuple):
    """A value, and the object beside it that holds its extensions."""

    value: object
    more: object


def pair(value: object, more: object, read: Callable[[msgspec.Raw], object] | None) -> Pair | None:
    """A value with its companion; nothing where there is no value."""
    found = value if read is None else read(cast("msgspec.Raw", value))
    return None if found is None else Pair(found, more)


def pairs(
    found: Sequence[object] | None,
    more: Sequence[object] | None,
    read: Callable[[msgspec.Raw], object] | None,
) -> list[Pair]:
    """Values with the companions at the same places; places without a value are left out."""
    every = (pair(value, companion, read) for value, companion in zip_longest(found or (), more or ()))
    return [one for one in every if one is not None]


def digits(raw: msgspec.Raw | None) -> str | None:
    """The digits of a JSON number; None for what is no number, or beyond the range of a double."""
    data = bytes(raw or b"")
    if not data or data[0] not in _NUMBER_STARTS:
        return None
    text = data.decode("ascii")
    return text if math.isfinite(float(text)) else None


def number(text: str) -> float:
    """The digits of a JSON number as a double."""
    return float(text)


def finite(value: float) -> float | None:
    """A double, or nothing where it is none that JSON could hold."""
    return value if math.isfinite(value) else None


def quotient(left: float, right: float) -> float | None:
    """A division; nothing where the divisor is zero."""
    return finite(left / right) if right else None


def within_int64(value: int) -> int | None:
    """A whole number, or nothing where 64 bits do not hold it."""
    return value if _LOWEST <= value <= _HIGHEST else None


def in_time(left: str, right: str, operator: str) -> bool | None:
    """A comparison of two temporal values; nothing where the coarser one leaves it open (FHIRPath)."""
    a, b = _moment(left), _moment(right)
    if a is None or b is None:
        return None
    shared = min(len(a), len(b))
    if a[:shared] == b[:shared]:
        return operator in ("=", "<=", ">=") if len(a) == len(b) else None
    if operator in ("=", "!="):
        return operator == "!="
    return (a < b) is (operator in ("<", "<="))


def _moment(text: str) -> str | None:
    """A time of day on a date, in UTC; a text of another form as it is; None for a day that is none."""
    found = _MOMENT.fullmatch(text)
    if found is None:
        return text
    day, minute, second, fraction, sign, hours, minutes = found.groups()
    try:
        local = datetime.fromisoformat(f"{day}T{minute}{second or ''}")
        east = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
        moment = local + east if sign == "-" else local - east
    except (ValueError, OverflowError):
        return None
    if moment.year < 1000:
        return None
    if second is None:
        return moment.isoformat(timespec="minutes")
    return f"{moment.isoformat(timespec='seconds')}.{(fraction or '').ljust(6, '0')[:6]}"


class Keys(dict[str, "str | None"]):
    """The id in a reference's text, when it points to ``target`` (None: to any type).

    A subject and an encounter are named by many resources in a row, so the last ones are remembered.
    """

    _MOST = 4096

    def __init__(self, target: str | None) -> None:
        kind = re.escape(target) if target else "[A-Z][A-Za-z]+"
        self._match = re.compile(rf"(?s)(?:.*/)?{kind}/({_ID})(?:/_history/.*)?").fullmatch

    def __missing__(self, text: str) -> str | None:
        found = self._match(text)
        key = found.group(1) if found else None
        if len(self) >= self._MOST:
            self.clear()
        self[text] = key
        return key


def low_decimal(text: str) -> float | None:
    """The lowest number that the digits may stand for."""
    return _decimal_boundary(text, -5)


def high_decimal(text: str) -> float | None:
    """The highest number that the digits may stand for."""
    return _decimal_boundary(text, 5)


def _decimal_boundary(text: str, half: int) -> float | None:
    found = _DECIMAL.fullmatch(text)
    if found is None:
        return None
    # Python divides whole numbers exactly and rounds once.
    digits_after = len(found.group(1) or "")
    return (int(text.replace(".", "")) * 10 + half) / int(f"1{'0' * (digits_after + 1)}")


def low_date(text: str) -> str | None:
    """The first day that a partial date may mean."""
    return _day(text, -1)


def high_date(text: str) -> str | None:
    """The last day that a partial date may mean."""
    return _day(text, 1)


def _day(text: str, side: int) -> str | None:
    found = _DATE_TIME.fullmatch(text)
    if found is None or found.group(2):
        return None
    if len(text) == 4:
        return text + ("-01-01" if side < 0 else "-12-31")
    if len(text) == 7:
        month = int(text[5:])
        if not 1 <= month <= 12:
            return None
        return f"{text}-{1 if side < 0 else monthrange(int(text[:4]), month)[1]:02d}"
    return text


def low_time(text: str) -> str | None:
    """The first millisecond that a time of day may mean."""
    return _time(text, ":00", "0")


def high_time(text: str) -> str | None:
    """The last millisecond that a time of day may mean."""
    return _time(text, ":59", "9")


def _time(text: str, seconds: str, digit: str) -> str | None:
    found = _TIME_ALONE.fullmatch(text)
    if found is None:
        return None
    minute, second, fraction = found.groups()
    return f"{minute}{second or seconds}.{(fraction or '').ljust(3, digit)}"


def low_dateTime(text: str) -> str | None:  # noqa: N802
    """The first instant that a dateTime may mean, in the easternmost zone where it names none."""
    return _instant(text, low_date, low_time, "T00:00:00.000", "+14:00")


def high_dateTime(text: str) -> str | None:  # noqa: N802
    """The last instant that a dateTime may mean, in the westernmost zone where it names none."""
    return _instant(text, high_date, high_time, "T23:59:59.999", "-12:00")


_Boundary = Callable[[str], "str | None"]


def _instant(text: str, date: _Boundary, time: _Boundary, clock: str, unknown: str) -> str | None:
    found = _DATE_TIME.fullmatch(text)
    if found is None:
        return None
    day, time_of_day, zone = found.group(1), found.group(2), found.group(6)
    if time_of_day is None:
        known = date(day)
        return None if known is None else known + clock + unknown
    return f"{day}T{time(time_of_day)}{zone or unknown}"


FUNCTIONS: Mapping[str, Callable[..., object]] = {
    **{
        f.__name__: f for f in (several, pair, pairs, digits, number, finite, quotient, within_int64, in_time)
    },
    **{f.__name__: f for f in (low_decimal, high_decimal, low_date, high_date, low_time, high_time)},
    **{f"low_{name}": low_dateTime for name in ("dateTime", "instant")},
    **{f"high_{name}": high_dateTime for name in ("dateTime", "instant")},
}
"""Every function by the name that it has in the text."""

__all__ = ["FUNCTIONS", "Keys", "constant", "several"]
