"""What a person should look at, by fixed limits. A limit starts a look; it proves nothing."""

from __future__ import annotations

from collections.abc import Iterator

from medcairn.lakehouse.quality.counts import MOST, Count, share, size
from medcairn.lakehouse.quality.report import (
    Finding,
    TableQuality,
    UnitUse,
    UnmappedTotal,
)

DUPLICATES = 0.01
UNAVAILABLE = 0.01
UNDATED = 0.05
UNUSABLE = 0.02
UNMAPPED = 0.5
"""Shares of rows above which something is a finding."""


def findings_of(
    tables: tuple[TableQuality, ...], units: tuple[UnitUse, ...], unmapped: tuple[UnmappedTotal, ...]
) -> tuple[Finding, ...]:
    """The findings, in the order of the tables."""
    return (
        *(finding for table in tables for finding in _of_table(table)),
        *_of_units(units),
        *(finding for total in unmapped for finding in _of_codes(total)),
    )


def _of_table(table: TableQuality) -> Iterator[Finding]:
    if table.rows == 0:
        yield Finding(table.table, "has no rows")
        return
    limits: tuple[tuple[Count | None, float, str], ...] = (
        (table.duplicates, DUPLICATES, "say what another resource says already"),
        (table.undated, UNDATED, "have no time of their own"),
        (table.unavailable, UNAVAILABLE, "have no time at which they could be known, and are in no feature"),
    )
    for count, limit, says in limits:
        part = share(count, table.current) if count is not None else None
        if part is not None and part > limit:
            yield Finding(table.table, f"{100 * part:.1f} % of the rows {says}")
    for count, says in (
        (table.in_future, "lie in the future"),
        (table.before_birth, "lie in a year before the subject's birth"),
        (table.after_death, "lie more than a day after the subject's death"),
    ):
        if count:
            yield Finding(table.table, f"{count if isinstance(count, str) else f'{count:,}'} rows {says}")


def _of_units(units: tuple[UnitUse, ...]) -> Iterator[Finding]:
    for concept in dict.fromkeys(unit.concept for unit in units):
        own = [unit for unit in units if unit.concept == concept]
        rows, unusable = sum(size(unit.rows) for unit in own), sum(size(unit.unusable) for unit in own)
        if any(unit.unusable == MOST for unit in own):
            yield Finding(concept, "hardly any value of one of its units could be used")
        elif rows and unusable / rows > UNUSABLE:
            yield Finding(concept, f"{100 * unusable / rows:.1f} % of the values could not be used")


def _of_codes(total: UnmappedTotal) -> Iterator[Finding]:
    part = share(total.unmapped, total.coded)
    if part is not None and part > UNMAPPED:
        yield Finding(total.table, f"{100 * part:.0f} % of the coded rows belong to no concept")


__all__ = ["findings_of"]
