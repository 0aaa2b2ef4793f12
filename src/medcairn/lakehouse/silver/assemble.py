"""Rows to Arrow: the silver tables' columns, with exactly the types of :mod:`medcairn.core.silver`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import cast

import pyarrow as pa
import pyarrow.compute as pc

from medcairn.core.silver import CODING, SILVER_SCHEMAS, TIME
from medcairn.lakehouse.silver.shapes import SHAPES

_Codings = Iterable[Sequence[tuple[str | None, str | None]]]


def silver_table(table: str, rows: Sequence[tuple[object, ...]]) -> pa.Table:
    """Rows with the columns of the silver table, in order (times as µs since 1970), as an Arrow table."""
    schema = SILVER_SCHEMAS[table]
    if not rows:
        return schema.empty_table()
    columns = zip(schema, zip(*rows, strict=True), strict=True)
    return pa.Table.from_arrays([column(field.type, values) for field, values in columns], schema=schema)


def sort_table(table: str, rows: pa.Table) -> pa.Table:
    """``rows`` of a silver table in its order: by subject, time, id, component and version, nulls last."""
    keys = [(key, "ascending") for key in SHAPES[table].sort_keys]
    return rows.take(pc.sort_indices(rows, sort_keys=keys))


def column(type: pa.DataType, values: Sequence[object]) -> pa.Array:
    """Values of one column; times as µs since 1970, codings as (system, code)."""
    if type == TIME:
        return pa.array(values, pa.int64()).cast(TIME)
    if pa.types.is_list(type) and type.value_type == CODING:
        return _codings(cast("_Codings", values))
    return pa.array(values, type)


def _codings(values: _Codings) -> pa.Array:
    offsets: list[int] = [0]
    systems: list[str | None] = []
    codes: list[str | None] = []
    for codings in values:
        for system, code in codings:
            systems.append(system)
            codes.append(code)
        offsets.append(len(systems))
    items = pa.StructArray.from_arrays(
        [pa.array(systems, pa.string()), pa.array(codes, pa.string())], fields=list(CODING)
    )
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), items)


__all__ = ["column", "silver_table", "sort_table"]
