"""Dates as the tool treats them: shifted by days, or cut to the year, or removed over the age of 89."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache

from medcairn.deid.ms_compat.configuration import Parameters
from medcairn.deid.ms_compat.nodes import Node
from medcairn.deid.ms_compat.outcome import Operation

OLDEST_YEARS = 89
_SEED = 131
_RANGE_DAYS = 50
_WRITTEN = re.compile(
    r"(?P<year>\d{4})(?:-(?P<month>\d\d)(?:-(?P<day>\d\d)(?P<time>T.*)?)?)?(?:Z|[+-]\d\d:\d\d)?", re.DOTALL
)
_TIME = re.compile(r"T\d\d:\d\d:\d\d(\.\d+)?(?:Z|[+-]\d\d:\d\d)")
_CLOCK = re.compile(r"\d\d:\d\d:\d\d(\.\d+)?")


@dataclass(frozen=True)
class Dates:
    """Shifts and cuts dates under the parameters, with ages reckoned on ``as_of``.

    ``prefix`` is the file's or folder's name when the scope is one of these.
    """

    parameters: Parameters
    as_of: date
    prefix: str = ""

    def shift(self, node: Node) -> Operation:
        """Move a full date by its scope's days; what has no day, or tells an age over 89, is redacted."""
        found = _WRITTEN.fullmatch(str(node.value))
        if found is None or found["day"] is None or self._tells_age(found):
            return self.redact(node)
        moved = _moved(found, self._days(node))
        if moved is None:
            node.value = None
            return Operation.REDACT
        time = found["time"] or ""
        node.value = moved + (_midnight(time) if _TIME.fullmatch(time) else "")
        return Operation.PERTURB

    def redact(self, node: Node) -> Operation:
        """Keep the year, where the parameters allow it and it tells no age over 89; else remove.

        A text that is no date is removed as well (the tool would let it stand).
        """
        found = _WRITTEN.fullmatch(str(node.value))
        keep = self.parameters.partial_dates and found is not None and not self._tells_age(found)
        node.value = found["year"] if keep and found is not None else None
        return Operation.REDACT

    def _tells_age(self, found: re.Match[str]) -> bool:
        """Whether a person born then would be over 89; a missing month or day counts as the first."""
        year, month, day = (int(found[part] or 1) for part in ("year", "month", "day"))
        before_birthday = (self.as_of.month, self.as_of.day) < (month, day)
        return self.as_of.year - year - before_birthday > OLDEST_YEARS

    def _days(self, node: Node) -> int:
        fixed = self.parameters.date_shift_fixed_days
        if fixed is not None:
            return fixed
        return shift_days(self.prefix or node.root.id_text, self.parameters.date_shift_key)


@lru_cache(maxsize=1024)  # all dates of a resource ask for the same
def shift_days(prefix: str, key: str) -> int:
    """From -50 to 50: the bytes of prefix and key folded modulo 101. No cryptographic function."""
    folded = 0
    for byte in (prefix + key).encode():
        folded = (folded * _SEED + byte) % (2 * _RANGE_DAYS + 1)
    return folded - _RANGE_DAYS


def _moved(found: re.Match[str], days: int) -> str | None:
    try:
        day = date(int(found["year"]), int(found["month"]), int(found["day"]))
        return (day + timedelta(days=days)).isoformat()
    except (ValueError, OverflowError):
        return None


def _midnight(time: str) -> str:
    """All digits of the clock become 0; the zone stays."""
    return _CLOCK.sub(lambda clock: re.sub(r"\d", "0", clock[0]), time, count=1)


__all__ = ["OLDEST_YEARS", "Dates", "shift_days"]
