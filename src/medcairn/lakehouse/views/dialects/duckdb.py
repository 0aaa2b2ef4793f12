"""DuckDB's SQL."""

from __future__ import annotations

import json as json_text
import re
from collections.abc import Sequence
from typing import Literal as OneOf

from medcairn.lakehouse.views.dialects import texts
from medcairn.lakehouse.views.dialects.dialect import MORE_THAN_ONE, Members
from medcairn.lakehouse.views.elements import INTEGERS, TEMPORALS


class DuckDbReading:
    """A raw value is the text of JSON, as DuckDB's JSON type keeps it: without spaces, NULL for null."""

    def document(self, json: str, members: Members, digits: Sequence[str]) -> str:
        if not digits:
            return _taken_apart(json, members)
        kept = r"\1" + '"' + r"\2" + '"' + r"\3\4" + ',"' + r"\2" + '#":"' + r"\4" + '"'
        pattern = _quoted(texts.numbered(digits))
        return _taken_apart(f"regexp_replace({json}, {pattern}, {_quoted(kept)}, 'g')", members)

    def opened(self, raw: str, members: Members) -> str:
        return f"CASE WHEN {_is_object(raw)} THEN {_taken_apart(raw, members)} END"

    def object(self, raw: str) -> str:
        return f"CASE WHEN {_is_object(raw)} THEN {raw} END"

    def text(self, raw: str) -> str:
        return f"""CASE WHEN starts_with({raw}, '"') THEN {raw} ->> '$' END"""

    def number(self, raw: str) -> str:
        number = f"TRY_CAST(CAST({raw} AS VARCHAR) AS DOUBLE)"
        return f"CASE WHEN {_is_number(raw)} AND isfinite({number}) THEN {number} + 0 END"

    def whole_number(self, raw: str) -> str:
        number = f"TRY_CAST(CAST({raw} AS VARCHAR) AS BIGINT)"
        return f"CASE WHEN regexp_full_match({raw}, '-?\\d+') THEN {number} END"

    def truth(self, raw: str) -> str:
        return f"CASE CAST({raw} AS VARCHAR) WHEN 'true' THEN TRUE WHEN 'false' THEN FALSE END"

    def walk(self, items: str, variable: str, children: str, keys: Sequence[str]) -> str:
        """Every round puts behind each item that is still open the items below it.

        There are as many rounds as the longest way down can have steps: as there are keys in an item's text.
        """
        key_counts = " + ".join(
            f"(length(y) - length(replace(y, {_quoted(_key(key))}, ''))) // {len(_key(key))}" for key in keys
        )
        opened = f"list_transform({children}, lambda k: {{item: k, open: TRUE}})"
        self_and_below = f"list_concat([{{item: {variable}, open: FALSE}}], {opened})"
        one = f"list_transform([y.item], lambda {variable}: {self_and_below})[1]"
        each = f"list_transform(w.items, lambda y: CASE WHEN y.open THEN {one} ELSE [y] END)"
        still_open = "len(list_filter(z, lambda y: y.open)) > 0"
        round_ = f"list_transform([flatten({each})], lambda z: {{items: z, open: {still_open}}})[1]"
        start = "{items: list_transform(s, lambda y: {item: y, open: TRUE}), open: TRUE}"
        rounds = f"range(list_max(list_transform(s, lambda y: {key_counts})))"
        walked = f"list_reduce({rounds}, lambda w, i: CASE WHEN w.open THEN {round_} ELSE w END, {start})"
        found = f"CASE WHEN len(s) > 0 THEN list_transform({walked}.items, lambda y: y.item) END"
        return f"list_transform([{items}], lambda s: {found})[1]"


class DuckDb(DuckDbReading):
    """Lists are LIST, records are STRUCT, iteration is a lambda; no join is needed for ``forEach``."""

    def name(self, text: str) -> str:
        return '"' + text.replace('"', '""') + '"'

    def literal(self, value: str, type_name: str) -> str:
        if type_name == "boolean":
            return "TRUE" if value == "true" else "FALSE"
        if type_name in INTEGERS or type_name == "decimal":
            return f"CAST({_quoted(value)} AS {_column_type(type_name)})"
        return _quoted(value)

    def null(self, type_name: str, *, collection: bool = False) -> str:
        suffix = "[]" if collection else ""
        return f"CAST({'[]' if collection else 'NULL'} AS {_column_type(type_name)}{suffix})"

    def member(self, value: str, field: str) -> str:
        return f"{value}.{self.name(field)}"

    def let(self, value: str, variable: str, body: str) -> str:
        return f"list_transform([{value}], lambda {variable}: {body})[1]"

    def each(self, items: str, variable: str, body: str) -> str:
        counts = re.search(rf"\b{variable}_i\b", body) is not None
        arguments = f"{variable}, {variable}_i" if counts else variable
        return f"list_transform({items}, lambda {arguments}: {body})"

    def position(self, variable: str) -> str:
        return f"({variable}_i - 1)"

    def flat(self, lists: str) -> str:
        return f"flatten({lists})"

    def compact(self, items: str) -> str:
        return f"list_filter({items}, lambda x: x IS NOT NULL)"

    def keep(self, items: str, variable: str, condition: str) -> str:
        return f"list_filter({items}, lambda {variable}: coalesce({condition}, FALSE))"

    def at(self, items: str, index: str) -> str:
        return f"list_extract({items}, {index} + 1)"

    def single(self, items: str) -> str:
        if "(" in items:
            return self.let(items, "x", self.single("x"))
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

    def choose(self, condition: str, then: str, otherwise: str | None = None) -> str:
        return f"CASE WHEN {condition} THEN {then} ELSE {otherwise or 'NULL'} END"

    def present(self, value: str) -> str:
        return f"({value} IS NOT NULL)"

    def operation(self, operator: str, left: str, right: str, left_type: str, right_type: str) -> str:
        if operator in ("and", "or"):
            return f"({left} {operator.upper()} {right})"
        kinds = {left_type, right_type}
        if operator in "+-*/" and (kinds <= INTEGERS or kinds <= INTEGERS | {"decimal"}):
            return _calculated(operator, left, right, whole=kinds <= INTEGERS and operator != "/")
        if operator == "+":
            return f"({left} || {right})"
        if "decimal" in kinds:
            left, right = f"CAST({left} AS DOUBLE)", f"CAST({right} AS DOUBLE)"
        elif kinds & TEMPORALS:
            return self._by_precision(operator, left, right)
        return f"({left} {operator} {right})"

    def _by_precision(self, operator: str, left: str, right: str) -> str:
        shorter = "least(length(x.a), length(x.b))"
        cut = f"left(x.a, {shorter}) {operator} left(x.b, {shorter})"
        same = f"length(x.a) = length(x.b) OR left(x.a, {shorter}) <> left(x.b, {shorter})"
        moments = self.record([("a", _moment(left)), ("b", _moment(right))])
        return self.let(moments, "x", f"CASE WHEN {same} THEN {cut} END")

    def negation(self, value: str) -> str:
        return f"(NOT {value})"

    def join(self, items: str, separator: str) -> str:
        return f"coalesce(array_to_string({items}, {_quoted(separator)}), '')"

    def reference_key(self, value: str, target: str | None) -> str:
        pattern = _quoted(_whole(texts.reference(target)))
        slow = f"nullif(regexp_extract(x, {pattern}, 1), '')"
        if target is None:
            return self.let(value, "x", slow)
        # Matching without a group is several times faster than taking one out.
        bare = f"regexp_full_match(x, {_quoted(texts.bare_reference(target))})"
        return self.let(value, "x", f"CASE WHEN {bare} THEN substr(x, {len(target) + 2}) ELSE {slow} END")

    def boundary(self, value: str, side: OneOf["low", "high"], type_name: str) -> str:
        if type_name == "decimal":
            found = _decimal_boundary(side)
        elif type_name == "time":
            found = _matching(texts.CLOCK, _clock_boundary("x", side))
        elif type_name == "date":
            found = _date_boundary("x", side)
        else:
            found = _instant_boundary(side)
        return self.let(value, "x", found)

    def cast(self, value: str, type_name: str, *, collection: bool = False) -> str:
        return f"CAST({value} AS {_column_type(type_name)}{'[]' if collection else ''})"

    def record(self, members: Sequence[tuple[str, str]]) -> str:
        inside = ", ".join(f"{self.name(name)}: {value}" for name, value in members)
        return "{" + inside + "}"

    def unnest(self, items: str) -> str:
        return f"unnest({items})"


def _column_type(type_name: str) -> str:
    if type_name == "boolean":
        return "BOOLEAN"
    if type_name in INTEGERS:
        return "BIGINT"
    return "DOUBLE" if type_name == "decimal" else "VARCHAR"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _whole(pattern: str) -> str:
    return f"^(?:{pattern})\\z"


def _key(name: str) -> str:
    return f'"{name}":'


def _taken_apart(json: str, members: Members) -> str:
    return f"from_json({json}, {_quoted(json_text.dumps(_schema(members)))})"


def _schema(members: Members) -> dict[str, object]:
    kinds: dict[bool, object] = {True: ["JSON"], False: "JSON"}
    return {
        name: kinds[below] if isinstance(below, bool) else _schema(below) for name, below in members.items()
    }


def _is_object(raw: str) -> str:
    return f"starts_with({raw}, '{{')"


def _is_number(raw: str) -> str:
    return f"left({raw}, 1) IN ('-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9')"


def _finite(number: str) -> str:
    """The number if it is finite; -0.0 becomes 0.0."""
    return f"list_transform([{number}], lambda x: CASE WHEN isfinite(x) THEN x + 0 END)[1]"


def _calculated(operator: str, left: str, right: str, *, whole: bool) -> str:
    if whole:
        return f"TRY_CAST(CAST({left} AS HUGEINT) {operator} CAST({right} AS HUGEINT) AS BIGINT)"
    right = f"CAST({right} AS DOUBLE)"
    right = f"nullif({right}, 0)" if operator == "/" else right
    return _finite(f"CAST({left} AS DOUBLE) {operator} {right}")


def _moment(value: str) -> str:
    """A text of day and time as the same instant in UTC, any other as it is."""
    groups = "['day', 'minutes', 'seconds', 'fraction', 'zone']"
    parts = f"regexp_extract(x, {_quoted(_whole(texts.MOMENT))}, {groups})"
    clock = "p.minutes || coalesce(nullif(p.seconds, ''), ':00') || left(p.fraction, 7)"
    zone = (
        "TRY_CAST(left(p.zone, 3) AS BIGINT) * 60 + TRY_CAST(left(p.zone, 1) || right(p.zone, 2) AS BIGINT)"
    )
    instant = f"TRY_CAST(p.day || ' ' || {clock} AS TIMESTAMP) - to_minutes(coalesce({zone}, 0))"
    length = "CASE WHEN p.seconds = '' THEN 16 ELSE 26 END"
    text = f"left(strftime({instant}, '%Y-%m-%dT%H:%M:%S.%f'), {length})"
    found = f"list_transform([{parts}], lambda p: CASE WHEN p.day = '' THEN x ELSE {text} END)[1]"
    return f"list_transform([{value}], lambda x: {found})[1]"


def _matching(pattern: str, value: str) -> str:
    """``value`` when all of ``x`` is of that form."""
    return f"CASE WHEN regexp_full_match(x, {_quoted(pattern)}) THEN {value} END"


def _decimal_boundary(side: str) -> str:
    sign = "-" if side == "low" else "+"
    half = "'0.' || repeat('0', length(split_part(x, '.', 2))) || '5'"
    exact = f"CAST(x AS DECIMAL(37, 14)) {sign} CAST({half} AS DECIMAL(37, 14))"
    # By way of text, so that the double is the nearest one.
    return _matching(texts.DIGITS, f"CAST(CAST({exact} AS VARCHAR) AS DOUBLE)")


def _date_boundary(value: str, side: str) -> str:
    year = f"{value} || '{'-01-01' if side == 'low' else '-12-31'}'"
    first = f"TRY_CAST({value} || '-01' AS DATE)"
    day = "'01'" if side == "low" else f"CAST(day(last_day({first})) AS VARCHAR)"
    month = f"CASE WHEN {first} IS NOT NULL THEN {value} || '-' || {day} END"
    full = ((texts.DAY, value), (texts.MONTH, month), (texts.YEAR, year))
    return texts.cases([(f"regexp_full_match({value}, {_quoted(form)})", found) for form, found in full])


def _clock_boundary(value: str, side: str) -> str:
    second, fraction = (":00", "0") if side == "low" else (":59", "9")
    padded = f"rpad({value}, 12, '{fraction}')"
    return texts.cases(
        [
            (f"length({value}) = 5", f"{value} || '{second}.{fraction * 3}'"),
            (f"length({value}) = 8", f"{value} || '.{fraction * 3}'"),
            (f"length({value}) < 12", padded),
        ],
        value,
    )


def _instant_boundary(side: str) -> str:
    pattern = _quoted(_whole(f"({texts.DAY})T({texts.CLOCK})({texts.ZONE})?"))
    zone, midnight = ("+14:00", "T00:00:00.000") if side == "low" else ("-12:00", "T23:59:59.999")
    clock = _clock_boundary("p.clock", side)
    timed = f"p.day || 'T' || {clock} || coalesce(nullif(p.zone, ''), '{zone}')"
    untimed = f"{_date_boundary('x', side)} || '{midnight}{zone}'"
    found = f"CASE WHEN p.day <> '' THEN {timed} ELSE {untimed} END"
    return f"list_transform([regexp_extract(x, {pattern}, ['day', 'clock', 'zone'])], lambda p: {found})[1]"


__all__ = ["DuckDb"]
