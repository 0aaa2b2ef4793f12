"""Counts that may leave: none of fewer than eleven, by rows or by subjects.

Eleven is the size below which the US Centers for Medicare & Medicaid Services publish no cell. Only the cell
itself is withheld; where a total and all other cells are known it can be worked out, so a report with
withheld counts is still an aggregate of the study and no publication.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

SMALL_CELL = 11
SMALL: Literal["<11"] = "<11"
MOST: Literal["all but <11"] = "all but <11"
Count: TypeAlias = int | Literal["<11", "all but <11"]


def shown(rows: int, subjects: int | None = None) -> Count:
    """``rows``, or :data:`SMALL` when they, or the ``subjects`` that they are of, are one to ten."""
    if 0 < rows < SMALL_CELL or (subjects is not None and 0 < subjects < SMALL_CELL):
        return SMALL
    return rows


def shown_part(part: int, whole: int) -> Count:
    """``part`` of ``whole``; :data:`MOST` when it is the rest that would be small."""
    if 0 < part < SMALL_CELL or whole < SMALL_CELL:
        return shown(part)
    return MOST if 0 < whole - part < SMALL_CELL else part


def share(part: Count, whole: Count) -> float | None:
    """``part`` of ``whole`` from 0 to 1 with four decimals; None when either is withheld or there is none."""
    if isinstance(part, str) or isinstance(whole, str) or whole == 0:
        return None
    return round(part / whole, 4)


def size(count: Count) -> int:
    """A number to draw; a withheld count is 0."""
    return 0 if isinstance(count, str) else count


__all__ = ["MOST", "SMALL", "SMALL_CELL", "Count", "share", "shown", "shown_part", "size"]
