"""Methods that put a given value in place: substitute and generalize."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation

from medcairn.core.r4 import INTEGERS, PRIMITIVES
from medcairn.deid.ms_compat.expressions import evaluate
from medcairn.deid.ms_compat.functions import single, truth
from medcairn.deid.ms_compat.nodes import Node, Reading, Scalar
from medcairn.deid.ms_compat.outcome import Operation
from medcairn.deid.ms_compat.rules import Cases
from medcairn.deid.ms_compat.values import CannotEvaluate, plain_text, value_of


class Substitute:
    """A fixed value in place of an element; parts that an earlier rule decided about stay as they are."""

    def __init__(self, replace_with: object) -> None:
        self._replace_with = replace_with

    def __call__(self, node: Node) -> Operation:
        """Put the value in place and close the whole subtree to later rules."""
        model = self._model(node.type)
        decided: set[int] = set()
        _find_decided(node, decided)
        _take_over(node, model, decided)
        _close(node)
        return Operation.SUBSTITUTE

    def _model(self, type_name: str) -> Node:
        model = Node("", "", type_name, None)
        given = self._replace_with
        if type_name in PRIMITIVES:
            if isinstance(given, (Mapping, list)):
                raise CannotEvaluate("A substitute for a primitive element is an object or array")
            model.value = None if given is None else _as_type(_text(given), type_name)
            return model
        if given is not None and not isinstance(given, Mapping):
            raise CannotEvaluate("A substitute for an element with parts is no object")
        reading = Reading()
        reading.members(model, given or {}, 0)
        if reading.dropped:
            raise CannotEvaluate("A substitute has parts that the element's type does not have")
        return model


class Generalize:
    """The result of the first case whose condition holds; one that gives nothing counts as holding."""

    def __init__(self, cases: Cases) -> None:
        self._cases = cases

    def __call__(self, node: Node) -> Operation | None:
        """Put the result in place of the node's value. Raises :class:`CannotEvaluate`."""
        if node.type not in PRIMITIVES:
            raise CannotEvaluate("A generalize rule met an element that is not primitive")
        if node.value is None:
            return None
        for condition, result in self._cases.cases:
            if truth(evaluate(condition, node)) is not False:
                item = single(evaluate(result, node))
                value = None if item is None else value_of(item)
                node.value = None if value is None else _as_type(plain_text(value), node.type)
                return Operation.GENERALIZE
        if not self._cases.keep_others:
            node.value = None
        return Operation.GENERALIZE


def _take_over(node: Node, model: Node, decided: set[int]) -> None:
    """Make ``node`` like ``model``, part by part, around what has been decided."""
    if node.visited:
        return
    if model.field and node.type != model.type:
        node.type, node.field = model.type, model.field  # another choice of value[x]
    for name in dict.fromkeys(child.name for child in model.children):
        wanted = model.named(name)
        for child in node.named(name):
            nothing_left = not wanted
            following = wanted.pop(0) if wanted else None
            if child.visited:
                continue
            if nothing_left and id(child) not in decided:
                node.children.remove(child)
            else:
                _take_over(child, following or _nothing(child), decided)
        node.children += [extra.copy(node) for extra in wanted]
    replaced = {child.name for child in model.children}
    for child in [child for child in node.children if child.name not in replaced and not child.visited]:
        if id(child) in decided:
            _take_over(child, _nothing(child), decided)
        else:
            node.children.remove(child)
    node.value = model.value


def _nothing(node: Node) -> Node:
    return Node(node.name, node.field, node.type, None, many=node.many)


def _find_decided(node: Node, decided: set[int]) -> bool:
    """Gather the nodes that a rule has decided about, and those above them."""
    below = [_find_decided(child, decided) for child in node.children]
    if node.visited or any(below):
        decided.add(id(node))
        return True
    return False


def _close(node: Node) -> None:
    node.visited = True
    for child in node.children:
        _close(child)


def _text(given: object) -> str:
    return plain_text(given) if isinstance(given, (str, int, Decimal)) else ""


def _as_type(text: str, type_name: str) -> Scalar:
    """A text as the JSON kind of a primitive type. Raises :class:`CannotEvaluate` when it is none."""
    if type_name == "boolean" and text in ("true", "false"):
        return text == "true"
    if type_name in INTEGERS and re.fullmatch(r"-?\d{1,10}", text, re.ASCII):
        return int(text)
    if type_name == "decimal":
        try:
            number = Decimal(text)
        except InvalidOperation:
            number = Decimal("NaN")
        if number.is_finite():
            return number
    if type_name not in INTEGERS | {"boolean", "decimal"}:
        return text
    raise CannotEvaluate("A value put in place is not of the element's type")


__all__ = ["Generalize", "Substitute"]
