"""FHIRPath's values: dates with their precision, equality and order."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TypeAlias

from medcairn.core.r4 import PRIMITIVES, TEMPORALS
from medcairn.deid.ms_compat.nodes import Node, Scalar

_MOMENT = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d))?)?(?:T(?:(\d\d)(?::(\d\d)(?::(\d\d(?:\.\d+)?))?)?)?)?(Z|[+-]\d\d:\d\d)?"
)


@dataclass(frozen=True)
class Temporal:
    """A date, dateTime, instant or time as written."""

    text: str


Value: TypeAlias = Scalar | Temporal
Item: TypeAlias = Node | Value
Collection: TypeAlias = list[Item]


class CannotEvaluate(Exception):
    """An expression has no meaning for the data that it met. Constant text; stays in the package."""


def value_of(item: Item) -> Value | None:
    """The value of an item; None for a node without one."""
    if not isinstance(item, Node):
        return item
    if item.value is not None and item.type in TEMPORALS:
        return Temporal(str(item.value))
    return item.value if item.type in PRIMITIVES else None


def text_of(item: Item) -> str:
    """The text of an item for the functions on strings. Raises :class:`CannotEvaluate`."""
    value = value_of(item)
    if value is None:
        raise CannotEvaluate("A function on text met an element without a value")
    return plain_text(value)


def plain_text(value: Value) -> str:
    """A value as FHIR writes it."""
    if isinstance(value, Temporal):
        return value.text
    if isinstance(value, bool):
        return "true" if value else "false"
    return format(value, "f") if isinstance(value, Decimal) else str(value)


def equal(left: Item, right: Item) -> bool:
    """Whether two items are equal: by value, and by content for elements with children."""
    if isinstance(left, Node) and isinstance(right, Node) and (left.children or right.children):
        return _content(left) == _content(right)
    a, b = value_of(left), value_of(right)
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, Temporal) and isinstance(b, Temporal):
        return compare(a, b) == 0
    if isinstance(a, Temporal) or isinstance(b, Temporal):
        return a is not None and b is not None and plain_text(a) == plain_text(b)
    return a is not None and a == b


def compare(left: Item, right: Item) -> int | None:
    """Below, at or above zero; None when dates of different precision cannot tell.

    Raises :class:`CannotEvaluate` when the items are of kinds that have no order between them.
    """
    a, b = value_of(left), value_of(right)
    if isinstance(a, Temporal) and isinstance(b, Temporal):
        return _compare_moments(a.text, b.text)
    if _is_number(a) and _is_number(b):
        return _order(a, b)
    if isinstance(a, str) and isinstance(b, str):
        return _order(a, b)
    raise CannotEvaluate("Two values of different kinds are compared")


def _is_number(value: object) -> bool:
    return isinstance(value, (int, Decimal)) and not isinstance(value, bool)


def _order(a: object, b: object) -> int:
    return 0 if a == b else -1 if a < b else 1  # type: ignore[operator]  # the caller has matched the kinds


def _compare_moments(a: str, b: str) -> int | None:
    first, second = _MOMENT.fullmatch(a), _MOMENT.fullmatch(b)
    if first is None or second is None:
        if a[:1].isdigit() and ":" in a[:3] and len(a) == len(b):
            return _order(a, b)
        raise CannotEvaluate("A date cannot be read")
    if first[6] and second[6] and first[7] and second[7]:
        return _compare_instants(a, b)
    for one, other in zip(first.groups()[:6], second.groups()[:6], strict=True):
        if one is None or other is None:
            return 0 if one is other else None
        if Decimal(one) != Decimal(other):
            return _order(Decimal(one), Decimal(other))
    return 0


def _compare_instants(a: str, b: str) -> int:
    moments: list[datetime] = []
    try:
        moments = [datetime.fromisoformat(text) for text in (a, b)]
    except ValueError:
        moments.clear()
    if not moments:
        raise CannotEvaluate("A date cannot be read")
    return _order(moments[0], moments[1])


def _content(node: Node) -> object:
    """What makes two elements equal: value and children by name, in order within a name."""
    children = sorted(((child.name, _content(child)) for child in node.children), key=lambda pair: pair[0])
    return node.value, children


__all__ = [
    "CannotEvaluate",
    "Collection",
    "Item",
    "Temporal",
    "Value",
    "compare",
    "equal",
    "plain_text",
    "text_of",
    "value_of",
]
