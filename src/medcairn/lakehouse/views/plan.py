"""A checked view: rows as a typed tree, and the shape of what has to be read for them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from medcairn.core.errors import MedcairnError, SettingsError
from medcairn.core.labels import Label
from medcairn.lakehouse.views import tree
from medcairn.lakehouse.views.definition import ColumnDefinition, SelectDefinition, ViewDefinition
from medcairn.lakehouse.views.elements import INTEGERS, PRIMITIVES, resource_types
from medcairn.lakehouse.views.functions import FUNCTIONS
from medcairn.lakehouse.views.nesting import check_nesting
from medcairn.lakehouse.views.resolve import Resolver, Scope, Value, plain
from medcairn.lakehouse.views.shape import Form, Shape

ROOT = "r"
"""The variable that stands for the resource."""


@dataclass(frozen=True)
class ViewPlan:
    """A view that is ready to be written in any dialect.

    ``digits`` are the JSON members that are decimals of which the digits count as they are written.
    """

    name: Label
    resource: str
    rows: tree.Rows
    wheres: tuple[tree.Node, ...]
    shape: Shape
    warnings: tuple[str, ...]
    digits: tuple[str, ...]


def plan_view(view: ViewDefinition) -> ViewPlan:
    """Resolve every expression of ``view``.

    Raises :class:`SettingsError` that names the view and, where there is one, the column.
    """
    if view.resource not in resource_types():
        raise SettingsError("A view is on a resource type that is not in the R4 table", view=view.name)
    paired: set[str] = set()
    while True:
        planner = _Planner(view, paired)
        plan = planner.plan()
        # Whether an element is read with its companions is known when its last use is resolved.
        if not planner.unpaired:
            return plan
        paired |= planner.unpaired


class _Planner:
    def __init__(self, view: ViewDefinition, paired: set[str]) -> None:
        self._view = view
        self._resolver = Resolver(view.constants, FUNCTIONS, frozenset(paired))
        self._walked: list[Shape] = []

    @property
    def unpaired(self) -> set[str]:
        return self._resolver.unpaired

    def plan(self) -> ViewPlan:
        shape = Shape(self._view.resource, only=self._view.resource)
        scope = Scope(Value(tree.Context(ROOT, self._view.resource), shape))
        wheres = tuple(self._condition(text, scope) for text in self._view.wheres)
        rows = self._product([self._select(select, scope) for select in self._view.selects])
        names = [column.name for column in tree.columns_of(rows)]
        if len({name.lower() for name in names}) != len(names):
            raise SettingsError("A view gives two columns the same name", view=self._view.name)
        for read in (shape, *self._walked):
            read.prune()
        check_nesting(self._view.name, rows, wheres, shape)
        warnings = tuple(sorted(set(self._resolver.warnings)))
        digits = tuple(sorted(self._resolver.digits))
        return ViewPlan(self._view.name, self._view.resource, rows, wheres, shape, warnings, digits)

    def _condition(self, text: str, scope: Scope) -> tree.Node:
        with self._locating():
            return self._resolver.condition(text, scope)

    def _select(self, select: SelectDefinition, scope: Scope) -> tree.Rows:
        if select.repeat:
            return self._repeat(select, scope)
        path = select.for_each if select.for_each is not None else select.for_each_or_null
        if path is None:
            return self._body(select, scope)
        items = self._resolve(path, scope)
        if items.choice is not None:
            raise SettingsError("forEach needs ofType() after a choice element", view=self._view.name)
        variable = self._resolver.new_variable()
        item = Value(tree.Context(variable, items.node.type), items.shape)
        if items.is_nothing:
            item = Value(tree.Nothing(), None)
        body = self._body(select, Scope(item, variable, is_resource=False))
        return tree.Each(items.counted(), variable, body, or_null=select.for_each_or_null is not None)

    def _body(self, select: SelectDefinition, scope: Scope) -> tree.Rows:
        parts: list[tree.Rows] = []
        if select.columns:
            parts.append(tree.Columns(tuple(self._column(column, scope) for column in select.columns)))
        parts += [self._select(inner, scope) for inner in select.selects]
        if select.unions:
            parts.append(self._union([self._select(inner, scope) for inner in select.unions]))
        return self._product(parts)

    def _product(self, parts: list[tree.Rows]) -> tree.Rows:
        return parts[0] if len(parts) == 1 else tree.Product(tuple(parts))

    def _union(self, parts: list[tree.Rows]) -> tree.Rows:
        shapes = [[(c.name, _sql_kind(c.type), c.collection) for c in tree.columns_of(p)] for p in parts]
        if any(shape != shapes[0] for shape in shapes):
            raise SettingsError(
                "The branches of a unionAll differ in their columns",
                hint="Every branch gives the same columns, in the same order, of the same type",
                view=self._view.name,
            )
        return tree.Union(tuple(parts))

    def _column(self, column: ColumnDefinition, scope: Scope) -> tree.Column:
        with self._locating(column=Label(column.name)):
            value = self._resolver.resolve(column.path, scope)
        node = plain(value)
        if column.type is not None and column.type not in PRIMITIVES:
            raise self._refused("A column's type is not a primitive type", column)
        if value.choice is not None or (node.type not in PRIMITIVES and not value.is_nothing):
            raise self._refused("A column's path does not end at a primitive element", column)
        declared = column.type or node.type
        if value.is_nothing:
            node = tree.Nothing(declared)
        elif _sql_kind(declared) != _sql_kind(node.type):
            raise self._refused("A column's type is not what its path gives", column)
        return tree.Column(column.name, declared, column.collection, node)

    def _refused(self, message: str, column: ColumnDefinition) -> SettingsError:
        return SettingsError(message, view=self._view.name, column=Label(column.name))

    def _repeat(self, select: SelectDefinition, scope: Scope) -> tree.Rows:
        first = self._gather(select.repeat, scope)
        if not first:
            return self._never(select, scope)
        place, item_type = f"repeat_{len(self._walked)}", first[0].type
        next_shape, next_item = Shape(item_type, place=f"{place}/next"), self._resolver.new_variable()
        known = len(self._resolver.warnings)
        inner = Scope(Value(tree.Context(next_item, item_type), next_shape), is_resource=False)
        following = self._gather(select.repeat, inner)
        # The same paths again: what they lack of their own type is no news.
        del self._resolver.warnings[known:]
        if any(node.type != item_type for node in (*first, *following)):
            raise SettingsError("The paths of a repeat lead to different types", view=self._view.name)
        item_shape, variable = Shape(item_type, place=f"{place}/item"), self._resolver.new_variable()
        self._walked += [next_shape, item_shape]
        item = Value(tree.Context(variable, item_type), item_shape)
        body = self._body(select, Scope(item, variable, is_resource=False))
        items = tree.Repeat(tuple(first), next_item, tuple(following), next_shape, item_shape, item_type)
        return tree.Each(items, variable, body, or_null=False)

    def _gather(self, paths: tuple[str, ...], scope: Scope) -> list[tree.Node]:
        found: list[tree.Node] = []
        for path in paths:
            value = self._resolve(path, scope)
            if value.choice is not None:
                raise SettingsError("A repeat needs ofType() after a choice element", view=self._view.name)
            if value.is_nothing:
                continue
            if value.shape is None or value.shape.is_primitive:
                raise SettingsError("A repeat leads to elements without parts", view=self._view.name)
            if not _leads_on(value.node):
                raise SettingsError(
                    "A repeat leads to where it stands, and would never end",
                    hint="Each path of a repeat goes at least one element down",
                    view=self._view.name,
                )
            value.shape.members.setdefault(
                Form.WHOLE.value, Shape(value.node.type, form=Form.WHOLE, place=f"{value.shape.place}/*")
            )
            found.append(tree.Step(value.counted(), Form.WHOLE.value, value.node.type, False))
        return found

    def _never(self, select: SelectDefinition, scope: Scope) -> tree.Rows:
        item = Scope(Value(tree.Nothing(), None), self._resolver.new_variable(), is_resource=False)
        return tree.Each(tree.Nothing(), item.row or "", self._body(select, item), or_null=False)

    def _resolve(self, path: str, scope: Scope) -> Value:
        with self._locating():
            return self._resolver.resolve(path, scope)

    @contextmanager
    def _locating(self, **fields: Label) -> Iterator[None]:
        """Adds to an error which view it is about."""
        try:
            yield
        except MedcairnError as error:
            error.fields |= {"view": self._view.name, **fields}
            raise


def _leads_on(node: tree.Node) -> bool:
    """Whether the path goes down by an element at all."""
    while isinstance(node, (tree.Where, tree.Item, tree.Single)):
        node = node.base
    return isinstance(node, tree.Step)


def _sql_kind(type_name: str) -> str:
    if type_name in INTEGERS:
        return "integer"
    return type_name if type_name in ("boolean", "decimal") else "text"


__all__ = ["ROOT", "ViewPlan", "plan_view"]
