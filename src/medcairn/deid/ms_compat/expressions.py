"""FHIRPath over a tree of nodes: the part of the language that configurations use."""

from __future__ import annotations

import contextlib
from decimal import ROUND_DOWN, Decimal, DecimalException

from medcairn.core.errors import SettingsError
from medcairn.core.fhirpath import Binary, Call, Index, Literal, Name, Negative, Path, Variable, parse_path
from medcairn.core.labels import Label
from medcairn.core.r4 import TEMPORALS
from medcairn.deid.ms_compat.functions import FUNCTIONS, distinct, single, truth
from medcairn.deid.ms_compat.nodes import Node
from medcairn.deid.ms_compat.values import (
    CannotEvaluate,
    Collection,
    Item,
    Temporal,
    Value,
    compare,
    equal,
    plain_text,
    value_of,
)

_TYPE_FUNCTIONS = frozenset({"ofType", "as", "is"})
_MOST_STEPS = 100
_ANY_RESOURCE = frozenset({"Resource", "DomainResource"})


def parse_expression(text: str) -> Path:
    """The checked syntax tree of an expression.

    Raises :class:`SettingsError` when it cannot be read or uses what is not in the subset.
    """
    path: Path | None = None
    with contextlib.suppress(RecursionError):
        path = parse_path(text)
    if path is None:
        raise SettingsError("An expression has too many steps", limit=_MOST_STEPS)
    _check(path)
    return path


def evaluate(path: Path, this: Item) -> Collection:
    """What ``path`` gives on one item. Raises :class:`CannotEvaluate`."""
    return _evaluate(path, this)


def _check(path: Path, depth: int = 0) -> None:
    if depth > _MOST_STEPS:
        raise SettingsError("An expression has too many steps", limit=_MOST_STEPS)
    match path:
        case Variable(name) if name != "$this":
            raise SettingsError("An expression uses a variable other than $this")
        case Index(base, index):
            _check(base, depth + 1)
            _check(index, depth + 1)
        case Negative(operand):
            _check(operand, depth + 1)
        case Binary(operator, left, right):
            _check(left, depth + 1)
            if operator in ("is", "as"):
                _type_name(right)
            else:
                _check(right, depth + 1)
        case Name(base, _) | Call(base, _, _):
            if base is not None:
                _check(base, depth + 1)
            if isinstance(path, Call):
                _check_call(path, depth)
        case _:
            return


def _check_call(call: Call, depth: int) -> None:
    if call.name in _TYPE_FUNCTIONS and len(call.arguments) == 1:
        _type_name(call.arguments[0])
        return
    function = FUNCTIONS.get(call.name)
    if function is None or not function.least <= len(call.arguments) <= function.most:
        raise SettingsError(
            "An expression uses a function that is not in the subset, or with other arguments",
            hint="Known: " + ", ".join(sorted({*FUNCTIONS, *_TYPE_FUNCTIONS})),
            function=_label(call.name),
        )
    for argument in call.arguments:
        _check(argument, depth + 1)


def _evaluate(path: Path, this: Item) -> Collection:
    match path:
        case Literal(value, type_name):
            return [_literal(value, type_name)]
        case Variable():
            return [this]
        case Name(None, name):
            return _start(this, name)
        case Name(base, name):
            assert base is not None
            return _children(_evaluate(base, this), name)
        case Index(base, index):
            at = single(_evaluate(index, this))
            found = _evaluate(base, this)
            return found[at : at + 1] if isinstance(at, int) and at >= 0 else []
        case Negative(operand):
            return _arithmetic("-", [0], _evaluate(operand, this))
        case Binary(operator, left, right):
            return _binary(operator, left, right, this)
        case Call():
            return _call(path, this)


def _start(this: Item, name: str) -> Collection:
    """The first name of a path: a child, or the resource itself when it names its type."""
    if isinstance(this, Node) and name[0].isupper() and _is_of(this, name):
        return [this]
    return _children([this], name)


def _children(found: Collection, name: str) -> Collection:
    return [
        child for item in found if isinstance(item, Node) for child in item.children if child.name == name
    ]


def _call(call: Call, this: Item) -> Collection:
    base = _evaluate(call.base, this) if call.base is not None else [this]
    if call.name in _TYPE_FUNCTIONS:
        return _typed(call.name, base, _type_name(call.arguments[0]))
    function = FUNCTIONS[call.name]
    if function.per_item is not None:
        return function.per_item(base, call.arguments, _evaluate)
    assert function.on_values is not None
    return function.on_values(base, [_evaluate(argument, this) for argument in call.arguments])


def _typed(kind: str, base: Collection, type_name: str) -> Collection:
    if kind == "is":
        item = single(base)
        return [] if item is None else [_is_of(item, type_name)]
    return [item for item in base if _is_of(item, type_name)]


def _is_of(item: Item, type_name: str) -> bool:
    if isinstance(item, Node):
        return item.type == type_name or (item.is_resource and type_name in _ANY_RESOURCE)
    kinds: dict[str, type | tuple[type, ...]] = {
        "string": str,
        "boolean": bool,
        "integer": int,
        "decimal": Decimal,
        "date": Temporal,
        "dateTime": Temporal,
    }
    wanted = kinds.get(type_name[:1].lower() + type_name[1:])
    return (
        wanted is not None
        and isinstance(item, wanted)
        and (type_name == "boolean" or not isinstance(item, bool))
    )


def _type_name(path: Path) -> str:
    if isinstance(path, Name) and path.base in (None, Name(None, "FHIR"), Name(None, "System")):
        return path.name
    raise SettingsError("An expression needs the name of a type here")


def _binary(operator: str, left: Path, right: Path, this: Item) -> Collection:
    if operator in ("is", "as"):
        return _typed(operator, _evaluate(left, this), _type_name(right))
    a = _evaluate(left, this)
    if operator in ("and", "or", "xor", "implies"):
        return _logic(operator, truth(a), truth(_evaluate(right, this)))
    b = _evaluate(right, this)
    if operator == "|":
        return distinct([*a, *b])
    if operator in ("in", "contains"):
        one, many = (a, b) if operator == "in" else (b, a)
        item = single(one)
        return [] if item is None else [any(equal(item, other) for other in many)]
    if operator in ("=", "!=", "~", "!~"):
        return _equality(operator, a, b)
    if operator in ("<", "<=", ">", ">="):
        return _inequality(operator, a, b)
    if operator == "&":
        return [
            "".join(
                plain_text(v)
                for i in (single(a), single(b))
                if i is not None and (v := value_of(i)) is not None
            )
        ]
    return _arithmetic(operator, a, b)


def _logic(operator: str, a: bool | None, b: bool | None) -> Collection:
    if operator == "implies":
        operator, a = "or", None if a is None else not a
    if operator == "xor":
        return [] if a is None or b is None else [a is not b]
    decisive = operator == "or"
    if a is decisive or b is decisive:
        return [decisive]
    return [] if a is None or b is None else [not decisive]


def _equality(operator: str, a: Collection, b: Collection) -> Collection:
    if not a or not b:
        return [(not a and not b) is (operator == "~")] if "~" in operator else []
    same = len(a) == len(b) and all(map(equal, a, b))
    return [same is not operator.startswith("!")]


def _inequality(operator: str, a: Collection, b: Collection) -> Collection:
    one, other = single(a), single(b)
    if one is None or other is None:
        return []
    order = compare(one, other)
    if order is None:
        return []
    return [{"<": order < 0, "<=": order <= 0, ">": order > 0, ">=": order >= 0}[operator]]


def _arithmetic(operator: str, a: Collection, b: Collection) -> Collection:
    one, other = single(a), single(b)
    x, y = None if one is None else value_of(one), None if other is None else value_of(other)
    if x is None or y is None:
        return []
    if operator == "+" and not (_number(x) and _number(y)):
        if isinstance(x, str) and isinstance(y, str):
            return [x + y]
        raise CannotEvaluate("Two values of different kinds are added")
    if not (_number(x) and _number(y)):
        raise CannotEvaluate("Arithmetic needs numbers")
    if operator in ("/", "div", "mod") and y == 0:
        return []
    try:
        return [
            _reckon(operator, Decimal(str(x)), Decimal(str(y)), isinstance(x, int) and isinstance(y, int))
        ]
    except DecimalException:
        pass
    raise CannotEvaluate("A number is out of range")


def _reckon(operator: str, x: Decimal, y: Decimal, whole: bool) -> Value:
    match operator:
        case "+":
            result = x + y
        case "-":
            result = x - y
        case "*":
            result = x * y
        case "/":
            return x / y
        case "div":
            return int((x / y).to_integral_value(ROUND_DOWN))
        case _:
            result = x % y
    return int(result) if whole else result


def _number(value: Value) -> bool:
    return isinstance(value, (int, Decimal)) and not isinstance(value, bool)


def _literal(text: str, type_name: str) -> Value:
    if type_name == "boolean":
        return text == "true"
    if type_name in TEMPORALS:
        return Temporal(text)
    if type_name == "integer":
        return int(text)
    return Decimal(text) if type_name == "decimal" else text


def _label(text: str) -> Label:
    """A name out of the configuration as a safe field; its author wrote it, and it holds no data."""
    try:
        return Label(text)
    except ValueError:
        return Label("unprintable")


__all__ = ["evaluate", "parse_expression"]
