"""Typed tree to SQL text, through a dialect.

Rows are built as lists of records by expressions, and unnested once at the top: the engines' lateral joins
would copy the whole resource through a join for every ``forEach``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from medcairn.lakehouse.views import tree
from medcairn.lakehouse.views.dialects import Dialect

Names = Mapping[str, str]
"""What each variable is called in the SQL text at hand."""


@dataclass(frozen=True)
class RowSql:
    """Rows as SQL: columns that are the same in all of them, and lists of records whose product they are."""

    plain: Mapping[str, str]
    lists: tuple[tuple[str, tuple[str, ...]], ...] = ()


class Writer:
    """Writes expressions and rows in one dialect."""

    def __init__(self, dialect: Dialect) -> None:
        self._d = dialect
        self._records = 0

    def node(self, node: tree.Node, names: Names) -> str:
        """The SQL of an expression; NULL (or NULL or the empty list, when it may be many) is nothing."""
        d = self._d
        match node:
            case tree.Context(variable):
                return names[variable]
            case tree.Constant(value, type_name):
                return d.literal(value, type_name)
            case tree.Nothing(type_name):
                return d.null(type_name)
            case tree.RowIndex(variable):
                return f"({names[variable + '_i']} - 1)" if variable in names and variable else "0"
            case tree.Step():
                return self._step(node, names)
            case tree.Where():
                return self._where(node, names)
            case tree.Item(base, index):
                return d.at(self.node(base, names), index)
            case tree.Single(base):
                return d.single(self.node(base, names))
            case tree.Exists(base):
                sql = self.node(base, names)
                return d.holds(sql) if base.many else d.present(sql)
            case tree.Not(base):
                return d.negation(self.node(base, names))
            case tree.Operation(operator, left, right):
                a, b = self.node(left, names), self.node(right, names)
                return d.operation(operator, a, b, left.type, right.type)
            case tree.Join(base, separator):
                return d.join(self._as_list(base, names), separator)
            case tree.ReferenceKey():
                return self._reference_key(node, names)
            case tree.Boundary(base, side, type_name):
                return d.boundary(self.node(base, names), side, type_name)

    def _step(self, node: tree.Step, names: Names) -> str:
        base = self.node(node.base, names)
        if not node.base.many:
            return self._d.member(base, node.field)
        item = self._fresh()
        found = self._d.each(base, item, self._d.member(item, node.field))
        return self._d.flat(found) if node.repeats else self._d.compact(found)

    def _where(self, node: tree.Where, names: Names) -> str:
        base = self.node(node.base, names)
        if node.base.many:
            condition = self.node(node.criterion, {**names, node.variable: node.variable})
            return self._d.keep(base, node.variable, condition)
        return self._d.keep_value(base, self.node(node.criterion, {**names, node.variable: base}))

    def _reference_key(self, node: tree.ReferenceKey, names: Names) -> str:
        base = self.node(node.base, names)
        if not node.many:
            return self._d.reference_key(base, node.target)
        item = self._fresh()
        return self._d.compact(self._d.each(base, item, self._d.reference_key(item, node.target)))

    def _as_list(self, node: tree.Node, names: Names) -> str:
        sql = self.node(node, names)
        if isinstance(node, tree.Nothing):
            return self._d.null(node.type, collection=True)
        return sql if node.many else self._d.one(sql)

    def rows(self, rows: tree.Rows, names: Names) -> RowSql:
        """The SQL of rows."""
        match rows:
            case tree.Columns(columns):
                return RowSql({column.name: self._column(column, names) for column in columns})
            case tree.Product(parts):
                written = [self.rows(part, names) for part in parts]
                plain = {name: sql for part in written for name, sql in part.plain.items()}
                return RowSql(plain, tuple(item for part in written for item in part.lists))
            case tree.Union(parts):
                lists = [self.as_list(part, self.rows(part, names)) for part in parts]
                return RowSql({}, ((self._d.chain(lists), _names(rows)),))
            case tree.Each(items, variable, body, or_null):
                sql = self._each(self._as_list(items, names), variable, body, names, or_null=or_null)
                return RowSql({}, ((sql, _names(rows)),))
            case tree.Recurse(name, variable, body):
                sql = self._each(self._d.name(name), variable, body, names, or_null=False)
                return RowSql({}, ((sql, _names(rows)),))

    def _each(self, items: str, variable: str, body: tree.Rows, names: Names, *, or_null: bool) -> str:
        inner = self.rows(body, {**names, variable: variable, f"{variable}_i": f"{variable}_i"})
        if inner.lists:
            found = self._d.flat(self._d.each(items, variable, self.as_list(body, inner)))
        else:
            found = self._d.each(items, variable, self._record(body, inner, {}))
        if not or_null:
            return found
        empty = [(c.name, self._empty_value(c, variable)) for c in tree.columns_of(body)]
        return self._d.choose(self._d.holds(items), found, self._d.listed([self._d.record(empty)]))

    def _empty_value(self, column: tree.Column, variable: str) -> str:
        if isinstance(column.value, tree.RowIndex) and column.value.variable == variable:
            return self._d.literal("0", "integer")
        return self._d.null(column.type, collection=column.collection)

    def as_list(self, rows: tree.Rows, written: RowSql) -> str:
        """All of ``written`` as one list of records with the columns of ``rows``."""
        if not written.lists:
            return self._d.listed([self._record(rows, written, {})])
        if len(written.lists) == 1 and not written.plain:
            return written.lists[0][0]
        items = [self._fresh() for _ in written.lists]
        sources = {
            name: item for item, (_, names) in zip(items, written.lists, strict=True) for name in names
        }
        sql = self._d.each(written.lists[-1][0], items[-1], self._record(rows, written, sources))
        for (outer, _), item in reversed(list(zip(written.lists[:-1], items[:-1], strict=True))):
            sql = self._d.flat(self._d.each(outer, item, sql))
        return sql

    def _record(self, rows: tree.Rows, written: RowSql, sources: Mapping[str, str]) -> str:
        members = [
            (name, self._d.member(sources[name], name) if name in sources else written.plain[name])
            for name in _names(rows)
        ]
        return self._d.record(members)

    def _column(self, column: tree.Column, names: Names) -> str:
        node = column.value
        if column.collection:
            items = self._as_list(node, names)
            empty = self._d.null(column.type, collection=True)
            sql = self._d.choose(self._d.holds(items), items, empty)
            return self._d.cast(sql, column.type, collection=True)
        sql = self._d.single(self.node(node, names)) if node.many else self.node(node, names)
        return self._d.cast(sql, column.type)

    def _fresh(self) -> str:
        self._records += 1
        return f"x{self._records}"


def _names(rows: tree.Rows) -> tuple[str, ...]:
    return tuple(column.name for column in tree.columns_of(rows))


__all__ = ["Names", "RowSql", "Writer"]
