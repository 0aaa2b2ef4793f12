"""Typed tree to SQL text, through a dialect.

Rows are built as lists of records by expressions, and unnested once at the top: the engines' lateral joins
would copy the whole resource through a join for every ``forEach``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from functools import partial

from medcairn.lakehouse.views import tree
from medcairn.lakehouse.views.dialects import Dialect
from medcairn.lakehouse.views.reading import Reader
from medcairn.lakehouse.views.shape import Shape

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
        self._reader = Reader(dialect, self._fresh)

    def resource(self, json: str, shape: Shape, digits: Sequence[str]) -> str:
        """The record of ``shape`` in the JSON text; see :meth:`Reader.resource`."""
        return self._reader.resource(json, shape, digits)

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
                return d.position(variable) if variable and variable in names else d.literal("0", "integer")
            case tree.Step():
                return self._step(node, names)
            case tree.Where():
                return self._where(node, names)
            case tree.Item(base, index):
                return d.at(self.node(base, names), str(index))
            case tree.Single(base):
                return d.single(self.node(base, names))
            case tree.Exists(base):
                sql = self.node(base, names)
                return d.holds(sql) if base.many else d.present(sql)
            case tree.Not(base):
                return d.negation(self.node(base, names))
            case tree.Operation():
                return self._operation(node, names)
            case tree.Join(base, separator):
                return d.join(self._as_list(base, names), separator)
            case tree.ReferenceKey():
                return self._reference_key(node, names)
            case tree.Boundary(base, side, type_name):
                return d.boundary(self._digits(base, names), side, type_name)
            case tree.Repeat():
                return self._repeat(node, names)

    def conditions(self, nodes: Sequence[tree.Node], names: Names) -> str:
        """That all of ``nodes`` are true; each is computed, whatever the others are."""
        whole = nodes[0]
        for node in nodes[1:]:
            whole = tree.Operation("and", whole, node, "boolean")
        return self.node(whole, names)

    def _step(self, node: tree.Step, names: Names) -> str:
        base = self.node(node.base, names)
        if not node.base.many:
            return self._d.member(base, node.field)
        item = self._fresh()
        found = self._d.each(base, item, self._d.member(item, node.field))
        return self._d.flat(found) if node.repeats else self._d.compact(found)

    def _where(self, node: tree.Where, names: Names) -> str:
        base = self.node(node.base, names)
        condition = self.node(node.criterion, {**names, node.variable: node.variable})
        if node.base.many:
            return self._d.keep(base, node.variable, condition)
        return self._d.let(base, node.variable, self._d.choose(condition, node.variable))

    def _operation(self, node: tree.Operation, names: Names) -> str:
        left, right = self.node(node.left, names), self.node(node.right, names)
        if node.operator in ("and", "or") and (_may_fail(node.left) or _may_fail(node.right)):
            # An engine may pass over the second side; a failure in it would come and go with the plan.
            both = self._fresh()
            sides = self._d.record([("left", left), ("right", right)])
            joined = self._operator(node, self._d.member(both, "left"), self._d.member(both, "right"))
            return self._d.let(sides, both, joined)
        return self._operator(node, left, right)

    def _operator(self, node: tree.Operation, left: str, right: str) -> str:
        return self._d.operation(node.operator, left, right, node.left.type, node.right.type)

    def _reference_key(self, node: tree.ReferenceKey, names: Names) -> str:
        base = self.node(node.base, names)
        if not node.many:
            return self._d.reference_key(base, node.target)
        item = self._fresh()
        return self._d.compact(self._d.each(base, item, self._d.reference_key(item, node.target)))

    def _digits(self, node: tree.Node, names: Names) -> str:
        if isinstance(node, tree.Constant):
            return self._d.literal(node.value, "string")
        return self.node(node, names)

    def _repeat(self, node: tree.Repeat, names: Names) -> str:
        found = self._d.chain([self._as_list(item, names) for item in node.first])
        if node.next:
            raw = self._fresh()
            lists = [self._as_list(item, {**names, node.variable: node.variable}) for item in node.next]
            record = self._reader.record(raw, node.next_shape)
            children = self._d.let(record, node.variable, self._d.chain(lists))
            found = self._d.walk(found, raw, children, sorted(set(map(_last_member, node.next))))
        item = self._fresh()
        return self._d.each(found, item, self._reader.record(item, node.item_shape))

    def _as_list(self, node: tree.Node, names: Names) -> str:
        if isinstance(node, tree.Nothing):
            return self._d.null(node.type, collection=True)
        sql = self.node(node, names)
        return sql if node.many else self._d.one(sql)

    def rows(self, rows: tree.Rows, names: Names) -> str:
        """All rows, as one list of records."""
        return self._as_rows(rows, self._parts(rows, names))

    def _parts(self, rows: tree.Rows, names: Names) -> RowSql:
        match rows:
            case tree.Columns(columns):
                return RowSql({column.name: self._column(column, names) for column in columns})
            case tree.Product(parts):
                written = [self._parts(part, names) for part in parts]
                plain = {name: sql for part in written for name, sql in part.plain.items()}
                return RowSql(plain, tuple(item for part in written for item in part.lists))
            case tree.Union(parts):
                return RowSql({}, ((self._d.chain([self.rows(p, names) for p in parts]), _names(rows)),))
            case tree.Each(items, variable, body, or_null):
                return RowSql(
                    {}, ((self._each(items, variable, body, names, or_null=or_null), _names(rows)),)
                )

    def _each(self, items: tree.Node, variable: str, body: tree.Rows, names: Names, *, or_null: bool) -> str:
        source = self._as_list(items, names)
        inner = self._parts(body, {**names, variable: variable})

        def found(bound: str) -> str:
            if inner.lists:
                return self._d.flat(self._d.each(bound, variable, self._as_rows(body, inner)))
            return self._d.each(bound, variable, self._record(body, inner, {}))

        if not or_null:
            return found(source)
        empty = [(c.name, self._empty_value(c, variable)) for c in tree.columns_of(body)]
        no_items = self._d.listed([self._d.record(empty)])
        return self._with(source, lambda bound: self._d.choose(self._d.holds(bound), found(bound), no_items))

    def _empty_value(self, column: tree.Column, variable: str) -> str:
        if isinstance(column.value, tree.RowIndex) and column.value.variable == variable:
            return self._d.cast(self._d.literal("0", "integer"), column.type, collection=column.collection)
        return self._d.null(column.type, collection=column.collection)

    def _as_rows(self, rows: tree.Rows, written: RowSql) -> str:
        if not written.lists:
            return self._d.listed([self._record(rows, written, {})])
        if len(written.lists) == 1 and not written.plain:
            return written.lists[0][0]
        if not _may_fail(rows):
            return self._product(rows, written)
        # As the specification has it, every part is made before they are combined, also where another gives
        # no row; so a failure does not hang on the order of the parts.
        together = self._fresh()
        parts = [(f"rows_{n}", sql) for n, (sql, _) in enumerate(written.lists)]
        values = [("values", self._d.record(list(written.plain.items())))] if written.plain else []
        made = RowSql(
            {name: self._d.member(self._d.member(together, "values"), name) for name in written.plain},
            tuple(
                (self._d.member(together, part), names)
                for (part, _), (_, names) in zip(parts, written.lists, strict=True)
            ),
        )
        return self._d.let(self._d.record([*values, *parts]), together, self._product(rows, made))

    def _product(self, rows: tree.Rows, written: RowSql) -> str:
        """Every combination of the parts' rows."""
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
            items, empty = self._as_list(node, names), self._d.null(column.type, collection=True)
            if isinstance(node, tree.Nothing):
                return empty
            cast = partial(self._d.cast, type_name=column.type, collection=True)
            return self._with(items, lambda x: self._d.choose(self._d.holds(x), cast(x), empty))
        sql = self._d.single(self.node(node, names)) if node.many else self.node(node, names)
        return self._d.cast(sql, column.type)

    def _with(self, value: str, body: Callable[[str], str]) -> str:
        """``body`` of ``value``, which is computed once; what is only a name needs no other."""
        if "(" not in value:
            return body(value)
        variable = self._fresh()
        return self._d.let(value, variable, body(variable))

    def _fresh(self) -> str:
        self._records += 1
        return f"x{self._records}"


def _names(rows: tree.Rows) -> tuple[str, ...]:
    return tuple(column.name for column in tree.columns_of(rows))


def _may_fail(part: object) -> bool:
    """Whether the expression, or a column of the rows, fails where several values are found."""
    if isinstance(part, tuple):
        return any(map(_may_fail, part))
    if isinstance(part, Shape) or not is_dataclass(part):
        return False
    if isinstance(part, tree.Single) or (
        isinstance(part, tree.Column) and part.value.many and not part.collection
    ):
        return True
    return any(_may_fail(getattr(part, field.name)) for field in fields(part))


def _last_member(node: tree.Node) -> str:
    """The JSON member that the objects of a ``repeat``'s path stand in."""
    while not (isinstance(node, tree.Step) and node.field != "*"):
        assert isinstance(node, (tree.Step, tree.Where, tree.Item, tree.Single))
        node = node.base
    return node.field.partition(":")[0]


__all__ = ["Names", "RowSql", "Writer"]
