"""DuckDB's SQL."""

from __future__ import annotations

import json as json_text
import re
from collections.abc import Sequence

from medcairn.lakehouse.views.dialects import texts
from medcairn.lakehouse.views.dialects.dialect import MORE_THAN_ONE, Members
from medcairn.lakehouse.views.dialects.standard import StandardSql


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
            f"(length(y) - length(replace(y, {_quoted(texts.key(key))}, ''))) // {len(texts.key(key))}"
            for key in keys
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


class DuckDb(DuckDbReading, StandardSql):
    """Lists are LIST, records are STRUCT, iteration is a lambda; no join is needed for ``forEach``."""

    text_type = "VARCHAR"

    def quoted(self, text: str) -> str:
        return _quoted(text)

    def joined(self, *values: str) -> str:
        return " || ".join(values)

    def matches(self, value: str, pattern: str) -> str:
        return f"regexp_full_match({value}, {_quoted(pattern)})"

    def groups(self, value: str, pattern: str, names: Sequence[str]) -> str:
        return f"regexp_extract({value}, {_quoted(texts.whole(pattern))}, {list(names)})"

    def moment(self, value: str) -> str:
        parts = self.groups("x", texts.MOMENT, ("day", "minutes", "seconds", "fraction", "zone"))
        clock = "p.minutes || coalesce(nullif(p.seconds, ''), ':00') || left(p.fraction, 7)"
        minutes = "TRY_CAST(left(p.zone, 1) || right(p.zone, 2) AS BIGINT)"
        zone = f"TRY_CAST(left(p.zone, 3) AS BIGINT) * 60 + {minutes}"
        instant = f"TRY_CAST(p.day || ' ' || {clock} AS TIMESTAMP) - to_minutes(coalesce({zone}, 0))"
        length = "CASE WHEN p.seconds = '' THEN 16 ELSE 26 END"
        text = f"left(strftime({instant}, '%Y-%m-%dT%H:%M:%S.%f'), {length})"
        return self.let(value, "x", self.let(parts, "p", f"CASE WHEN p.day = '' THEN x ELSE {text} END"))

    def calculated(self, operator: str, left: str, right: str, *, whole: bool) -> str:
        if whole:
            return f"TRY_CAST(CAST({left} AS HUGEINT) {operator} CAST({right} AS HUGEINT) AS BIGINT)"
        right = f"CAST({right} AS DOUBLE)"
        right = f"nullif({right}, 0)" if operator == "/" else right
        # -0.0 becomes 0.0.
        finite = "CASE WHEN isfinite(x) THEN x + 0 END"
        return self.let(f"CAST({left} AS DOUBLE) {operator} {right}", "x", finite)

    def name(self, text: str) -> str:
        return '"' + text.replace('"', '""') + '"'

    def null(self, type_name: str, *, collection: bool = False) -> str:
        suffix = "[]" if collection else ""
        return f"CAST({'[]' if collection else 'NULL'} AS {self.column_type(type_name)}{suffix})"

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

    def join(self, items: str, separator: str) -> str:
        return f"coalesce(array_to_string({items}, {_quoted(separator)}), '')"

    def reference_key(self, value: str, target: str | None) -> str:
        pattern = _quoted(texts.whole(texts.reference(target)))
        slow = f"nullif(regexp_extract(x, {pattern}, 1), '')"
        if target is None:
            return self.let(value, "x", slow)
        # Matching without a group is several times faster than taking one out.
        bare = self.matches("x", texts.bare_reference(target))
        return self.let(value, "x", f"CASE WHEN {bare} THEN substr(x, {len(target) + 2}) ELSE {slow} END")

    def cast(self, value: str, type_name: str, *, collection: bool = False) -> str:
        return f"CAST({value} AS {self.column_type(type_name)}{'[]' if collection else ''})"

    def record(self, members: Sequence[tuple[str, str]]) -> str:
        inside = ", ".join(f"{self.name(name)}: {value}" for name, value in members)
        return "{" + inside + "}"

    def unnest(self, items: str) -> str:
        return f"unnest({items})"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


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


__all__ = ["DuckDb"]
