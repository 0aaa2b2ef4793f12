"""FHIRPath's functions, and the two that Microsoft's tool adds (nodesByType, nodesByName)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, ROUND_HALF_UP, Decimal, InvalidOperation
from typing import TypeAlias

from medcairn.core.fhirpath import Path
from medcairn.deid.ms_compat.nodes import Node
from medcairn.deid.ms_compat.values import CannotEvaluate, Collection, Item, equal, text_of, value_of

Apply: TypeAlias = Callable[[Path, Item], Collection]
"""Evaluates an argument with one item as ``$this``."""


@dataclass(frozen=True)
class Function:
    """A function and how many arguments it takes; ``per_item`` get theirs unevaluated."""

    least: int
    most: int
    on_values: Callable[[Collection, list[Collection]], Collection] | None = None
    per_item: Callable[[Collection, tuple[Path, ...], Apply], Collection] | None = None


def truth(found: Collection) -> bool | None:
    """The truth of a collection: of its one boolean, true for one other item, None for none.

    Raises :class:`CannotEvaluate` for several items.
    """
    if not found:
        return None
    if len(found) > 1:
        raise CannotEvaluate("Several values stand where true or false is needed")
    value = value_of(found[0])
    return value if isinstance(value, bool) else True


def single(found: Collection) -> Item | None:
    """The one item, or None. Raises :class:`CannotEvaluate` for several."""
    if len(found) > 1:
        raise CannotEvaluate("Several values stand where one is needed")
    return found[0] if found else None


def distinct(found: Iterable[Item]) -> Collection:
    """Each item once."""
    kept: Collection = []
    for item in found:
        if not any(item is other or equal(item, other) for other in kept):
            kept.append(item)
    return kept


def _where(base: Collection, arguments: tuple[Path, ...], apply: Apply) -> Collection:
    return [item for item in base if truth(apply(arguments[0], item)) is True]


def _exists(base: Collection, arguments: tuple[Path, ...], apply: Apply) -> Collection:
    return [bool(_where(base, arguments, apply) if arguments else base)]


def _all(base: Collection, arguments: tuple[Path, ...], apply: Apply) -> Collection:
    return [len(_where(base, arguments, apply)) == len(base)]


def _select(base: Collection, arguments: tuple[Path, ...], apply: Apply) -> Collection:
    return [found for item in base for found in apply(arguments[0], item)]


def _nodes_by(key: Callable[[Node], str]) -> Callable[[Collection, list[Collection]], Collection]:
    def find(base: Collection, arguments: list[Collection]) -> Collection:
        wanted = _text(arguments[0])
        return [
            node
            for item in base
            if isinstance(item, Node)
            for node in item.descendants()
            if key(node) == wanted
        ]

    return find


def _extension(base: Collection, arguments: list[Collection]) -> Collection:
    url = _text(arguments[0])
    found = [node for item in base if isinstance(item, Node) for node in item.named("extension")]
    return [node for node in found if any(child.value == url for child in node.named("url"))]


def _children(base: Collection, arguments: list[Collection]) -> Collection:
    return [child for item in base if isinstance(item, Node) for child in item.children]


def _descendants(base: Collection, arguments: list[Collection]) -> Collection:
    found = _children(base, [])
    return found + _descendants(found, []) if found else []


def _on_text(function: Callable[[str], Item]) -> Function:
    def call(base: Collection, arguments: list[Collection]) -> Collection:
        item = single(base)
        return [] if item is None else [function(text_of(item))]

    return Function(0, 0, call)


def _on_text_and(function: Callable[..., Item], texts: int = 1) -> Function:
    def call(base: Collection, arguments: list[Collection]) -> Collection:
        item = single(base)
        if item is None or any(not argument for argument in arguments):
            return []
        return [function(text_of(item), *(_text(argument) for argument in arguments))]

    return Function(texts, texts, call)


def _substring(base: Collection, arguments: list[Collection]) -> Collection:
    item = single(base)
    if item is None:
        return []
    text, start = text_of(item), _integer(arguments[0])
    if not 0 <= start < len(text):
        return []
    return [text[start:] if len(arguments) == 1 else text[start : start + max(0, _integer(arguments[1]))]]


def _expression(pattern: str) -> re.Pattern[str]:
    """A pattern as .NET writes it: its named groups are spelt otherwise there."""
    try:
        return re.compile(re.sub(r"\(\?<(?=[A-Za-z_])", "(?P<", pattern))
    except re.error:
        pass
    raise CannotEvaluate("A regular expression cannot be read")


def _replace_matches(text: str, pattern: str, replacement: str) -> str:
    expression = _expression(pattern)
    template = re.sub(r"\$(\d+)|\$\{(\w+)\}", r"\\g<\1\2>", replacement.replace("\\", r"\\"))
    try:
        return expression.sub(template, text)
    except (re.error, IndexError):
        pass
    raise CannotEvaluate("A replacement names a group that its pattern does not have")


def _number(function: Callable[[Decimal], Decimal], *, whole: bool) -> Function:
    def call(base: Collection, arguments: list[Collection]) -> Collection:
        item = single(base)
        if item is None:
            return []
        value = value_of(item)
        if isinstance(value, bool) or not isinstance(value, (int, Decimal)):
            raise CannotEvaluate("A function on numbers met something else")
        result = function(Decimal(value))
        return [int(result) if whole or isinstance(value, int) else result]

    return Function(0, 0, call)


def _round(base: Collection, arguments: list[Collection]) -> Collection:
    places = _integer(arguments[0]) if arguments else 0
    if not 0 <= places <= 28:
        raise CannotEvaluate("A number of decimal places is out of range")
    step = Decimal(1).scaleb(-places)
    rounded = _number(lambda value: value.quantize(step, ROUND_HALF_UP), whole=False)
    assert rounded.on_values is not None
    return rounded.on_values(base, [])


def _to_number(base: Collection, arguments: list[Collection]) -> Collection:
    item = single(base)
    try:
        return [] if item is None else [Decimal(text_of(item))]
    except InvalidOperation:
        return []


def _to_integer(base: Collection, arguments: list[Collection]) -> Collection:
    item = single(base)
    text = "" if item is None else text_of(item)
    return [int(text)] if re.fullmatch(r"[+-]?\d{1,10}", text, re.ASCII) else []


def _text(found: Collection) -> str:
    item = single(found)
    if item is None:
        raise CannotEvaluate("A function misses an argument")
    return text_of(item)


def _integer(found: Collection) -> int:
    item = single(found)
    value = None if item is None else value_of(item)
    if isinstance(value, bool) or not isinstance(value, int):
        raise CannotEvaluate("A function needs a whole number as its argument")
    return value


def _rounded(mode: str) -> Callable[[Decimal], Decimal]:
    return lambda value: value.to_integral_value(mode)


FUNCTIONS: Mapping[str, Function] = {
    "where": Function(1, 1, per_item=_where),
    "exists": Function(0, 1, per_item=_exists),
    "all": Function(1, 1, per_item=_all),
    "select": Function(1, 1, per_item=_select),
    "nodesByType": Function(1, 1, _nodes_by(lambda node: node.type)),
    "nodesByName": Function(1, 1, _nodes_by(lambda node: node.name)),
    "extension": Function(1, 1, _extension),
    "children": Function(0, 0, _children),
    "descendants": Function(0, 0, _descendants),
    "empty": Function(0, 0, lambda base, _: [not base]),
    "not": Function(0, 0, lambda base, _: [] if truth(base) is None else [not truth(base)]),
    "count": Function(0, 0, lambda base, _: [len(base)]),
    "first": Function(0, 0, lambda base, _: base[:1]),
    "last": Function(0, 0, lambda base, _: base[-1:]),
    "tail": Function(0, 0, lambda base, _: base[1:]),
    "skip": Function(1, 1, lambda base, arguments: base[max(0, _integer(arguments[0])) :]),
    "take": Function(1, 1, lambda base, arguments: base[: max(0, _integer(arguments[0]))]),
    "distinct": Function(0, 0, lambda base, _: distinct(base)),
    "union": Function(1, 1, lambda base, arguments: distinct(base + arguments[0])),
    "combine": Function(1, 1, lambda base, arguments: base + arguments[0]),
    "hasValue": Function(0, 0, lambda base, _: [len(base) == 1 and value_of(base[0]) is not None]),
    "startsWith": _on_text_and(str.startswith),
    "endsWith": _on_text_and(str.endswith),
    "contains": _on_text_and(str.__contains__),
    "indexOf": _on_text_and(str.find),
    "matches": _on_text_and(lambda text, pattern: _expression(pattern).search(text) is not None),
    "replace": _on_text_and(str.replace, 2),
    "replaceMatches": _on_text_and(_replace_matches, 2),
    "substring": Function(1, 2, _substring),
    "length": _on_text(len),
    "upper": _on_text(str.upper),
    "lower": _on_text(str.lower),
    "trim": _on_text(str.strip),
    "toString": _on_text(str),
    "toInteger": Function(0, 0, _to_integer),
    "toDecimal": Function(0, 0, _to_number),
    "abs": _number(abs, whole=False),
    "ceiling": _number(_rounded(ROUND_CEILING), whole=True),
    "floor": _number(_rounded(ROUND_FLOOR), whole=True),
    "truncate": _number(_rounded(ROUND_DOWN), whole=True),
    "round": Function(0, 1, _round),
}

__all__ = ["FUNCTIONS", "Apply", "Function", "distinct", "single", "truth"]
