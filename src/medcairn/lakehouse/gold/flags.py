"""A flag of the rules as an SQL condition over exact integers.

Averages are never compared as fractions: an average is at least L exactly when the sum is at least L times
the count. Where a number is absent the condition is unknown (NULL), by the three-valued logic that both
engines share.
"""

from __future__ import annotations

from collections.abc import Mapping

from medcairn.lakehouse.gold.rules import Condition, Flag, scaled


def flag_columns(flags: Mapping[str, Flag]) -> str:
    """The SELECT list of ``flags`` over columns ``<concept>_n``, ``_sum``, ``_min`` and ``_max``."""
    known: dict[str, str] = {}
    for name, flag in flags.items():
        known[name] = _sql(flag.condition, known)
    return ", ".join(f"{text} AS {name}" for name, text in known.items())


def _sql(condition: Condition, known: Mapping[str, str]) -> str:
    if condition.flag is not None:
        return known[condition.flag]
    if condition.concept is None:
        parts = condition.any or condition.all
        word = " OR " if condition.any else " AND "
        return f"({word.join(_sql(part, known) for part in parts)})"
    return _limit(condition, condition.concept)


def _limit(condition: Condition, concept: str) -> str:
    left, times = f"{concept}_{condition.statistic}", ""
    if condition.statistic == "avg":
        left, times = f"{concept}_sum", f" * {concept}_n"
    tests = [f"{left} {sign} {scaled(bound)}{times}" for sign, bound in condition.bounds()]
    return f"({' OR '.join(tests)})"


__all__ = ["flag_columns"]
