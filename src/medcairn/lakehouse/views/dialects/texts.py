"""What both engines' SQL shares: the patterns that values are told apart by, and how SQL is put together."""

from __future__ import annotations

import re
from collections.abc import Sequence

ZONE = r"Z|[+-](?:0\d|1[0-4]):[0-5]\d"
MOMENT = (
    r"((?:1[1-9]\d\d|[2-8]\d{3}|9[0-8]\d\d)-\d\d-\d\d)T((?:[01]\d|2[0-3]):[0-5]\d)"
    rf"(?:(:[0-5]\d)(\.\d{{1,9}})?)?({ZONE})?"
)
"""A date and a time of day: (day)T(minutes)(seconds)(fraction)(zone). Years 1100 to 9899, so that no zone
leads out of the years of four digits; other texts are compared as they are."""
DAY = r"\d{4}-\d\d-\d\d"
MONTH = r"\d{4}-\d\d"
YEAR = r"\d{4}"
CLOCK = r"\d\d:\d\d(?::\d\d(?:\.\d+)?)?"
DIGITS = r"-?\d{1,23}(?:\.\d{1,13})?"
"""A decimal whose boundaries fit into a DECIMAL(38, 14)."""
_ID = "[A-Za-z0-9.-]{1,64}"


def reference(target: str | None) -> str:
    """The pattern of a reference to a resource of that type, or of any; its one group is the id."""
    kind = re.escape(target) if target else "[A-Z][A-Za-z]+"
    return rf"(?s:(?:.*/)?{kind}/({_ID})(?:/_history/.*)?)"


def bare_reference(target: str) -> str:
    """The pattern of ``Type/id``, as nearly every reference is written."""
    return rf"{re.escape(target)}/{_ID}"


def numbered(members: Sequence[str]) -> str:
    """The pattern of a number in one of ``members``: (what is before)(member)(colon)(digits).

    It matches members only: within a JSON string a quotation mark has a backslash before it, and after a
    string nothing but a comma, a colon or a bracket can follow.
    """
    names = "|".join(re.escape(name) for name in members)
    return rf'([{{,\s])"({names})"(\s*:\s*)(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)'


def whole(pattern: str) -> str:
    """The pattern of a text that is all of that form, for engines that look for it anywhere in one."""
    return rf"^(?:{pattern})\z"


def key(member: str) -> str:
    """A member's name as it stands in the text of a JSON object."""
    return f'"{member}":'


def cases(choices: Sequence[tuple[str, str]], otherwise: str = "NULL") -> str:
    """A CASE of (condition, value)."""
    whens = " ".join(f"WHEN {condition} THEN {value}" for condition, value in choices)
    return f"CASE {whens} ELSE {otherwise} END"


__all__ = [
    "CLOCK",
    "DAY",
    "DIGITS",
    "MOMENT",
    "MONTH",
    "YEAR",
    "ZONE",
    "bare_reference",
    "cases",
    "key",
    "numbered",
    "reference",
    "whole",
]
