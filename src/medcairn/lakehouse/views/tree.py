"""The typed tree between FHIRPath and SQL: every node knows its FHIR type and whether it may be many.

A node that is ``many`` is a collection without empties; one that is not is a value or nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal as OneOf
from typing import TypeAlias

from medcairn.lakehouse.views.shape import Shape


@dataclass(frozen=True)
class Context:
    """What ``$this`` is: the resource, or an item of a ``forEach`` or ``where``."""

    variable: str
    type: str
    many: bool = False


@dataclass(frozen=True)
class Constant:
    """A literal or a constant of the view."""

    value: str
    type: str
    many: bool = False


@dataclass(frozen=True)
class Nothing:
    """The empty collection: an element that the type does not have."""

    type: str = "string"
    many: bool = False


@dataclass(frozen=True)
class RowIndex:
    """``%rowIndex`` of the nearest iteration; ``variable`` is None at the top, where it is 0."""

    variable: str | None
    type: str = "integer"
    many: bool = False


@dataclass(frozen=True)
class Step:
    """Field ``field`` of the record ``base``; ``repeats`` tells whether the field itself is a list.

    A field is a JSON member read in one of the ways of :class:`~medcairn.lakehouse.views.shape.Form`.
    """

    base: Node
    field: str
    type: str
    repeats: bool

    @property
    def many(self) -> bool:
        return self.repeats or self.base.many


@dataclass(frozen=True)
class Where:
    """The items of ``base`` for which ``criterion`` is true; ``variable`` names the item in it."""

    base: Node
    variable: str
    criterion: Node

    @property
    def type(self) -> str:
        return self.base.type

    @property
    def many(self) -> bool:
        return self.base.many


@dataclass(frozen=True)
class Item:
    """The item at ``index``, from 0, or nothing."""

    base: Node
    index: int
    many: bool = False

    @property
    def type(self) -> str:
        return self.base.type


@dataclass(frozen=True)
class Single:
    """The only item of ``base``; more than one is an error when the view runs."""

    base: Node
    many: bool = False

    @property
    def type(self) -> str:
        return self.base.type


@dataclass(frozen=True)
class Exists:
    """Whether ``base`` holds anything."""

    base: Node
    type: str = "boolean"
    many: bool = False


@dataclass(frozen=True)
class Not:
    """Boolean negation; nothing stays nothing."""

    base: Node
    type: str = "boolean"
    many: bool = False


@dataclass(frozen=True)
class Operation:
    """``left operator right`` between two single values."""

    operator: str
    left: Node
    right: Node
    type: str
    many: bool = False


@dataclass(frozen=True)
class Join:
    """The strings of ``base`` with ``separator`` between them; of nothing, the empty string."""

    base: Node
    separator: str
    type: str = "string"
    many: bool = False


@dataclass(frozen=True)
class ReferenceKey:
    """The key in a Reference's ``reference`` text, when it points to ``target`` (or when that is None)."""

    base: Node
    target: str | None
    type: str = "string"

    @property
    def many(self) -> bool:
        return self.base.many


@dataclass(frozen=True)
class Boundary:
    """The lowest or highest value that a decimal, date, dateTime or time of its precision may mean.

    For a decimal ``base`` gives its digits as text.
    """

    base: Node
    side: OneOf["low", "high"]
    type: str
    many: bool = False


@dataclass(frozen=True)
class Repeat:
    """Every item that can be reached at any depth, a node before its children, in the order of the document.

    ``first`` gives JSON objects from where the view stands, ``next`` those of an item: ``variable`` is that
    item, read with ``next_shape``. Each of the items found is read with ``item_shape``.
    """

    first: tuple[Node, ...]
    variable: str
    next: tuple[Node, ...]
    next_shape: Shape
    item_shape: Shape
    type: str
    many: bool = True


Node: TypeAlias = (
    Context
    | Constant
    | Nothing
    | RowIndex
    | Step
    | Where
    | Item
    | Single
    | Exists
    | Not
    | Operation
    | Join
    | ReferenceKey
    | Boundary
    | Repeat
)


@dataclass(frozen=True)
class Column:
    """One output column. ``type`` is its FHIR type; ``collection`` makes it a list."""

    name: str
    type: str
    collection: bool
    value: Node


@dataclass(frozen=True)
class Columns:
    """One row of columns."""

    columns: tuple[Column, ...]


@dataclass(frozen=True)
class Each:
    """The rows of ``body`` for each item of ``items``; with ``or_null`` one row of nulls when none."""

    items: Node
    variable: str
    body: Rows
    or_null: bool


@dataclass(frozen=True)
class Product:
    """Every combination of the parts' rows."""

    parts: tuple[Rows, ...]


@dataclass(frozen=True)
class Union:
    """The rows of the first part, then of the second …"""

    parts: tuple[Rows, ...]


Rows: TypeAlias = Columns | Each | Product | Union


def columns_of(rows: Rows) -> tuple[Column, ...]:
    """The columns that ``rows`` gives, in order."""
    if isinstance(rows, Columns):
        return rows.columns
    if isinstance(rows, Each):
        return columns_of(rows.body)
    if isinstance(rows, Union):
        return columns_of(rows.parts[0])
    return tuple(column for part in rows.parts for column in columns_of(part))


__all__ = [
    "Boundary",
    "Column",
    "Columns",
    "Constant",
    "Context",
    "Each",
    "Exists",
    "Item",
    "Join",
    "Node",
    "Not",
    "Nothing",
    "Operation",
    "Product",
    "ReferenceKey",
    "Repeat",
    "RowIndex",
    "Rows",
    "Single",
    "Step",
    "Union",
    "Where",
    "columns_of",
]
