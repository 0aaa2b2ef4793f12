"""Which columns of the silver tables say who, what, when; the rest of this package asks by these."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import pyarrow as pa

from medcairn.core.silver import SILVER_SCHEMAS

BOOKKEEPING = frozenset({"subject_id", "version", "component", "superseded_time", "current"})
"""Columns whose absence says nothing of the data's quality."""


@dataclass(frozen=True)
class Shape:
    """``time`` is the column of the row's own time, ``concepts`` the one of its concepts (a list but for
    observations), where the catalogue has any for it; ``content`` the columns that make two resources the
    same fact. A patient is always known, and has neither time nor concepts.
    """

    identity: str
    time: str | None = None
    concepts: str | None = None
    content: tuple[str, ...] = ()

    @property
    def resource(self) -> str:
        """The columns that tell resources apart."""
        return "subject_id" if self.identity == "subject_id" else f"subject_id, {self.identity}"


SHAPES: Mapping[str, Shape] = MappingProxyType(
    {
        "patient": Shape("subject_id"),
        "encounter": Shape("encounter_id", "start_time", None, ("class_code", "type_code", "end_time")),
        "observation": Shape(
            "observation_id",
            "effective_time",
            "concept",
            ("component", "system", "code", "numeric_value", "unit", "comparator", "value_code"),
        ),
        "condition": Shape("condition_id", "onset_time", "concepts", ("system", "code", "clinical_status")),
        "medication": Shape(
            "medication_id", "start_time", "concepts", ("resource_type", "system", "code", "status")
        ),
        "procedure": Shape("procedure_id", "start_time", "concepts", ("system", "code", "status")),
        "immunization": Shape("immunization_id", "occurrence_time", "concepts", ("system", "code", "status")),
        "allergy": Shape("allergy_id", "onset_time", "concepts", ("system", "code")),
        "diagnostic_report": Shape("report_id", "effective_time", None, ("system", "code", "category")),
    }
)
"""Silver table → shape."""


def is_missing(table: str, column: str) -> str:
    """The SQL condition that a column holds nothing."""
    if pa.types.is_list(SILVER_SCHEMAS[table].field(column).type):
        return f"{column} IS NULL OR len({column}) = 0"
    return f"{column} IS NULL"


__all__ = ["BOOKKEEPING", "SHAPES", "Shape", "is_missing"]
