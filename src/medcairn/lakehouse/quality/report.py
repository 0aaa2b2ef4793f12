"""What a data quality report says: counts, shares and years; never a value, an id or a date of a subject."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import cast

import msgspec

from medcairn.core.canonical import JSON
from medcairn.lakehouse.quality.counts import Count

LIMITS = (
    "Counts of fewer than 11 rows or subjects are withheld and shown as <11 or as all but <11. A withheld "
    "count can be worked out where its total and all other parts are shown: this is an aggregate of the "
    "study, no publication.",
    "What is assessed is the shape of the data: present, plausible, in known units, timely, not twice. "
    "Whether a value is true of the patient cannot be seen here.",
    "A missing fact may not have been recorded, may not have been exported, or may not have happened; this "
    "report cannot tell which.",
    "Dates may have been moved by de-identification, each subject's by another interval: years are coarse.",
    "Duplicates are counted by equal content. The same fact under another code, or a minute later, is not "
    "found.",
)
"""What the report cannot say; printed with it."""


@dataclass(frozen=True)
class TableQuality:
    """One silver table. ``later_versions`` are corrections; ``duplicates`` resources that say what another
    says; ``undated`` and ``unavailable`` current rows without a time of their own, or of being known.
    """

    table: str
    rows: Count
    current: Count
    resources: Count
    subjects: Count
    later_versions: Count
    duplicates: Count | None
    undated: Count | None
    unavailable: Count | None
    in_future: Count | None
    before_birth: Count | None
    after_death: Count | None


@dataclass(frozen=True)
class ColumnQuality:
    """How many current rows of a table have nothing in a column (an empty list is nothing)."""

    table: str
    column: str
    missing: Count
    share: float | None


@dataclass(frozen=True)
class UnitUse:
    """A unit in which a measurement came, and how many of its values could not be used."""

    concept: str
    unit: str
    rows: Count
    unusable: Count


@dataclass(frozen=True)
class ConceptQuality:
    """A concept that was found. ``quantiles`` are the 5th, 25th, 50th, 75th and 95th percentile of the usable
    values in ``unit``, rounded to three digits; empty where fewer than 11 values lie beyond the outer ones.
    """

    table: str
    concept: str
    rows: Count
    subjects: Count
    unit: str | None
    quantiles: tuple[float, ...]


@dataclass(frozen=True)
class YearCount:
    """Current rows of a table in one year."""

    table: str
    year: int
    rows: Count


@dataclass(frozen=True)
class LagCount:
    """Current rows of a table that could be known this long after the time that they are about."""

    table: str
    lag: str
    rows: Count


@dataclass(frozen=True)
class RefusedCount:
    """What went to quarantine, by table and reason."""

    table: str
    reason: str
    rows: Count


@dataclass(frozen=True)
class UnmappedUse:
    """A code that belongs to no concept of the catalogue."""

    table: str
    system: str
    code: str
    rows: Count


@dataclass(frozen=True)
class UnmappedTotal:
    """Current rows of a table that have a code, those whose code is unmapped, and codes too rare to list."""

    table: str
    coded: Count
    unmapped: Count
    rare_codes: Count


@dataclass(frozen=True)
class Finding:
    """Something that a person should look at."""

    where: str
    says: str


@dataclass(frozen=True)
class QualityReport:
    """The whole report; ``as_of`` is the day after which a time lies in the future."""

    as_of: date
    tables: tuple[TableQuality, ...]
    columns: tuple[ColumnQuality, ...]
    units: tuple[UnitUse, ...]
    concepts: tuple[ConceptQuality, ...]
    absent_concepts: tuple[str, ...]
    years: tuple[YearCount, ...]
    lags: tuple[LagCount, ...]
    refusals: tuple[RefusedCount, ...]
    unmapped: tuple[UnmappedUse, ...]
    unmapped_totals: tuple[UnmappedTotal, ...]
    findings: tuple[Finding, ...]

    def as_json(self) -> dict[str, JSON]:
        """The report as it stands in ``quality.json``."""
        made = cast("dict[str, JSON]", msgspec.to_builtins(self))
        return {**made, "limits": list(LIMITS)}

    def facts(self) -> dict[str, JSON]:
        """Aggregate numbers for the manifest and the ledger."""
        return {
            "rows": {table.table: table.rows for table in self.tables},
            "concepts": len(self.concepts),
            "findings": [finding.where for finding in self.findings],
        }


__all__ = [
    "LIMITS",
    "ColumnQuality",
    "ConceptQuality",
    "Finding",
    "LagCount",
    "QualityReport",
    "RefusedCount",
    "TableQuality",
    "UnitUse",
    "UnmappedTotal",
    "UnmappedUse",
    "YearCount",
]
