"""The silver tables' columns: the record that the lakehouse hands to features, gold tables and reports.

One row a value (observations), else one row a resource, for **every known version** of it:

- ``version`` is 1 for the first version that was ever loaded, then 2, 3, …
- ``available_time`` is when this version could be known; ``superseded_time`` is when the next one, or the
  deletion, could be (null: not superseded, or at a time that nobody stated and then the row is not
  ``current`` and its interval is empty: ``superseded_time`` equals ``available_time``). A fact counts at *t*
  when ``available_time <= t < superseded_time``.
- ``current`` is true for the newest version of a resource that was not deleted. Labels look at these rows.

``codings`` keeps every coding; ``system`` and ``code`` are those of the first coding that gives a concept,
else the first coding's. ``concepts`` lists every concept of every coding, in catalogue order, each once. A
measurement code has one meaning, so observations have one ``concept``.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import pyarrow as pa

TIME = pa.timestamp("us", tz="UTC")
CODING = pa.struct([pa.field("system", pa.string()), pa.field("code", pa.string())])

_TYPES: Mapping[str, pa.DataType] = {
    "t": TIME,
    "s": pa.string(),
    "i": pa.int32(),
    "d": pa.float64(),
    "b": pa.bool_(),
    "S": pa.list_(pa.string()),
    "C": pa.list_(CODING),
}
_CODED = "system:s code:s codings:C"
_VERSIONED = "available_time:t superseded_time:t current:b"

_COLUMNS: Mapping[str, str] = {
    "patient": (
        "subject_id:s version:i gender:s birth_year:i birth_sex:s race:s ethnicity:s deceased_time:t"
        f" age_90_plus:b postal_area:s follow_up_end:t {_VERSIONED}"
    ),
    "encounter": (
        "subject_id:s encounter_id:s version:i status:s class_code:s type_system:s type_code:s start_time:t"
        " end_time:t admit_source:s discharge_disposition:s reason_system:s reason_code:s"
        f" {_VERSIONED}"
    ),
    "observation": (
        "subject_id:s observation_id:s component:i version:i encounter_id:s status:s category:s"
        f" {_CODED} concept:s effective_time:t value_type:s numeric_value:d comparator:s unit:s"
        " canonical_value:d canonical_unit:s value_system:s value_code:s value_boolean:b value_time:t"
        f" reference_low:d reference_high:d interpretation:s data_absent_reason:s {_VERSIONED}"
    ),
    "condition": (
        f"subject_id:s condition_id:s version:i encounter_id:s category:s {_CODED} concepts:S"
        " clinical_status:s verification_status:s onset_time:t abatement_time:t recorded_time:t"
        f" {_VERSIONED}"
    ),
    "medication": (
        "subject_id:s medication_id:s resource_type:s version:i encounter_id:s status:s intent:s"
        f" {_CODED} concepts:S start_time:t end_time:t authored_time:t days_supply:d quantity:d"
        f" quantity_unit:s refills:i {_VERSIONED}"
    ),
    "procedure": (
        f"subject_id:s procedure_id:s version:i encounter_id:s status:s {_CODED} concepts:S"
        f" start_time:t end_time:t {_VERSIONED}"
    ),
    "immunization": (
        f"subject_id:s immunization_id:s version:i encounter_id:s status:s {_CODED} concepts:S"
        f" occurrence_time:t recorded_time:t {_VERSIONED}"
    ),
    "allergy": (
        f"subject_id:s allergy_id:s version:i clinical_status:s verification_status:s type:s category:S"
        f" criticality:s {_CODED} concepts:S onset_time:t recorded_time:t {_VERSIONED}"
    ),
    "diagnostic_report": (
        f"subject_id:s report_id:s version:i encounter_id:s status:s category:s {_CODED} concepts:S"
        f" effective_time:t issued_time:t result_ids:S {_VERSIONED}"
    ),
}


def _schema(text: str) -> pa.Schema:
    pairs = (item.split(":") for item in text.split())
    return pa.schema([pa.field(name, _TYPES[kind]) for name, kind in pairs])


SILVER_SCHEMAS: Mapping[str, pa.Schema] = MappingProxyType(
    {name: _schema(text) for name, text in _COLUMNS.items()}
)
"""Silver table → schema."""

_ERROR = "entered-in-error"
VOID: Mapping[str, tuple[str, tuple[str, ...]]] = MappingProxyType(
    {
        "encounter": ("status", (_ERROR, "cancelled", "planned")),
        "condition": ("verification_status", (_ERROR, "refuted")),
        "observation": ("status", (_ERROR, "cancelled", "registered")),
        "medication": (
            "status",
            (_ERROR, "cancelled", "draft", "not-taken", "declined", "not-done", "preparation"),
        ),
        "procedure": ("status", (_ERROR, "not-done", "preparation")),
        "immunization": ("status", (_ERROR, "not-done")),
        "allergy": ("verification_status", (_ERROR, "refuted")),
    }
)
"""Silver table → its status column, and the statuses (FHIR R4 value sets) of rows that state no fact. Silver
keeps such rows; features and gold tables never see them."""


__all__ = ["CODING", "SILVER_SCHEMAS", "TIME", "VOID"]
