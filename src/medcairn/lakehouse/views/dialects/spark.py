"""Spark SQL (4.0 and later, for its VARIANT type)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from medcairn.lakehouse.views.dialects import texts
from medcairn.lakehouse.views.dialects.dialect import MORE_THAN_ONE, NOT_JSON, Members
from medcairn.lakehouse.views.dialects.standard import StandardSql


class SparkReading:
    """A raw value is a VARIANT; JSON's null is a variant too."""

    def document(self, json: str, members: Members, digits: Sequence[str]) -> str:
        text = json
        if digits:
            kept = '$1"$2"$3$4,"$2#":"$4"'
            text = f"regexp_replace({json}, {_quoted(texts.numbered(digits))}, {_quoted(kept)})"
        # parse_json would quote the whole text in its error, and Spark would log it.
        failed = f"CASE WHEN {json} IS NOT NULL THEN raise_error({_quoted(NOT_JSON)}) END"
        return self.opened(f"coalesce(try_parse_json({text}), {failed})", members)

    def opened(self, raw: str, members: Members) -> str:
        return f"try_variant_get({raw}, '$', {_quoted(_struct(members))})"

    def object(self, raw: str) -> str:
        return f"CASE WHEN {self.opened(raw, {'id': False})} IS NOT NULL THEN {raw} END"

    def text(self, raw: str) -> str:
        return f"CASE WHEN schema_of_variant({raw}) = 'STRING' THEN variant_get({raw}, '$', 'string') END"

    def number(self, raw: str) -> str:
        kind = f"left(schema_of_variant({raw}), 3)"
        number = f"try_variant_get({raw}, '$', 'double')"
        finite = f"abs({number}) < double('Infinity')"
        return f"CASE WHEN {kind} IN ('BIG', 'DEC', 'DOU') AND {finite} THEN {number} + 0D END"

    def whole_number(self, raw: str) -> str:
        return f"CASE WHEN schema_of_variant({raw}) = 'BIGINT' THEN variant_get({raw}, '$', 'bigint') END"

    def truth(self, raw: str) -> str:
        return f"CASE WHEN schema_of_variant({raw}) = 'BOOLEAN' THEN variant_get({raw}, '$', 'boolean') END"

    def walk(self, items: str, variable: str, children: str, keys: Sequence[str]) -> str:
        """As in DuckDB: every round puts behind each item that is still open the items below it."""
        key_counts = " + ".join(
            f"(length(t) - length(replace(t, {_quoted(texts.key(key))}, ''))) div {len(texts.key(key))}"
            for key in keys
        )
        opened = f"transform({children}, k -> named_struct('item', k, 'open', TRUE))"
        self_and_below = (
            f"concat(array(named_struct('item', {variable}, 'open', FALSE)), coalesce({opened}, array()))"
        )
        one = f"transform(array(y.item), {variable} -> {self_and_below})[0]"
        each = f"transform(w.items, y -> CASE WHEN y.open THEN {one} ELSE array(y) END)"
        round_ = (
            f"transform(array(flatten({each})),"
            " z -> named_struct('items', z, 'open', exists(z, y -> y.open)))[0]"
        )
        start = (
            "named_struct('items', transform(s, y -> named_struct('item', y, 'open', TRUE)), 'open', TRUE)"
        )
        counts = f"transform(transform(s, y -> to_json(y)), t -> {key_counts})"
        rounds = f"transform(array(array_max({counts})), n -> CASE WHEN n > 0 THEN sequence(1, n) END)[0]"
        step = f"(w, i) -> CASE WHEN w.open THEN {round_} ELSE w END"
        walked = f"aggregate(coalesce({rounds}, array()), {start}, {step})"
        found = f"CASE WHEN size(s) > 0 THEN transform({walked}.items, y -> y.item) END"
        return f"transform(array({items}), s -> {found})[0]"


class Spark(SparkReading, StandardSql):
    """Lists are ARRAY, records are STRUCT, iteration is a lambda."""

    text_type = "STRING"

    def quoted(self, text: str) -> str:
        return _quoted(text)

    def joined(self, *values: str) -> str:
        return f"concat({', '.join(values)})"

    def matches(self, value: str, pattern: str) -> str:
        return f"{value} RLIKE {_quoted(texts.whole(pattern))}"

    def groups(self, value: str, pattern: str, names: Sequence[str]) -> str:
        whole = _quoted(texts.whole(pattern))
        parts = (f"'{name}', regexp_extract({value}, {whole}, {n})" for n, name in enumerate(names, start=1))
        return f"named_struct({', '.join(parts)})"

    def moment(self, value: str) -> str:
        parts = self.groups("x", texts.MOMENT, ("day", "minutes", "seconds", "fraction", "zone"))
        clock = "p.minutes, coalesce(nullif(p.seconds, ''), ':00'), left(p.fraction, 7)"
        hours, minutes = "try_cast(left(p.zone, 3) AS INT)", "concat(left(p.zone, 1), right(p.zone, 2))"
        offset = f"coalesce({hours} * 60 + try_cast({minutes} AS INT), 0)"
        local = f"try_cast(concat(p.day, ' ', {clock}) AS TIMESTAMP_NTZ)"
        instant = f"CAST({local} - make_dt_interval(0, 0, {offset}, 0) AS TIMESTAMP)"
        length = "CASE WHEN p.seconds = '' THEN 16 ELSE 26 END"
        form = _quoted("yyyy-MM-dd'T'HH:mm:ss.SSSSSS")
        text = f"left(date_format({instant}, {form}), {length})"
        return self.let(value, "x", self.let(parts, "p", f"CASE WHEN p.day = '' THEN x ELSE {text} END"))

    def calculated(self, operator: str, left: str, right: str, *, whole: bool) -> str:
        if whole:
            return f"{_TRIED[operator]}({left}, {right})"
        right = f"CAST({right} AS DOUBLE)"
        right = f"nullif({right}, 0D)" if operator == "/" else right
        # -0.0 becomes 0.0.
        finite = "CASE WHEN abs(x) < double('Infinity') THEN x + 0D END"
        return self.let(f"CAST({left} AS DOUBLE) {operator} {right}", "x", finite)

    def name(self, text: str) -> str:
        return "`" + text.replace("`", "``") + "`"

    def null(self, type_name: str, *, collection: bool = False) -> str:
        if collection:
            return f"CAST(array() AS ARRAY<{self.column_type(type_name)}>)"
        return f"CAST(NULL AS {self.column_type(type_name)})"

    def let(self, value: str, variable: str, body: str) -> str:
        return f"transform(array({value}), {variable} -> {body})[0]"

    def each(self, items: str, variable: str, body: str) -> str:
        counts = re.search(rf"\b{variable}_i\b", body) is not None
        arguments = f"({variable}, {variable}_i)" if counts else variable
        return f"transform({items}, {arguments} -> {body})"

    def position(self, variable: str) -> str:
        return f"{variable}_i"

    def flat(self, lists: str) -> str:
        return f"flatten(filter({lists}, x -> x IS NOT NULL))"

    def compact(self, items: str) -> str:
        return f"filter({items}, x -> x IS NOT NULL)"

    def keep(self, items: str, variable: str, condition: str) -> str:
        return f"filter({items}, {variable} -> coalesce({condition}, FALSE))"

    def at(self, items: str, index: str) -> str:
        return f"get({items}, {index})"

    def single(self, items: str) -> str:
        if "(" in items:
            return self.let(items, "x", self.single("x"))
        return (
            f"CASE WHEN size({items}) > 1 THEN raise_error({_quoted(MORE_THAN_ONE)}) ELSE get({items}, 0) END"
        )

    def holds(self, items: str) -> str:
        return f"coalesce(size({items}) > 0, FALSE)"

    def one(self, value: str) -> str:
        return f"filter(array({value}), x -> x IS NOT NULL)"

    def listed(self, rows: Sequence[str]) -> str:
        return f"array({', '.join(rows)})"

    def chain(self, lists: Sequence[str]) -> str:
        if len(lists) == 1:
            return lists[0]
        return f"concat({', '.join(f'coalesce({items}, array())' for items in lists)})"

    def join(self, items: str, separator: str) -> str:
        return f"coalesce(array_join({items}, {_quoted(separator)}), '')"

    def reference_key(self, value: str, target: str | None) -> str:
        return f"nullif(regexp_extract({value}, {_quoted(texts.whole(texts.reference(target)))}, 1), '')"

    def cast(self, value: str, type_name: str, *, collection: bool = False) -> str:
        kind = self.column_type(type_name)
        return f"CAST({value} AS {f'ARRAY<{kind}>' if collection else kind})"

    def record(self, members: Sequence[tuple[str, str]]) -> str:
        inside = ", ".join(f"{_quoted(name)}, {value}" for name, value in members)
        return f"named_struct({inside})"

    def unnest(self, items: str) -> str:
        return f"explode({items})"


def _struct(members: Members) -> str:
    kinds = {True: "ARRAY<VARIANT>", False: "VARIANT"}
    fields = [
        f"`{name}`: {kinds[below] if isinstance(below, bool) else _struct(below)}"
        for name, below in members.items()
    ]
    return f"STRUCT<{', '.join(fields)}>"


_TRIED = {"+": "try_add", "-": "try_subtract", "*": "try_multiply"}


def _quoted(text: str) -> str:
    # $ too: Spark replaces ${name} in a statement before it reads it.
    escaped = text.replace("\\", "\\\\").replace("'", "\\'").replace("${", "\\u0024{")
    return f"'{escaped}'"


__all__ = ["Spark"]
