"""The one place where integer moments become floats. Batch, Spark and online run this same compiled code.

Sums of products are put together as exact 128-bit integers; each becomes the nearest double, and what
follows is a fixed sequence of IEEE operations (none fused), so that the same moments give the same bits.
NaN is missing.

``slots`` are computed in order: a slot is a feature, or something that a score needs. The numbers of
operations are in :class:`Op`.
"""

from __future__ import annotations

import math
from enum import IntEnum
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from medcairn.features.kernels.compiled import compiled

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
_Wide: TypeAlias = tuple[np.int64, np.uint64]
"""128 bits: the high 64 (signed) and the low 64 (unsigned). The two are never mixed in one operation."""

SCALE = 10_000
"""Values are kept as whole multiples of 1/10,000 of the concept's canonical unit."""

TOP_AGE = 90
"""Ages above 89 are published as 90 (45 CFR 164.514(b)(2)(i)(C))."""


class Op(IntEnum):
    """How a slot is made, of the cells (or the number of a score) in its arguments."""

    LAST, FIRST, MIN, MAX, RANGE, SUM, MEAN, COUNT, ANY, DAYS_SINCE, DAYS_SINCE_FIRST = range(11)
    SD, SLOPE, MISSING, PDC, RAW, AGE, POINTS, EGFR = range(11, 19)
    STAY_LENGTH, STAY_EMERGENCY, STAY_TO_FACILITY, STAY_COUNT, STAY_LESS = range(19, 24)


_LAST, _FIRST, _MIN, _MAX, _RANGE = int(Op.LAST), int(Op.FIRST), int(Op.MIN), int(Op.MAX), int(Op.RANGE)
_SUM, _MEAN, _COUNT, _ANY = int(Op.SUM), int(Op.MEAN), int(Op.COUNT), int(Op.ANY)
_DAYS_SINCE, _DAYS_SINCE_FIRST, _SD, _SLOPE = (
    int(Op.DAYS_SINCE),
    int(Op.DAYS_SINCE_FIRST),
    int(Op.SD),
    int(Op.SLOPE),
)
_MISSING, _PDC, _AGE, _RAW = int(Op.MISSING), int(Op.PDC), int(Op.AGE), int(Op.RAW)
_POINTS, _EGFR, _STAY_LENGTH = int(Op.POINTS), int(Op.EGFR), int(Op.STAY_LENGTH)
_STAY_EMERGENCY, _STAY_TO_FACILITY = int(Op.STAY_EMERGENCY), int(Op.STAY_TO_FACILITY)
_STAY_COUNT, _STAY_LESS = int(Op.STAY_COUNT), int(Op.STAY_LESS)

_N, _SUM_V, _FIRST_V, _LAST_V, _MIN_V, _MAX_V, _SINCE_FIRST, _SINCE_LAST = 0, 1, 2, 3, 4, 5, 6, 7
_AGES, _VV, _VA, _AA = 8, 9, 12, 15  # as in moments.py
_NO_TIME = np.iinfo(np.int64).min
_DAY = 86_400_000_000
_U32, _U64 = np.uint64(32), np.uint64(64)
_LOW32 = np.uint64(0xFFFFFFFF)
_ZERO, _ONE = np.uint64(0), np.uint64(1)
_DAYS_TO_1970 = 719_162  # from the first day of year 1 in the Gregorian calendar
_DAYS_IN_400_YEARS = 146_097


@compiled
def _product(one: int, other: int) -> _Wide:
    """one × other."""
    left, right = np.uint64(abs(one)), np.uint64(abs(other))
    a, b, c, d = left >> _U32, left & _LOW32, right >> _U32, right & _LOW32
    middle = b * c + ((b * d) >> _U32)
    cross = a * d + (middle & _LOW32)
    low = left * right
    high = a * c + (middle >> _U32) + (cross >> _U32)
    if (one < 0) != (other < 0):
        low = ~low + _ONE
        high = ~high + (_ONE if low == _ZERO else _ZERO)
    return np.int64(high), low


@compiled
def _plus(high: np.int64, low: np.uint64, other_high: np.int64, other_low: np.uint64) -> _Wide:
    total = low + other_low
    return high + other_high + (np.int64(1) if total < low else np.int64(0)), total


@compiled
def _minus(high: np.int64, low: np.uint64, other_high: np.int64, other_low: np.uint64) -> _Wide:
    return high - other_high - (np.int64(1) if low < other_low else np.int64(0)), low - other_low


@compiled
def _times(high: np.int64, low: np.uint64, n: int) -> _Wide:
    """A 128-bit number times a positive 64-bit one, where the result fits in 128 bits."""
    a, b, factor = low >> _U32, low & _LOW32, np.uint64(n)
    c, d = factor >> _U32, factor & _LOW32
    middle = b * c + ((b * d) >> _U32)
    cross = a * d + (middle & _LOW32)
    carry = a * c + (middle >> _U32) + (cross >> _U32)
    return high * n + np.int64(carry), low * factor


@compiled
def _joined(high: int, middle: int, low: int) -> _Wide:
    """high × 2⁴⁰ + middle × 2²⁰ + low: three limbs of moments.py as 128 bits."""
    of_high, of_middle = _product(high, 1 << 40), _product(middle, 1 << 20)
    of_low = _product(low, 1)
    total = _plus(of_high[0], of_high[1], of_middle[0], of_middle[1])
    return _plus(total[0], total[1], of_low[0], of_low[1])


@compiled
def _nearest(high: np.int64, low: np.uint64) -> float:
    """The double nearest to a 128-bit number, ties to even."""
    negative = high < 0
    if negative:
        high, low = _minus(np.int64(0), _ZERO, high, low)
    top, rest = np.uint64(high), low
    if top == _ZERO:
        size = float(rest)
    else:
        shift = _ZERO
        while (top << shift) >> np.uint64(63) == _ZERO:
            shift += _ONE
        if shift > _ZERO:
            top = (top << shift) | (rest >> (_U64 - shift))
            rest = rest << shift
        if rest != _ZERO:
            top |= _ONE  # far below the last bit of the double: it only breaks ties
        size = math.ldexp(float(top), 64 - int(shift))
    return -size if negative else size


@compiled
def _centred(n: int, high: int, middle: int, low: int, left: int, right: int) -> float:
    """n × Σ(l·r) - Σl × Σr, exact until it becomes a double."""
    joined = _joined(high, middle, low)
    whole = _times(joined[0], joined[1], n)
    product = _product(left, right)
    exact = _minus(whole[0], whole[1], product[0], product[1])
    return _nearest(exact[0], exact[1])


@compiled
def _of_products(of: Ints, row: int, cell: int, limbs: int, left: int, right: int) -> float:
    """:func:`_centred` of fields of a cell."""
    high, middle, low = of[row, cell, limbs], of[row, cell, limbs + 1], of[row, cell, limbs + 2]
    return _centred(of[row, cell, _N], high, middle, low, of[row, cell, left], of[row, cell, right])


@compiled
def _sd(of: Ints, row: int, cell: int) -> float:
    n = of[row, cell, _N]
    if n < 2:
        return math.nan
    spread = _of_products(of, row, cell, _VV, _SUM_V, _SUM_V)
    return math.sqrt(spread / (float(n) * float(n - 1))) / SCALE


@compiled
def _slope(of: Ints, row: int, cell: int) -> float:
    bottom = _of_products(of, row, cell, _AA, _AGES, _AGES) if of[row, cell, _N] > 1 else 0.0
    if bottom <= 0.0:
        return math.nan
    top = _of_products(of, row, cell, _VA, _SUM_V, _AGES)
    return 0.0 - (top * 86_400.0) / (bottom * SCALE)  # ages run against time; 0.0 - x knows no negative zero


@compiled
def _days_before(year: int) -> int:
    """Days from the first of January of year 1 to that of ``year``."""
    past = year - 1
    return past * 365 + past // 4 - past // 100 + past // 400


@compiled
def _year(time: int) -> int:
    """The calendar year (UTC) of an instant in microseconds since 1970."""
    days = time // _DAY + _DAYS_TO_1970
    year = days * 400 // _DAYS_IN_400_YEARS + 1  # right, or one off near New Year
    while _days_before(year + 1) <= days:
        year += 1
    while _days_before(year) > days:
        year -= 1
    return year


@compiled
def _age(time: int, of: Ints, row: int, born: int, over_89: int) -> float:
    """Years between the year of birth and the year of ``time``, at most 90."""
    if of[row, born, _N] > 0:
        return float(min(_year(time) - of[row, born, _LAST_V], TOP_AGE))
    return float(TOP_AGE) if of[row, over_89, _N] > 0 else math.nan


@compiled
def _egfr(time: int, of: Ints, row: int, creatinine: int, born: int, over_89: int, female: int) -> float:
    """CKD-EPI 2021 without race: Inker LA et al. N Engl J Med 2021;385:1737-1749. mL/min/1.73 m².

    From the latest creatinine (mg/dL) in the window, the age when it was taken, and the sex.
    """
    level = of[row, creatinine, _LAST_V]
    if of[row, creatinine, _N] == 0 or of[row, female, _N] == 0 or level <= 0:
        return math.nan
    age = _age(time - of[row, creatinine, _SINCE_LAST], of, row, born, over_89)
    kappa, alpha, factor = 0.9, -0.302, 1.0
    if of[row, female, _LAST_V] == 1:
        kappa, alpha, factor = 0.7, -0.241, 1.012
    ratio = level / SCALE / kappa
    return float(142.0 * min(ratio, 1.0) ** alpha * max(ratio, 1.0) ** -1.2 * 0.9938**age * factor)


@compiled
def _points(
    score: int, values: Floats, terms_of: Ints, terms: Ints, inputs: Ints, guards: Ints, steps: Floats
) -> float:
    """The sum of a point table; ``terms`` are (inputs end, guards end, steps end, required, below)."""
    total = 0.0
    for term in range(terms_of[score], terms_of[score + 1]):
        silenced, looked_at = False, 0.0
        for at in range(terms[term, 1], terms[term + 1, 1]):
            silenced = silenced or values[guards[at]] > 0.0
        for at in range(terms[term, 0], terms[term + 1, 0]):
            looked_at += values[inputs[at]]
        if math.isnan(looked_at):
            if terms[term, 3] == 1:
                return math.nan
            continue
        points = 0.0
        for at in range(terms[term, 2], terms[term + 1, 2]):
            holds = looked_at < steps[at, 0] if terms[term, 4] == 1 else looked_at >= steps[at, 0]
            if holds:
                points = steps[at, 1]
        total += 0.0 if silenced else points
    return total


@compiled
def _windowed(op: int, of: Ints, row: int, cell: int) -> float:
    """What is made of one cell. Counts of nothing are 0, for that is what they say; the rest is missing."""
    n = of[row, cell, _N]
    if op == _COUNT:
        return float(n)
    if op == _ANY:
        return 1.0 if n > 0 else 0.0
    if op == _MISSING:
        return 1.0 if n == 0 else 0.0
    if op == _SUM:
        return float(of[row, cell, _SUM_V] / SCALE) if n > 0 else 0.0
    if n == 0:
        return math.nan
    if op == _LAST:
        return float(of[row, cell, _LAST_V] / SCALE)
    if op == _FIRST:
        return float(of[row, cell, _FIRST_V] / SCALE)
    if op == _MEAN:
        return float(of[row, cell, _SUM_V] / (n * SCALE))
    if op == _MIN:
        return float(of[row, cell, _MIN_V] / SCALE)
    if op == _MAX:
        return float(of[row, cell, _MAX_V] / SCALE)
    if op == _RANGE:
        return float((of[row, cell, _MAX_V] - of[row, cell, _MIN_V]) / SCALE)
    if op == _DAYS_SINCE:
        return float(of[row, cell, _SINCE_LAST] / _DAY)
    if op == _DAYS_SINCE_FIRST:
        return float(of[row, cell, _SINCE_FIRST] / _DAY)
    if op == _SD:
        return _sd(of, row, cell)
    if op == _SLOPE:
        return _slope(of, row, cell)
    if op == _PDC:
        return float(of[row, cell, _SUM_V] / of[row, cell, _SINCE_FIRST])
    return float(of[row, cell, _LAST_V])


@compiled
def _of_stay(op: int, stays: Ints, of: Ints, row: int, one: int, other: int) -> float:
    if stays[row, 0] == _NO_TIME:
        return math.nan
    if op == _STAY_LENGTH:
        return float(stays[row, 1] / _DAY)
    if op == _STAY_EMERGENCY:
        return float(stays[row, 2])
    if op == _STAY_TO_FACILITY:
        return float(stays[row, 3]) if stays[row, 3] >= 0 else math.nan
    if op == _STAY_COUNT:
        return float(of[row, one, _N])
    return float(of[row, one, _N] - of[row, other, _N])


@compiled
def finish(
    row_time: Ints, cells: Ints, stays: Ints, slots: Ints, columns: Ints, terms_of: Ints, terms: Ints,
    inputs: Ints, guards: Ints, steps: Floats, out: Floats, first: int,
) -> None:  # fmt: skip
    """Fills ``out`` (feature × row) from its row ``first`` on.

    ``slots`` are (op, four arguments); ``columns`` are the features' slots.
    """
    values = np.empty(len(slots), np.float64)
    for row in range(len(row_time)):
        for slot in range(len(slots)):
            op, one, other = slots[slot, 0], slots[slot, 1], slots[slot, 2]
            if op < _AGE:
                values[slot] = _windowed(op, cells, row, one)
            elif op == _POINTS:
                values[slot] = _points(one, values, terms_of, terms, inputs, guards, steps)
            elif op == _AGE:
                values[slot] = _age(row_time[row], cells, row, one, other)
            elif op == _EGFR:
                born, female = slots[slot, 3], slots[slot, 4]
                values[slot] = _egfr(row_time[row], cells, row, one, other, born, female)
            else:
                values[slot] = _of_stay(op, stays, cells, row, one, other)
        for column in range(len(columns)):
            out[column, first + row] = values[columns[column]]


__all__ = ["SCALE", "TOP_AGE", "Op", "finish"]
