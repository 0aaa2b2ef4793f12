"""The rows of a view as one function that appends tuples."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import cast

from medcairn.lakehouse.views import tree
from medcairn.lakehouse.views.direct.expressions import Expressions
from medcairn.lakehouse.views.direct.nodes import groups_in, item_of, parts_of
from medcairn.lakehouse.views.direct.reading import Reading
from medcairn.lakehouse.views.direct.source import Item, Scope, Source
from medcairn.lakehouse.views.plan import ROOT, ViewPlan

RowsOf = Callable[[object, Callable[[tuple[object, ...]], None]], None]
"""Hands every row of a decoded resource to a function."""

_Found = Mapping[int, Sequence[str]]
_Emit = Callable[[Sequence[str], Scope], None]
"""Writes what is done with one row, whose values have these names."""


def rows_of(plan: ViewPlan, reading: Reading, walked: Mapping[str, Reading]) -> RowsOf:
    """The function that gives the rows of ``plan`` for resources that were read as ``reading`` says.

    ``walked`` are the readings of what its repeats walk, by type.
    """
    out = Source(f"def function({ROOT}, append):")
    scope = Scope({ROOT: Item(ROOT, None, reading)})
    groups = groups_in([*plan.wheres, *_nodes_of(plan.rows)])
    writer = _Rows(out, Expressions(out, groups, walked), walked)
    for condition in plan.wheres:
        with out.block(f"if not {writer.expressions.value(condition, scope)}:"):
            out.line("return")
    writer.rows(plan.rows, scope, writer.row_for("append"))
    return cast(RowsOf, out.function())


class _Rows:
    def __init__(self, out: Source, expressions: Expressions, walked: Mapping[str, Reading]) -> None:
        self._out = out
        self.expressions = expressions
        self._walked = walked

    def rows(self, rows: tree.Rows, scope: Scope, emit: _Emit) -> None:
        """Writes ``rows``; ``emit`` writes what is done with the values of one row."""
        match rows:
            case tree.Columns():
                emit(self._cells(rows, scope), scope)
            case tree.Union(parts):
                for part in parts:
                    self.rows(part, scope, emit)
            case tree.Product(parts):
                self._product(parts, scope, emit)
            case tree.Each():
                self._each(rows, scope, emit)

    def row_for(self, append: str) -> _Emit:
        """Writes a row as a tuple that is given to the function named ``append``."""

        def emit(cells: Sequence[str], scope: Scope) -> None:
            self._out.line(f"{append}(({', '.join(cells)},))")

        return emit

    def _cells(self, columns: tree.Columns, scope: Scope) -> list[str]:
        """All columns of a select are computed before its parts are combined, as the specification has it:
        one that asks for a single value and finds several fails also where no row comes of it."""
        return [self._value(column, scope) for column in columns.columns]

    def _value(self, column: tree.Column, scope: Scope) -> str:
        if column.collection:
            found = self.expressions.collected(column.value, scope)
            return found if column.type != "decimal" else self._out.new(f"[x + 0.0 for x in {found}]")
        found = self.expressions.only(column.value, scope)
        if column.type != "decimal" or found == "None":
            return found
        return self._out.new(f"{found} if {found} is None else {found} + 0.0")  # -0.0 is 0.0

    def _product(self, parts: Sequence[tree.Rows], scope: Scope, emit: _Emit) -> None:
        """Plain columns are written once; of several lists each is made once, and then combined."""
        numbered = list(enumerate(parts))
        plain = {n: self._cells(part, scope) for n, part in numbered if isinstance(part, tree.Columns)}
        lists = [(n, part) for n, part in numbered if n not in plain]
        made = {n: self._made(part, scope) for n, part in lists} if len(lists) > 1 else {}

        def combine(left: Sequence[tuple[int, tree.Rows]], found: _Found, inner: Scope) -> None:
            if not left:
                emit([cell for n in range(len(parts)) for cell in found[n]], inner)
                return
            (n, part), others = left[0], left[1:]
            if n not in made:
                self.rows(part, inner, lambda cells, deeper: combine(others, {**found, n: cells}, deeper))
                return
            row = self._out.new()
            with self._out.loop(row, made[n]):
                names = [f"{row}[{place}]" for place in range(len(tree.columns_of(part)))]
                combine(others, {**found, n: names}, inner.inner())

        combine(lists, plain, scope)

    def _made(self, part: tree.Rows, scope: Scope) -> str:
        """The name of a list of the part's rows."""
        found = self._out.new("[]")
        self.rows(part, scope, self.row_for(f"{found}.append"))
        return found

    def _each(self, each: tree.Each, scope: Scope, emit: _Emit) -> None:
        counted = any(_counts(node, each.variable) for node in _nodes_of(each.body))
        position = self._out.new("-1") if counted else "0"

        def use(name: str, inner: Scope) -> None:
            inner.items[each.variable] = item_of(name, each.items, scope, self._walked)
            inner.positions[each.variable] = position
            if counted:
                self._out.line(f"{position} += 1")
            self.rows(each.body, inner, emit)

        def none() -> None:
            emit([_absent(column, each.variable) for column in tree.columns_of(each.body)], scope.inner())

        if each.or_null:
            self.expressions.items_or(each.items, scope, use, none)
        else:
            self.expressions.items(each.items, scope, use)


def _absent(column: tree.Column, variable: str) -> str:
    """A column of the one row of nothing."""
    if isinstance(column.value, tree.RowIndex) and column.value.variable == variable:
        return "0"
    return "[]" if column.collection else "None"


def _nodes_of(rows: tree.Rows) -> Iterator[tree.Node]:
    match rows:
        case tree.Columns(columns):
            yield from (column.value for column in columns)
        case tree.Each(items, _, body):
            yield items
            yield from _nodes_of(body)
        case tree.Product(parts) | tree.Union(parts):
            for part in parts:
                yield from _nodes_of(part)


def _counts(node: tree.Node, variable: str) -> bool:
    """Whether ``node`` asks for the position of the items of ``variable``."""
    return any(isinstance(part, tree.RowIndex) and part.variable == variable for part in parts_of(node))


__all__ = ["RowsOf", "rows_of"]
