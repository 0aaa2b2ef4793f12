"""Silver tables made from a few rows, for tests of what is built on silver."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from medcairn.core.silver import SILVER_SCHEMAS, TIME
from medcairn.lakehouse.commit import commit_table, part_name

Row = Mapping[str, Any]
LOINC = "http://loinc.org"

_OWN_TIME = {
    "encounter": "start_time",
    "observation": "effective_time",
    "condition": "onset_time",
    "medication": "start_time",
    "procedure": "start_time",
    "immunization": "occurrence_time",
    "allergy": "onset_time",
    "diagnostic_report": "effective_time",
}
_DEFAULTS: Mapping[str, Row] = {
    "patient": {"gender": "female", "birth_year": 1960, "age_90_plus": False},
    "encounter": {"status": "finished", "class_code": "AMB"},
    "observation": {"component": -1, "status": "final", "value_type": "Quantity"},
    "condition": {"verification_status": "confirmed", "concepts": ()},
    "medication": {"status": "active", "resource_type": "MedicationRequest", "concepts": ()},
}


def time(text: str) -> datetime:
    """An instant in UTC from ``2024-03-01`` or ``2024-03-01T08:30``."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def row(table: str, number: int, given: Row) -> dict[str, Any]:
    """A whole silver row: what is given, and for the rest what is usual.

    The id counts up, the version is the only one, known at its own time and never superseded.
    """
    schema = SILVER_SCHEMAS[table]
    made: dict[str, Any] = {**dict.fromkeys(schema.names), **_DEFAULTS.get(table, {})}
    made |= {"subject_id": "s1", "version": 1, "current": True}
    for name in schema.names:
        if name in (f"{table}_id", "report_id"):
            made[name] = f"{table[0]}{number:04d}"
    made |= {
        name: time(value) if schema.field(name).type == TIME and isinstance(value, str) else value
        for name, value in given.items()
    }
    if "available_time" not in given and table in _OWN_TIME:
        made["available_time"] = made[_OWN_TIME[table]]
    if made.get("codings") is None and made.get("code"):
        made["codings"] = [{"system": made["system"], "code": made["code"]}]
    if table == "observation":
        made["numeric_value"] = given.get("numeric_value", made["canonical_value"])
        made["unit"] = given.get("unit", made["canonical_unit"])
    return made


def write_silver(folder: Path, seed: int | None = None, **tables: Sequence[Row]) -> Path:
    """Write all silver tables into ``folder``, empty ones too; ``seed`` shuffles the rows."""
    for name, schema in SILVER_SCHEMAS.items():
        rows = [row(name, number, given) for number, given in enumerate(tables.get(name, ()))]
        if seed is not None:
            random.Random(seed).shuffle(rows)
        (folder / name).mkdir(parents=True)
        file = folder / name / part_name(0)
        pq.write_table(pa.Table.from_pylist(rows, schema=schema), file)
        commit_table(folder / name, schema, [file])
    return folder


__all__ = ["LOINC", "Row", "row", "time", "write_silver"]
