"""What the silver tables are: their columns, order, the views they come from and the step that types them."""

# ruff: noqa: S608 -- statements are put together from names of ours; no value of data enters their text

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from string import Template

import pyarrow as pa

from medcairn.core.concepts import Kind
from medcairn.lakehouse.views.compiled import CompiledView, compile_view

_TIME = pa.timestamp("us", tz="UTC")
_TYPES = {
    "t": _TIME,
    "s": pa.string(),
    "i": pa.int32(),
    "d": pa.float64(),
    "b": pa.bool_(),
}


@dataclass(frozen=True)
class SilverTable:
    """One table. ``views`` maps the placeholder in the step's SQL to the ViewDefinition that fills it.

    ``order`` sorts the rows; with the columns after it every row has one place. ``kind`` is the sort of
    concept that it carries, None when none; then rows are one a resource.
    """

    name: str
    schema: pa.Schema
    views: Mapping[str, str]
    order: tuple[str, ...]
    kind: Kind | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """Column names in order."""
        return tuple(self.schema.names)

    @property
    def sort_keys(self) -> str:
        """The ORDER BY list."""
        own = (f"{column} NULLS LAST" for column in self.order)
        return ", ".join((*own, "component", "coding_index", "concept NULLS LAST") if self.kind else own)


def _schema(text: str) -> pa.Schema:
    pairs = (item.split(":") for item in text.split())
    return pa.schema([pa.field(name, _TYPES[kind]) for name, kind in pairs])


SILVER_TABLES: Mapping[str, SilverTable] = {
    table.name: table
    for table in (
        SilverTable(
            "patient",
            _schema(
                "subject_id:s gender:s birth_year:i birth_sex:s race:s ethnicity:s deceased_time:t"
                " age_90_plus:b postal_area:s follow_up_end:t"
            ),
            {"view": "patient"},
            ("subject_id",),
        ),
        SilverTable(
            "encounter",
            _schema(
                "subject_id:s encounter_id:s status:s class_code:s type_system:s type_code:s start_time:t"
                " end_time:t discharge_disposition:s reason_system:s reason_code:s available_time:t"
            ),
            {"view": "encounter"},
            ("subject_id", "start_time", "encounter_id"),
        ),
        SilverTable(
            "condition",
            _schema(
                "subject_id:s condition_id:s encounter_id:s system:s code:s concept:s clinical_status:s"
                " verification_status:s onset_time:t abatement_time:t recorded_time:t available_time:t"
            ),
            {"view": "condition"},
            ("subject_id", "onset_time", "condition_id"),
            Kind.CONDITION,
        ),
        SilverTable(
            "observation",
            _schema(
                "subject_id:s observation_id:s component:i encounter_id:s status:s category:s system:s code:s"
                " concept:s effective_time:t available_time:t numeric_value:d unit:s canonical_value:d"
                " canonical_unit:s value_system:s value_code:s reference_low:d reference_high:d"
                " interpretation:s"
            ),
            {"view": "observation"},
            ("subject_id", "effective_time", "observation_id"),
            Kind.MEASUREMENT,
        ),
        SilverTable(
            "medication",
            _schema(
                "subject_id:s medication_id:s resource_type:s encounter_id:s status:s system:s code:s"
                " concept:s start_time:t end_time:t available_time:t"
            ),
            {"request": "medication_request", "statement": "medication_statement"},
            ("subject_id", "start_time", "medication_id", "resource_type"),
            Kind.MEDICATION,
        ),
        SilverTable(
            "procedure",
            _schema(
                "subject_id:s procedure_id:s encounter_id:s status:s system:s code:s concept:s start_time:t"
                " end_time:t available_time:t"
            ),
            {"view": "procedure"},
            ("subject_id", "start_time", "procedure_id"),
            Kind.PROCEDURE,
        ),
    )
}
"""Every silver table by name."""


@cache
def view(name: str) -> CompiledView:
    """The compiled ViewDefinition of that name."""
    text = resources.files("medcairn.lakehouse").joinpath("definitions", f"{name}.json").read_bytes()
    return compile_view(text)


@cache
def macros() -> tuple[str, ...]:
    """The statements that define the functions of the steps."""
    text = _sql("macros")
    statements = "\n".join(line for line in text.splitlines() if not line.startswith("--"))
    return tuple(statement.strip() for statement in statements.split(";") if statement.strip())


def step(table: SilverTable, sources: Mapping[str, str]) -> str:
    """The SELECT that gives the table's columns and the step's own (problems, source_file, …).

    ``sources`` maps a resource type to the relation that holds its resources as JSON text.
    """
    filled = {
        placeholder: view(name).sql(sources[view(name).resource], keep=("source_file", "source_line"))
        for placeholder, name in table.views.items()
    }
    return Template(_sql(table.name)).substitute(filled)


def one_concept_each(table: SilverTable, rows: str) -> str:
    """``rows`` with a concept on the first coding only, where several codings of one fact share it.

    A result that is coded both 2345-7 and 2339-0 is one glucose, not two.
    """
    if table.kind is None:
        return f"SELECT * FROM {rows}"
    first = "row_number() OVER (PARTITION BY id, component, concept ORDER BY coding_index) = 1"
    cleared = [f"CASE WHEN {first} THEN {c} END AS {c}" for c in _concept_columns(table)]
    return f"SELECT * REPLACE ({', '.join(cleared)}) FROM {rows}"


def _concept_columns(table: SilverTable) -> tuple[str, ...]:
    return tuple(c for c in ("concept", "canonical_value", "canonical_unit") if c in table.columns)


def resource_types_of(table: SilverTable) -> tuple[str, ...]:
    """The resource types that feed the table."""
    return tuple(view(name).resource for name in table.views.values())


@cache
def _sql(name: str) -> str:
    return resources.files(__package__).joinpath(f"{name}.sql").read_text(encoding="utf-8")


__all__ = [
    "SILVER_TABLES",
    "SilverTable",
    "macros",
    "one_concept_each",
    "resource_types_of",
    "step",
    "view",
]
