"""Which nodes of a resource a rule's path names."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from functools import cached_property
from typing import TypeAlias

from medcairn.core.fhirpath import Call, Literal, Name
from medcairn.core.fhirpath import Path as Expression
from medcairn.deid.ms_compat.expressions import evaluate
from medcairn.deid.ms_compat.nodes import Node
from medcairn.deid.ms_compat.values import CannotEvaluate


class Resource:
    """A resource while rules look for nodes in it: remembers where nodes of each type and name are."""

    def __init__(self, node: Node) -> None:
        self.node = node

    @cached_property
    def by_type(self) -> dict[str, list[Node]]:
        """The descendants by type, resources inside not entered."""
        return self._indexed(lambda node: node.type)

    @cached_property
    def by_name(self) -> dict[str, list[Node]]:
        """The descendants by name, resources inside not entered."""
        return self._indexed(lambda node: node.name)

    def _indexed(self, key: Callable[[Node], str]) -> dict[str, list[Node]]:
        found: dict[str, list[Node]] = defaultdict(list)
        for node in self.node.descendants():
            found[key(node)].append(node)
        return dict(found)


Match: TypeAlias = Callable[[Resource], list[Node]]


def match_of(expression: Expression | None) -> Match:
    """What finds the nodes of a path; it raises :class:`CannotEvaluate`. None is the resource itself."""
    if expression is None:
        return lambda resource: [resource.node]
    names: list[str] = []
    path: Expression | None = expression
    while isinstance(path, Name):
        names.insert(0, path.name)
        path = path.base
    if path is None and not names[0][0].isupper():
        return lambda resource: _below([resource.node], names)
    match path:
        case Call(None, "nodesByType", (Literal(wanted, "string"),)):
            return lambda resource: _below(resource.by_type.get(wanted, []), names)
        case Call(None, "nodesByName", (Literal(wanted, "string"),)):
            return lambda resource: _below(resource.by_name.get(wanted, []), names)
        case _:
            return lambda resource: _evaluated(expression, resource.node)


def _below(found: list[Node], names: list[str]) -> list[Node]:
    for name in names:
        found = [child for node in found for child in node.children if child.name == name]
    return found


def _evaluated(expression: Expression, node: Node) -> list[Node]:
    nodes: list[Node] = []
    for item in evaluate(expression, node):
        if not isinstance(item, Node):
            raise CannotEvaluate("A rule's path gives a value, not an element")
        nodes.append(item)
    return nodes


__all__ = ["Match", "Resource", "match_of"]
