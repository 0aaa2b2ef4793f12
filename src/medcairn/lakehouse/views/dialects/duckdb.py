"""DuckDB's SQL."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Literal as OneOf

from medcairn.lakehouse.views.dialects.dialect import MORE_THAN_ONE
from medcairn.lakehouse.views.elements import INTEGERS, TEMPORALS
from medcairn.lakehouse.views.shape import Shape

_Schema = str | list["_Schema"] | dict[str, "_Schema"]
_ID = "[A-Za-z0-9.-]{1,64}"


class DuckDb:
    """Lists are LIST, records are STRUCT, iteration is a lambda; no join is needed for ``forEach``."""

    def name(self, text: str) -> str:
        return '"' + text.replace('"', '""') + '"'

    def literal(self, value: str, type_name: str) -> str:
        if type_name == "boolean":
            return "TRUE" if value == "true" else "FALSE"
        if type_name in INTEGERS:
            return f"CAST({_quoted(value)} AS BIGINT)"
        if type_name == "decimal":
            return f"CAST({_quoted(value)} AS DOUBLE)"
        return _quoted(value)

    def null(self, type_name: str, *, collection: bool = False) -> str:
        suffix = "[]" if collection else ""
        return f"CAST({'[]' if collection else 'NULL'} AS {_column_type(type_name)}{suffix})"

    def member(self, value: str, field: str) -> str:
        return f"{value}.{self.name(field)}"

    def each(self, items: str, variable: str, body: str) -> str:
        counts = re.search(rf"\b{variable}_i\b", body) is not None
        arguments = f"{variable}, {variable}_i" if counts else variable
        return f"list_transform({items}, lambda {arguments}: {body})"

    def flat(self, lists: str) -> str:
        return f"flatten({lists})"

    def compact(self, items: str) -> str:
        return f"list_filter({items}, lambda x: x IS NOT NULL)"

    def keep(self, items: str, variable: str, condition: str) -> str:
        return f"list_filter({items}, lambda {variable}: coalesce({condition}, FALSE))"

    def keep_value(self, value: str, condition: str) -> str:
        return f"CASE WHEN {condition} THEN {value} END"

    def at(self, items: str, index: int) -> str:
        return f"list_extract({items}, {index + 1})"

    def single(self, items: str) -> str:
        return f"CASE WHEN len({items}) > 1 THEN error('{MORE_THAN_ONE}') ELSE list_extract({items}, 1) END"

    def holds(self, items: str) -> str:
        return f"coalesce(len({items}) > 0, FALSE)"

    def one(self, value: str) -> str:
        return f"list_filter([{value}], lambda x: x IS NOT NULL)"

    def listed(self, rows: Sequence[str]) -> str:
        return f"[{', '.join(rows)}]"

    def chain(self, lists: Sequence[str]) -> str:
        chained = lists[0]
        for other in lists[1:]:
            chained = f"list_concat({chained}, {other})"
        return chained

    def choose(self, condition: str, then: str, otherwise: str) -> str:
        return f"CASE WHEN {condition} THEN {then} ELSE {otherwise} END"

    def present(self, value: str) -> str:
        return f"({value} IS NOT NULL)"

    def operation(self, operator: str, left: str, right: str, left_type: str, right_type: str) -> str:
        if operator in ("and", "or"):
            return f"({left} {operator.upper()} {right})"
        if "decimal" in (left_type, right_type) or operator == "/":
            left, right = f"CAST({left} AS DOUBLE)", f"CAST({right} AS DOUBLE)"
        elif operator not in ("=", "!=") and {"dateTime", "instant"} & {left_type, right_type}:
            left, right = f"TRY_CAST({left} AS TIMESTAMPTZ)", f"TRY_CAST({right} AS TIMESTAMPTZ)"
        elif operator == "+" and left_type not in INTEGERS:
            operator = "||"
        if operator == "/":
            right = f"nullif({right}, 0)"
        return f"({left} {operator} {right})"

    def negation(self, value: str) -> str:
        return f"(NOT {value})"

    def join(self, items: str, separator: str) -> str:
        return f"coalesce(array_to_string({items}, {_quoted(separator)}), '')"

    def reference_key(self, value: str, target: str | None) -> str:
        kind = re.escape(target) if target else "[A-Z][A-Za-z]+"
        pattern = _quoted(rf"^(?:.*/)?{kind}/({_ID})(?:/_history/.*)?$")
        slow = f"nullif(regexp_extract({value}, {pattern}, 1), '')"
        if target is None:
            return slow
        # Nearly every reference is a bare `Type/id`; splitting is several times faster than the pattern.
        start = _quoted(f"{target}/")
        return f"CASE WHEN starts_with({value}, {start}) THEN split_part({value}, '/', 2) ELSE {slow} END"

    def boundary(self, value: str, side: OneOf["low", "high"], type_name: str) -> str:
        if type_name == "decimal":
            return _decimal_boundary(value, side)
        if type_name == "time":
            return _time_boundary(value, side)
        if type_name == "date":
            return _date_boundary(value, side)
        zone = "+14:00" if side == "low" else "-12:00"
        midnight = "T00:00:00.000" if side == "low" else "T23:59:59.999"
        pattern = r"(Z|[+-]\d\d:\d\d)$"
        clock = f"regexp_replace(split_part({value}, 'T', 2), '{pattern}', '')"
        known = f"coalesce(nullif(regexp_extract({value}, 'T.*{pattern}', 1), ''), '{zone}')"
        full = f"split_part({value}, 'T', 1) || 'T' || {_time_boundary(clock, side)} || {known}"
        day = f"{_date_boundary(value, side)} || '{midnight}{zone}'"
        return f"CASE WHEN contains({value}, 'T') THEN {full} ELSE {day} END"

    def cast(self, value: str, type_name: str, *, collection: bool = False) -> str:
        return f"CAST({value} AS {_column_type(type_name)}{'[]' if collection else ''})"

    def record(self, members: Sequence[tuple[str, str]]) -> str:
        inside = ", ".join(f"{self.name(name)}: {value}" for name, value in members)
        return "{" + inside + "}"

    def parse(self, json: str, shape: Shape) -> str:
        return f"from_json({json}, {_quoted(schema(shape))})"


def schema(shape: Shape) -> str:
    """The schema argument of ``from_json`` for the members of ``shape``."""
    return json.dumps({name: _schema(below) for name, below in sorted(shape.members.items())})


def _schema(shape: Shape) -> _Schema:
    found: _Schema
    if shape.is_primitive:
        found = "VARCHAR" if shape.exact else _column_type(shape.type)
    elif shape.whole or not shape.members:
        found = "JSON"
    else:
        found = {name: _schema(below) for name, below in sorted(shape.members.items())}
    return [found] if shape.repeats else found


def _column_type(type_name: str) -> str:
    if type_name == "boolean":
        return "BOOLEAN"
    if type_name in INTEGERS:
        return "BIGINT"
    return "DOUBLE" if type_name == "decimal" and type_name not in TEMPORALS else "VARCHAR"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _decimal_boundary(value: str, side: str) -> str:
    text = f"CAST({value} AS VARCHAR)"
    half = f"CAST(0.5 * pow(10, -length(split_part({text}, '.', 2))) AS DECIMAL(38, 15))"
    sign = "-" if side == "low" else "+"
    return f"CAST(TRY_CAST({text} AS DECIMAL(38, 15)) {sign} {half} AS DOUBLE)"


def _date_boundary(value: str, side: str) -> str:
    year, month = ("-01-01", f"{value} || '-01'") if side == "low" else ("-12-31", "")
    if side == "high":
        month = f"strftime(last_day(TRY_CAST({value} || '-01' AS DATE)), '%Y-%m-%d')"
    return f"CASE length({value}) WHEN 4 THEN {value} || '{year}' WHEN 7 THEN {month} ELSE {value} END"


def _time_boundary(value: str, side: str) -> str:
    second, fraction = (":00", "000") if side == "low" else (":59", "999")
    return (
        f"CASE WHEN length({value}) = 5 THEN {value} || '{second}.{fraction}'"
        f" WHEN length({value}) = 8 THEN {value} || '.{fraction}'"
        f" ELSE rpad({value}, 12, '{fraction[0]}') END"
    )


__all__ = ["DuckDb", "schema"]
