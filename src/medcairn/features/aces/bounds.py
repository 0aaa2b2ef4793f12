"""The small language of window ends: ``trigger``, ``start + 24h``, ``gap.end -> discharge``."""

from __future__ import annotations

import re
from fractions import Fraction

from medcairn.features.aces.task import RECORD_END, RECORD_START, Bound

_NAME = re.compile(r"\w+(\.(start|end))?\Z", re.ASCII)
_PREDICATE = re.compile(r"\w+\Z", re.ASCII)
_UNITS = (
    ("w|wk|wks|week|weeks", 604_800),
    ("d|dy|dys|day|days", 86_400),
    ("h|hr|hrs|hour|hours", 3_600),
    ("m|min|mins|minute|minutes", 60),
    ("s|sec|secs|second|seconds", 1),
)
_DURATION = re.compile(
    r"\s*" + "".join(rf"(?:(\d+(?:\.\d+)?)\s*(?:{names})\b\s*[,/]?\s*)?" for names, _ in _UNITS) + r"\Z",
    re.IGNORECASE,
)


def parse_bound(text: str | None, *, is_start: bool) -> Bound | None:
    """One end of a window from its text; None when it cannot be read.

    No text is the start of the record for a start, and its end for an end.
    """
    if text is None:
        return (
            Bound("end", event=RECORD_START, forward=False) if is_start else Bound("start", event=RECORD_END)
        )
    for arrow, forward in (("->", True), ("<-", False)):
        if arrow in text:
            reference, _, event = (part.strip() for part in text.partition(arrow))
            good = _NAME.match(reference) and _PREDICATE.match(event)
            return Bound(reference, event=event, forward=forward) if good else None
    for sign, factor in (("+", 1), ("-", -1)):
        if sign in text:
            reference, _, duration = (part.strip() for part in text.partition(sign))
            seconds = parse_duration(duration)
            if seconds is None or not _NAME.match(reference):
                return None
            return Bound(reference, shift_us=factor * seconds * 1_000_000)
    return Bound(text.strip()) if _NAME.match(text.strip()) else None


def parse_duration(text: str) -> int | None:
    """Whole seconds of ``365 days``, ``1d 12h``, ``1.5 hours``; None for anything else.

    Months and years are not durations: they have no fixed length.
    """
    found = _DURATION.match(text)
    if found is None or not any(found.groups()):
        return None
    total = sum(
        Fraction(number) * seconds
        for number, (_, seconds) in zip(found.groups(), _UNITS, strict=True)
        if number is not None
    )
    return int(total) if total == int(total) else None


__all__ = ["parse_bound", "parse_duration"]
