"""Statistics of a data file as a Delta log has them, from the file's own footer.

Rows, and for each top-level column of a simple type its nulls, and its least and greatest value where readers
compare such values in one way: texts by code point, whole numbers, dates and instants. Not for booleans
(Delta has none) and not for floating-point numbers (writers differ on NaN).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

import pyarrow.parquet as pq

from medcairn.core.canonical import JSON

_LONGEST_TEXT: Final = 128
"""A log is no place for long texts."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NANOSECONDS: Final = {"milliseconds": 1_000_000, "microseconds": 1_000, "nanoseconds": 1}


def statistics_of(file: Path) -> dict[str, JSON]:
    """``numRecords``, ``nullCount``, ``minValues`` and ``maxValues`` of a Parquet file."""
    footer = pq.read_metadata(file)
    nulls: dict[str, JSON] = {}
    least: dict[str, JSON] = {}
    greatest: dict[str, JSON] = {}
    groups = [footer.row_group(number) for number in range(footer.num_row_groups)]
    for index in range(footer.num_columns):
        name = footer.schema.column(index).path
        columns = [group.column(index).statistics for group in groups]
        if name not in footer.schema.names or any(column is None for column in columns):
            continue
        if all(column.has_null_count for column in columns):
            nulls[name] = sum(column.null_count for column in columns)
        bounds = _bounds(columns)
        if bounds is not None:
            least[name], greatest[name] = bounds
    rows: JSON = footer.num_rows
    return {"numRecords": rows, "minValues": least, "maxValues": greatest, "nullCount": nulls}


def _bounds(columns: Sequence[pq.Statistics]) -> tuple[JSON, JSON] | None:
    """(least, greatest) over the row groups; None where it is not known for all, or all is null."""
    filled = [column for column in columns if column.num_values]
    if not filled or not all(column.has_min_max for column in filled):
        return None
    if filled[0].logical_type.type == "TIMESTAMP":
        return _instants(filled)
    least = _shown(min(column.min for column in filled))
    greatest = _shown(max(column.max for column in filled))
    return None if least is None or greatest is None else (least, greatest)


def _shown(value: object) -> JSON:
    if isinstance(value, str):
        return value if len(value) <= _LONGEST_TEXT else None
    if isinstance(value, date):
        return value.isoformat()
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _instants(columns: Sequence[pq.Statistics]) -> tuple[JSON, JSON] | None:
    """Bounds of instants, from the numbers that the file has: their own conversion brings in pandas."""
    kind = json.loads(columns[0].logical_type.to_json())
    if not kind.get("isAdjustedToUTC"):
        return None
    unit = _NANOSECONDS[kind["timeUnit"]]
    least = min(column.min_raw for column in columns) * unit // 1_000
    greatest = -(-max(column.max_raw for column in columns) * unit // 1_000)
    try:
        return _instant(least), _instant(greatest)
    except OverflowError:  # outside the years that Python knows
        return None


def _instant(microseconds: int) -> str:
    moment = _EPOCH + timedelta(microseconds=microseconds)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


__all__ = ["statistics_of"]
