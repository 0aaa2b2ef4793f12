"""Age ranges of a cohort, banded as de-identification asks.

45 CFR 164.514(b)(2)(i)(C): ages over 89 and all elements that tell such an age are identifiers, except that
they may be put together in one category of age 90 or older.
"""

from __future__ import annotations

import re

from medcairn.tracking.fields import problem

BAND = 90
"""Ages from here on are told as ``90+`` only."""

OLDEST = 130
"""Years; a greater number is no age but a month, a day or a slip."""

_RANGE = re.compile(r"\s*(\d{1,3})\s*(?:([-\N{EN DASH}])\s*(\d{1,3}))?\s*(\+?)\s*\Z", re.ASCII)


def age_range(field: str, value: object) -> str | None:
    """``18-65``, ``65+``, ``18-90+`` or one age, in years; None stays None.

    ``72-95`` and ``72-90`` become ``72-90+``, and ``91-97`` becomes ``90+``.

    Raises :class:`~medcairn.tracking.failures.ContextError` for any other form, and for a range whose end is
    below its beginning or beyond 130 years.
    """
    if value is None:
        return None
    found = _RANGE.match(value) if isinstance(value, str) else None
    if found is None:
        raise problem(field, "not_an_age_range")
    low, high, above = int(found[1]), int(found[3] or found[1]), bool(found[4])
    if high < low:
        raise problem(field, "ends_before_it_begins")
    if high > OLDEST:
        raise problem(field, "no_age")
    return _told(low, high, above)


def _told(low: int, high: int, above: bool) -> str:
    top = f"{BAND}+" if high >= BAND else f"{high}+" if above else str(high)
    if low >= BAND or low == high:
        return top
    return f"{low}-{top}"


__all__ = ["BAND", "OLDEST", "age_range"]
