"""Operators between two single values, either of which may be None, as text."""

from __future__ import annotations

from medcairn.lakehouse.views import tree
from medcairn.lakehouse.views.elements import INTEGERS, TEMPORALS

_COMPARISONS = {"=": "==", "!=": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}


def operation(node: tree.Operation, left: str, right: str, operator: str) -> str:
    """The text of ``node`` between the values of those names; ``operator`` is the name of its sign."""
    if node.operator == "and":
        return f"False if {left} is False or {right} is False else True if {left} and {right} else None"
    if node.operator == "or":
        return f"True if {left} or {right} else False if {left} is False and {right} is False else None"
    doubt = [name for name in (left, right) if not _never_none(name)]
    text = _between(node, left, right, operator)
    if not doubt:
        return text
    return f"None if {' or '.join(f'{name} is None' for name in doubt)} else {text}"


def _between(node: tree.Operation, left: str, right: str, operator: str) -> str:
    kinds = {node.left.type, node.right.type}
    if node.operator in _COMPARISONS:
        if kinds & TEMPORALS:
            return f"in_time({left}, {right}, {operator})"
        if "decimal" in kinds:  # as doubles: Python would compare a whole number exactly
            left, right = f"float({left})", f"float({right})"
        return f"{left} {_COMPARISONS[node.operator]} {right}"
    if node.operator == "/":
        return f"quotient(float({left}), float({right}))"
    if node.operator == "+" and kinds.isdisjoint({"decimal", *INTEGERS}):
        return f"{left} + {right}"
    if kinds <= INTEGERS:
        return f"within_int64({left} {node.operator} {right})"
    return f"finite(float({left}) {node.operator} float({right}))"


def _never_none(name: str) -> bool:
    """Whether ``name`` is a constant or a position."""
    return name.startswith(("c", "(")) or name.isdigit() or name in ("True", "False")


__all__ = ["operation"]
