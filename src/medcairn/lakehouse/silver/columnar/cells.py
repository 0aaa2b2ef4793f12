"""Columns out of spans: ids, times, numbers and texts, each by the rule that silver has for one value.

Every function takes where the values begin and end in a buffer (0, 0: absent) and marks as odd what is not of
the plain form that it reads; somebody else reads that.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from medcairn.core.compiled import compiled
from medcairn.lakehouse import arrays
from medcairn.lakehouse.silver.columnar.layouts import Bytes, Flags, Int64s

Floats = npt.NDArray[np.float64]

NO_TIME = int(np.iinfo(np.int64).min)
"""Stands for the time of what has none."""

_POWERS = 10.0 ** np.arange(23)
"""Exact as doubles, so that one division rounds once (Clinger 1990)."""
_MOST_DIGITS = 15
_ZERO, _NINE = 48, 57
_LONGEST_ID = 64
_IN_ID = np.zeros(256, np.bool_)
_IN_ID[list(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-")] = True
_DAYS_BEFORE = np.array([0, 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365])


@compiled
def _begins_with(data: Bytes, begin: int, end: int, word: Bytes) -> bool:
    if end - begin < len(word):
        return False
    same, first = True, np.uint64(begin)
    for place in range(np.uint64(len(word))):
        same &= data[first + place] == word[place]
    return same


@compiled
def _ids(data: Bytes, begins: Int64s, ends: Int64s, before: Bytes, out: Int64s, odd: Flags) -> None:
    for row in range(len(begins)):
        begin, end = begins[row], ends[row]
        out[row] = 0
        if end == 0:
            continue
        plain = _begins_with(data, begin, end, before)
        begin += len(before)
        out[row] = begin
        plain &= 0 < end - begin <= _LONGEST_ID
        for place in range(np.uint64(begin), np.uint64(end)):
            plain &= _IN_ID[data[place]]
        odd[row] |= not plain


@compiled
def _two(data: Bytes, at: int) -> int:
    """A number of two digits; -10000 when it is none."""
    if _ZERO <= data[at] <= _NINE and _ZERO <= data[at + 1] <= _NINE:
        number: int = (data[at] - _ZERO) * 10 + (data[at + 1] - _ZERO)
        return number
    return -10_000


@compiled
def _day(data: Bytes, at: int) -> int:
    """Days since 1970 of ``YYYY-MM-DD``; NO_TIME when it is none."""
    year, month, day = _two(data, at) * 100 + _two(data, at + 2), _two(data, at + 5), _two(data, at + 8)
    if year < 1 or data[at + 4] != 45 or data[at + 7] != 45 or month < 1 or month > 12 or day < 1:
        return NO_TIME
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    length = _DAYS_BEFORE[month + 1] - _DAYS_BEFORE[month] + (1 if leap and month == 2 else 0)
    if day > length:
        return NO_TIME
    years = year - 1
    before: int = years * 365 + years // 4 - years // 100 + years // 400 + _DAYS_BEFORE[month]
    return before + (1 if leap and month > 2 else 0) + day - 1 - 719_162


@compiled
def _zone(data: Bytes, at: int, end: int) -> int:
    """Minutes east of Greenwich of ``Z`` or ``+hh:mm``; NO_TIME when it is none."""
    if end - at == 1 and data[at] == 90:
        return 0
    if end - at != 6 or data[at + 3] != 58 or (data[at] != 43 and data[at] != 45):
        return NO_TIME
    hours, minutes = _two(data, at + 1), _two(data, at + 4)
    if hours < 0 or hours > 14 or minutes < 0 or minutes > 59:
        return NO_TIME
    return hours * 60 + minutes if data[at] == 43 else -hours * 60 - minutes


@compiled
def _instant(data: Bytes, at: int, end: int) -> int:
    """Microseconds since 1970 of a day, or of a time on a day with seconds and its zone; else NO_TIME."""
    if end - at < 10:
        return NO_TIME
    day = _day(data, at)
    if day == NO_TIME or end - at == 10:
        return NO_TIME if day == NO_TIME else day * 86_400_000_000
    if end - at < 20 or data[at + 10] != 84 or data[at + 13] != 58 or data[at + 16] != 58:
        return NO_TIME
    hours, minutes, seconds = _two(data, at + 11), _two(data, at + 14), _two(data, at + 17)
    if hours < 0 or hours > 23 or minutes < 0 or minutes > 59 or seconds < 0 or seconds > 60:
        return NO_TIME
    at += 19
    micros, unit = 0, 100_000
    if data[at] == 46:
        at += 1
        begin = at
        while at < end and _ZERO <= data[at] <= _NINE:
            micros += (data[at] - _ZERO) * unit
            unit //= 10
            at += 1
        if at == begin:
            return NO_TIME
    zone = _zone(data, at, end)
    if zone == NO_TIME:
        return NO_TIME
    return ((day * 1440 + hours * 60 + minutes - zone) * 60 + seconds) * 1_000_000 + micros


@compiled
def _times(data: Bytes, begins: Int64s, ends: Int64s, out: Int64s, odd: Flags) -> None:
    for row in range(len(begins)):
        out[row] = NO_TIME
        if ends[row]:
            out[row] = _instant(data, begins[row], ends[row])
            if out[row] == NO_TIME:
                odd[row] = True


@compiled
def _decimals(data: Bytes, begins: Int64s, ends: Int64s, out: Floats, odd: Flags) -> None:
    for row in range(len(begins)):
        out[row] = np.nan
        if ends[row] == 0:
            continue
        at = begins[row]
        negative = data[at] == 45
        at += 1 if negative else 0
        digits, whole, after, behind = 0, 0, 0, False
        while at < ends[row]:
            letter = data[at]
            at += 1
            if letter == 46:
                behind = True
                continue
            if letter < _ZERO or letter > _NINE:
                digits = 100
                break
            whole = whole * 10 + (letter - _ZERO)
            digits += 1 if whole else 0
            after += 1 if behind else 0
            if digits > _MOST_DIGITS:
                break
        if digits > _MOST_DIGITS or after >= len(_POWERS):
            odd[row] = True
            continue
        value = np.float64(whole) / _POWERS[after]
        out[row] = -value if negative and whole else value


@compiled
def _gather(data: Bytes, begins: Int64s, ends: Int64s, out: Bytes) -> None:
    to = np.uint64(0)
    for row in range(len(begins)):
        begin, length = np.uint64(begins[row]), np.uint64(ends[row] - begins[row])
        for place in range(length):
            out[to + place] = data[begin + place]
        to += length


def ids(data: Bytes, spans: Int64s, odd: Flags, before: bytes = b"") -> Int64s:
    """The spans of FHIR ids, which stand behind the letters ``before``."""
    begins, ends = _ends(spans)
    out = np.empty_like(begins)
    _ids(data, begins, ends, np.frombuffer(before, np.uint8).copy(), out, odd)
    return np.stack([out, ends], axis=1)


def times(data: Bytes, spans: Int64s, odd: Flags) -> Int64s:
    """Microseconds since 1970 (see :mod:`medcairn.lakehouse.silver.times`), or NO_TIME."""
    begins, ends = _ends(spans)
    out = np.empty_like(begins)
    _times(data, begins, ends, out, odd)
    return out


def decimals(data: Bytes, spans: Int64s, odd: Flags) -> Floats:
    """The nearest doubles of JSON numbers, NaN where there are none. More than 15 digits are odd."""
    begins, ends = _ends(spans)
    out = np.empty(len(begins), np.float64)
    _decimals(data, begins, ends, out, odd)
    return out


def texts(data: Bytes, spans: Int64s) -> pa.StringArray:
    """The texts in the spans, null where there are none."""
    begins, ends = _ends(spans)
    out = np.empty(int((ends - begins).sum()), np.uint8)
    _gather(data, begins, ends, out)
    return arrays.text_from(out, ends - begins, ends == 0)


def _ends(spans: Int64s) -> tuple[Int64s, Int64s]:
    return np.ascontiguousarray(spans[:, 0]), np.ascontiguousarray(spans[:, 1])


__all__ = ["NO_TIME", "Floats", "decimals", "ids", "texts", "times"]
