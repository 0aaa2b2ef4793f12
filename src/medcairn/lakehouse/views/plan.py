"""A checked view: rows as a typed tree, and the shape of what has to be read for them."""

from __future__ import annotations

from dataclasses import dataclass

from medcairn.core.errors import MedcairnError, SettingsError
from medcairn.core.labels import Label
from medcairn.lakehouse.views import tree
from medcairn.lakehouse.views.definition import ColumnDefinition, SelectDefinition, ViewDefinition
from medcairn.lakehouse.views.elements import INTEGERS, PRIMITIVES, resource_types
from medcairn.lakehouse.views.resolve import Resolver, Scope, Value
from medcairn.lakehouse.views.shape import Shape

ROOT = "r"
"""The variable that stands for the resource."""


@dataclass(frozen=True)
class Recursion:
    """One ``repeat``: what to gather from the resource and from each gathered item, and how to read both."""

    name: str
    first: tuple[tree.Node, ...]
    first_shape: Shape
    next: tuple[tree.Node, ...]
    next_shape: Shape
    item_shape: Shape


@dataclass(frozen=True)
class ViewPlan:
    """A view that is ready to be written in any dialect."""

    name: Label
    resource: str
    rows: tree.Rows
    wheres: tuple[tree.Node, ...]
    shape: Shape
    recursions: tuple[Recursion, ...]
    warnings: tuple[str, ...]


def plan_view(view: ViewDefinition) -> ViewPlan:
    """Resolve every expression of ``view``.

    Raises :class:`SettingsError` that names the view and, where there is one, the column.
    """
    return _Planner(view).plan()


class _Planner:
    def __init__(self, view: ViewDefinition) -> None:
        if view.resource not in resource_types():
            raise SettingsError("A view is on a resource type that is not in the R4 table", view=view.name)
        self._view = view
        self._resolver = Resolver(view.constants)
        self._recursions: list[Recursion] = []

    def plan(self) -> ViewPlan:
        shape = Shape(self._view.resource)
        shape.member("resourceType", "code", repeats=False)
        scope = Scope(Value(tree.Context(ROOT, self._view.resource), shape))
        wheres = tuple(self._resolver.condition(text, scope) for text in self._view.wheres)
        rows = self._product([self._select(select, scope) for select in self._view.selects])
        names = [column.name for column in tree.columns_of(rows)]
        if len({name.lower() for name in names}) != len(names):
            raise SettingsError("A view gives two columns the same name", view=self._view.name)
        warnings = tuple(sorted(set(self._resolver.warnings)))
        return ViewPlan(
            self._view.name, self._view.resource, rows, wheres, shape, tuple(self._recursions), warnings
        )

    def _select(self, select: SelectDefinition, scope: Scope) -> tree.Rows:
        if select.repeat:
            return self._repeat(select, scope)
        path = select.for_each if select.for_each is not None else select.for_each_or_null
        if path is None:
            return self._body(select, scope)
        items = self._resolver.resolve(path, scope)
        if items.choice is not None:
            raise SettingsError("forEach needs ofType() after a choice element", view=self._view.name)
        variable = self._resolver.new_variable()
        item = Value(tree.Context(variable, items.node.type), items.shape)
        if items.is_nothing:
            item = Value(tree.Nothing(), None)
        body = self._body(select, Scope(item, variable, is_resource=False))
        return tree.Each(items.node, variable, body, or_null=select.for_each_or_null is not None)

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
        value = self._located(column, scope)
        node = value.node
        if value.choice is not None or (node.type not in PRIMITIVES and not value.is_nothing):
            raise self._refused("A column's path does not end at a primitive element", column)
        declared = column.type or node.type
        if value.is_nothing:
            node = tree.Nothing(declared)
        elif _sql_kind(declared) != _sql_kind(node.type):
            raise self._refused("A column's type is not what its path gives", column)
        return tree.Column(column.name, declared, column.collection, node)

    def _located(self, column: ColumnDefinition, scope: Scope) -> Value:
        try:
            return self._resolver.resolve(column.path, scope)
        except MedcairnError as error:
            error.fields |= {"view": self._view.name, "column": Label(column.name)}
            raise

    def _refused(self, message: str, column: ColumnDefinition) -> SettingsError:
        return SettingsError(message, view=self._view.name, column=Label(column.name))

    def _repeat(self, select: SelectDefinition, scope: Scope) -> tree.Rows:
        if not scope.is_resource:
            raise SettingsError("A repeat inside a forEach or repeat cannot be run yet", view=self._view.name)
        known = len(self._resolver.warnings)
        first_shape = Shape(self._view.resource)
        root = Scope(Value(tree.Context(ROOT, self._view.resource), first_shape))
        first = self._gather(select.repeat, root)
        types = {node.type for node in first}
        if not first:
            return self._never(select, scope)
        item_type = types.pop()
        next_shape, variable = Shape(item_type), self._resolver.new_variable()
        inner = Scope(Value(tree.Context(ROOT, item_type), next_shape), is_resource=False)
        del self._resolver.warnings[known:]
        following = self._gather(select.repeat, inner)
        if types or any(node.type != item_type for node in following):
            raise SettingsError("The paths of a repeat lead to different types", view=self._view.name)
        item_shape = Shape(item_type, repeats=True)
        item = Value(tree.Context(variable, item_type), item_shape)
        body = self._body(select, Scope(item, variable, is_resource=False))
        name = f"repeat_{len(self._recursions) + 1}"
        self._recursions.append(
            Recursion(name, tuple(first), first_shape, tuple(following), next_shape, item_shape)
        )
        return tree.Recurse(name, variable, body)

    def _gather(self, paths: tuple[str, ...], scope: Scope) -> list[tree.Node]:
        found: list[tree.Node] = []
        for path in paths:
            value = self._resolver.resolve(path, scope)
            if value.choice is not None:
                raise SettingsError("A repeat needs ofType() after a choice element", view=self._view.name)
            if not value.is_nothing and value.shape is not None:
                value.shape.whole = True
                found.append(value.node)
        return found

    def _never(self, select: SelectDefinition, scope: Scope) -> tree.Rows:
        item = Scope(Value(tree.Nothing(), None), self._resolver.new_variable(), is_resource=False)
        return tree.Each(tree.Nothing(), item.row or "", self._body(select, item), or_null=False)


def _sql_kind(type_name: str) -> str:
    if type_name in INTEGERS:
        return "integer"
    return type_name if type_name in ("boolean", "decimal") else "text"


__all__ = ["ROOT", "Recursion", "ViewPlan", "plan_view"]
