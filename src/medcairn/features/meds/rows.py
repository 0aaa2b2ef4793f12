"""Silver tables as MEDS rows: subject, time, code, number.

A row's ``time`` is when the fact could be known: the later of the time at which it held and its available
time, so that a model trained on MEDS sees no more than one trained here. ``effective_time`` keeps when it
held. Admissions and discharges are known when they happen. MEDS has no versions: the rows are those of the
newest version of each resource, and what was deleted or entered in error is not there.
"""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from medcairn.core.silver import SILVER_SCHEMAS
from medcairn.features.dictionaries import decoded
from medcairn.features.events import valid_rows
from medcairn.features.meds import codes
from medcairn.features.silver_columns import SilverRows, check_columns

ROWS_SCHEMA = pa.schema(
    [
        ("subject_id", pa.string()),
        ("time", pa.timestamp("us")),
        ("code", pa.string()),
        ("numeric_value", pa.float32()),
        ("text_value", pa.large_string()),
        ("unit", pa.string()),
        ("effective_time", pa.timestamp("us")),
        ("source_id", pa.string()),
    ]
)
"""MEDS's columns, with our subject id, and three more: unit, when the fact held, which resource it is of."""

_COLUMNS: Mapping[str, str] = {
    "patient": "subject_id gender birth_year race ethnicity deceased_time follow_up_end current",
    "encounter": (
        "subject_id encounter_id status class_code type_system type_code start_time end_time"
        " discharge_disposition current"
    ),
    "observation": (
        "subject_id observation_id status system code effective_time numeric_value unit canonical_value"
        " canonical_unit value_system value_code value_boolean available_time current"
    ),
    "condition": (
        "subject_id condition_id verification_status system code onset_time available_time current"
    ),
    "medication": "subject_id medication_id status system code start_time available_time current",
    "procedure": "subject_id procedure_id status system code start_time available_time current",
    "immunization": "subject_id immunization_id status system code occurrence_time available_time current",
    "allergy": "subject_id allergy_id verification_status system code onset_time available_time current",
}
SILVER_COLUMNS: Mapping[str, tuple[str, ...]] = {name: tuple(text.split()) for name, text in _COLUMNS.items()}
"""The silver tables and columns that become MEDS rows."""

_CODED = {
    "condition": ("condition_id", "onset_time", ""),
    "medication": ("medication_id", "start_time", ""),
    "procedure": ("procedure_id", "start_time", ""),
    "immunization": ("immunization_id", "occurrence_time", ""),
    "allergy": ("allergy_id", "onset_time", codes.ALLERGY),
}
_SORTED_BY = (
    "subject_id",
    "time",
    "code",
    "effective_time",
    "source_id",
    "numeric_value",
    "text_value",
    "unit",
)


def meds_rows(tables: Mapping[str, pa.Table]) -> pa.Table:
    """The rows of :data:`ROWS_SCHEMA` of whole silver tables, sorted by subject, time and code.

    Only subjects with a current patient row have rows.

    Raises :class:`~medcairn.core.errors.DataError` for a table without a needed column.
    """
    whole = {name: _checked(name, tables.get(name)) for name in SILVER_COLUMNS}
    parts = [*_patients(whole), *_encounters(whole), _observations(whole)]
    parts.extend(_coded(whole, name, *about) for name, about in _CODED.items())
    patients = whole["patient"].filter(whole["patient"].column("current")).column("subject_id")
    rows = pa.concat_tables(parts)
    return _sorted(rows.filter(pc.is_in(rows.column("subject_id"), value_set=pc.unique(patients))))


def _checked(name: str, table: pa.Table | None) -> pa.Table:
    if table is None:
        return SILVER_SCHEMAS[name].empty_table()
    check_columns(name, table.column_names, SILVER_COLUMNS[name])
    return decoded(table)


def _sorted(whole: pa.Table) -> pa.Table:
    order = pc.sort_indices(whole, [(name, "ascending", "at_start") for name in _SORTED_BY])
    return whole.take(order).combine_chunks()


def _patients(tables: Mapping[str, pa.Table]) -> list[pa.Table]:
    rows = SilverRows.of(tables, "patient")
    rows = rows.where(rows.flags("current"))
    born = pc.fill_null(rows.column("birth_year").cast(pa.string()), "")
    born = pc.if_else(
        pc.equal(born, ""), None, pc.binary_join_element_wise(pc.utf8_lpad(born, 4, "0"), "-01-01", "")
    )
    events = (
        (codes.BIRTH, born.cast(pa.timestamp("us"))),
        (codes.DEATH, _naive(rows.column("deceased_time"))),
        (codes.FOLLOW_UP_END, _naive(rows.column("follow_up_end"))),
    )
    parts = [_part(rows, pa.array([code] * len(rows), pa.string()), time) for code, time in events]
    static = ((codes.SEX, "gender"), (codes.RACE, "race"), (codes.ETHNICITY, "ethnicity"))
    for name, column in static:
        parts.append(_part(rows, codes.prefixed(name, rows.column(column)), None))
    return parts


def _encounters(tables: Mapping[str, pa.Table]) -> list[pa.Table]:
    rows = valid_rows(tables, "encounter", current=True)
    start, end = _naive(rows.column("start_time")), _naive(rows.column("end_time"))
    kind = pc.fill_null(rows.column("class_code"), codes.UNCODED)
    types = codes.codes_of(rows.column("type_system"), rows.column("type_code"), otherwise="")
    types = pc.if_else(rows.column("type_code").is_valid(), codes.prefixed(codes.TYPE, types), None)
    discharge = codes.prefixed(codes.DISCHARGE, rows.column("discharge_disposition"))
    found = (
        (codes.prefixed(codes.START, kind), start),
        (types, start),
        (codes.prefixed(codes.END, kind), end),
        (discharge, end),
    )
    return [_part(rows, code, time, source="encounter_id", effective=time) for code, time in found]


def _observations(tables: Mapping[str, pa.Table]) -> pa.Table:
    rows = valid_rows(tables, "observation", current=True)
    table = rows.table
    canonical = _one(table, "canonical_value")
    number = pc.coalesce(canonical, _one(table, "numeric_value"))
    unit = pc.if_else(canonical.is_valid(), _one(table, "canonical_unit"), _one(table, "unit"))
    answer = codes.codes_of(_one(table, "value_system"), _one(table, "value_code"), otherwise="")
    answer = pc.if_else(
        pc.is_valid(_one(table, "value_code")), answer, _one(table, "value_boolean").cast(pa.string())
    )
    code = codes.codes_of(_one(table, "system"), _one(table, "code"), otherwise="observation")
    held = rows.column("effective_time")
    known = _known(held, rows.column("available_time"))
    return _part(
        rows,
        code,
        known,
        source="observation_id",
        effective=_naive(held),
        number=number,
        text=answer,
        unit=unit,
    )


def _coded(tables: Mapping[str, pa.Table], name: str, source: str, when: str, within: str) -> pa.Table:
    rows = valid_rows(tables, name, current=True)
    code = codes.codes_of(rows.column("system"), rows.column("code"), within=within, otherwise=name)
    held = rows.column(when)
    return _part(
        rows, code, _known(held, rows.column("available_time")), source=source, effective=_naive(held)
    )


def _known(held: pa.Array, available: pa.Array) -> pa.Array:
    """When a fact could be known; null for one that is never available, which is then left out."""
    later = pc.fill_null(pc.greater(held, available), False)  # never available: stays null
    return _naive(pc.if_else(later, held, available))


def _part(
    rows: SilverRows,
    code: pa.Array,
    time: pa.Array | None,
    *,
    source: str | None = None,
    effective: pa.Array | None = None,
    number: pa.Array | None = None,
    text: pa.Array | None = None,
    unit: pa.Array | None = None,
) -> pa.Table:
    """One event a row; rows without a code, or without a time unless the event is static, give none."""
    given = {
        "subject_id": rows.column("subject_id"),
        "time": time,
        "code": code,
        "numeric_value": number,
        "text_value": text,
        "unit": unit,
        "effective_time": effective,
        "source_id": None if source is None else rows.column(source),
    }
    columns = []
    for field in ROWS_SCHEMA:
        column = given[field.name]
        columns.append(
            pa.nulls(len(rows), field.type) if column is None else column.cast(field.type, safe=False)
        )
    part = pa.table(columns, schema=ROWS_SCHEMA)
    there = pc.is_valid(part.column("code"))
    return part.filter(there if time is None else pc.and_(there, pc.is_valid(part.column("time"))))


def _naive(times: pa.Array) -> pa.Array:
    """UTC without saying so, as MEDS keeps times."""
    return times.cast(pa.timestamp("us", tz="UTC")).cast(pa.timestamp("us"))


def _one(table: pa.Table, name: str) -> pa.Array:
    column = table.column(name).combine_chunks()
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


__all__ = ["ROWS_SCHEMA", "SILVER_COLUMNS", "meds_rows"]
