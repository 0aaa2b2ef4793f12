"""A compiled view: SQL over a relation of JSON resources."""

# ruff: noqa: S608 -- statements are put together from names of ours; no value of data enters their text

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from medcairn.core.labels import Label
from medcairn.lakehouse.views import tree
from medcairn.lakehouse.views.definition import as_view_text, parse_view
from medcairn.lakehouse.views.dialects import Dialect, DuckDb
from medcairn.lakehouse.views.plan import ROOT, Recursion, ViewPlan, plan_view
from medcairn.lakehouse.views.write import Writer

_ROW = "medcairn_row"
_JSON = "medcairn_json"


@dataclass(frozen=True)
class CompiledView:
    """A view written in one dialect.

    ``columns`` are (name, FHIR type, is a list) in order. ``warnings`` name elements that the view asks for
    and R4 does not have: they are always empty.
    """

    name: Label
    resource: str
    columns: tuple[tuple[str, str, bool], ...]
    warnings: tuple[str, ...]
    _plan: ViewPlan
    _dialect: Dialect

    def sql(self, source: str, *, json: str = "resource", keep: Sequence[str] = ()) -> str:
        """A SELECT over ``source``: a table, or a query in parentheses.

        ``json`` is the column of ``source`` that holds a resource as JSON text, one a row; rows of other
        resource types give nothing. ``keep`` names columns of ``source`` that go before the view's own.
        """
        return _Statement(self._plan, self._dialect, source, json, tuple(keep)).text()


def compile_view(view: Mapping[str, object] | str | bytes, dialect: Dialect | None = None) -> CompiledView:
    """Compile a ViewDefinition, given as JSON text or as Python values.

    Raises :class:`~medcairn.core.errors.SettingsError` that names the view, column and position at fault.
    """
    text = view if isinstance(view, (str, bytes)) else as_view_text(view)
    plan = plan_view(parse_view(text))
    columns = tuple((c.name, c.type, c.collection) for c in tree.columns_of(plan.rows))
    return CompiledView(plan.name, plan.resource, columns, plan.warnings, plan, dialect or DuckDb())


class _Statement:
    def __init__(
        self, plan: ViewPlan, dialect: Dialect, source: str, json: str, keep: tuple[str, ...]
    ) -> None:
        self._plan, self._d, self._source, self._json = plan, dialect, source, json
        self._keep = tuple(dialect.name(column) for column in keep)
        self._writer = Writer(dialect)

    def text(self) -> str:
        rows = self._writer.rows(self._plan.rows, {ROOT: ROOT})
        selected = [f"{sql} AS {self._d.name(name)}" for name, sql in rows.plain.items()]
        origin = {name: self._d.name(name) for name in rows.plain}
        lists = rows.lists
        if len(lists) > 1:
            inner = tree.Product(tuple(p for p in _parts(self._plan.rows) if not isinstance(p, tree.Columns)))
            names = tuple(name for _, part in lists for name in part)
            joined = self._writer.as_list(_renamed(inner, names), type(rows)({}, lists))
            lists = ((joined, names),)
        if lists:
            selected.append(f"unnest({lists[0][0]}) AS medcairn_item")
            origin |= {name: self._d.member("medcairn_item", name) for name in lists[0][1]}
        final = [f"{origin[name]} AS {self._d.name(name)}" for name in _all_names(self._plan.rows)]
        return (
            f"WITH RECURSIVE {self._sources()}, medcairn_rows AS ("
            f"SELECT {', '.join((*self._keep, *selected))} FROM medcairn_source WHERE {self._condition()})"
            f" SELECT {', '.join((*self._keep, *final))} FROM medcairn_rows"
        )

    def _condition(self) -> str:
        kind = self._d.operation(
            "=",
            self._d.member(ROOT, "resourceType"),
            self._d.literal(self._plan.resource, "code"),
            "code",
            "code",
        )
        return " AND ".join([kind, *(self._writer.node(node, {ROOT: ROOT}) for node in self._plan.wheres)])

    def _sources(self) -> str:
        parsed = self._d.parse(self._json, self._plan.shape)
        columns = ", ".join((*self._keep, f"{parsed} AS {ROOT}"))
        if not self._plan.recursions:
            return f"medcairn_source AS (SELECT {columns} FROM {self._source})"
        numbered = ", ".join(
            (
                *self._keep,
                f"row_number() OVER () AS {_ROW}",
                f"{self._json} AS {_JSON}",
                f"{parsed} AS {ROOT}",
            )
        )
        walks = [self._walk(recursion) for recursion in self._plan.recursions]
        names = [self._d.name(recursion.name) for recursion in self._plan.recursions]
        joins = "".join(
            f" LEFT JOIN {recursion.name}_items USING ({_ROW})" for recursion in self._plan.recursions
        )
        everything = ", ".join((*self._keep, ROOT, *names))
        return ", ".join(
            (
                f"medcairn_numbered AS MATERIALIZED (SELECT {numbered} FROM {self._source})",
                *walks,
                f"medcairn_source AS (SELECT {everything} FROM medcairn_numbered{joins})",
            )
        )

    def _walk(self, recursion: Recursion) -> str:
        """Walks JSON level by level until no item is left; positions along the way give document order."""
        walk, found = f"{recursion.name}_walk", f"{recursion.name}_found"
        first = self._gathered(recursion.first, self._d.parse(_JSON, recursion.first_shape))
        following = self._gathered(recursion.next, self._d.parse("item", recursion.next_shape))
        item = self._d.parse("item", recursion.item_shape)
        step = (
            "SELECT {row}, {key} AS place, item FROM (SELECT {row}, {carry}unnest(items) AS item,"
            " generate_subscripts(items, 1) AS n FROM (SELECT {row}, {carry}{items} AS items FROM {source}))"
        )
        start = step.format(row=_ROW, key="[n]", carry="", items=first, source="medcairn_numbered")
        go_on = step.format(
            row=_ROW, key="list_append(place, n)", carry="place, ", items=following, source=walk
        )
        return (
            f"{walk} AS ({start} UNION ALL {go_on}),"
            f" {recursion.name}_items AS (SELECT {_ROW}, list({item} ORDER BY place) AS"
            f" {self._d.name(recursion.name)} FROM {walk} AS {found} GROUP BY {_ROW})"
        )

    def _gathered(self, nodes: Sequence[tree.Node], parsed: str) -> str:
        lists = [
            sql if node.many else self._d.one(sql)
            for node, sql in ((node, self._writer.node(node, {ROOT: f"({parsed})"})) for node in nodes)
        ]
        return self._d.chain(lists)


def _parts(rows: tree.Rows) -> tuple[tree.Rows, ...]:
    if isinstance(rows, tree.Product):
        return tuple(inner for part in rows.parts for inner in _parts(part))
    return (rows,)


def _renamed(rows: tree.Rows, names: tuple[str, ...]) -> tree.Rows:
    """``rows`` when its columns are ``names``; the writer asks rows only for their columns' names."""
    assert tuple(column.name for column in tree.columns_of(rows)) == names
    return rows


def _all_names(rows: tree.Rows) -> tuple[str, ...]:
    return tuple(column.name for column in tree.columns_of(rows))


__all__ = ["CompiledView", "compile_view"]
