"""Syntax tree to typed tree: looks every name up in the R4 table and notes what has to be read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal as OneOf

from medcairn.core.errors import SettingsError
from medcairn.core.labels import Label
from medcairn.lakehouse.views import syntax, tree
from medcairn.lakehouse.views.elements import INTEGERS, TEMPORALS, choice_field, element_of, type_table
from medcairn.lakehouse.views.shape import Shape

_COMPARISONS = {"=", "!=", "<", "<=", ">", ">="}
_NUMBERS = INTEGERS | {"decimal"}


@dataclass(frozen=True)
class Value:
    """A typed node and the shape that it reads. ``choice`` names a value[x] still without its type."""

    node: tree.Node
    shape: Shape | None = None
    choice: str | None = None

    @property
    def is_nothing(self) -> bool:
        """Whether this is the empty collection whatever the data."""
        return isinstance(self.node, tree.Nothing)


@dataclass(frozen=True)
class Scope:
    """Where an expression stands: what ``$this`` is, and the iteration that ``%rowIndex`` counts."""

    this: Value
    row: str | None = None
    is_resource: bool = True


@dataclass
class Resolver:
    """Resolves the expressions of one view; collects warnings about elements that R4 does not have."""

    constants: Mapping[str, tuple[str, str]]
    warnings: list[str] = field(default_factory=list)
    _variables: int = 0

    def new_variable(self) -> str:
        """A name for an iterated item, unique in the view."""
        self._variables += 1
        return f"e{self._variables}"

    def resolve(self, text: str, scope: Scope) -> Value:
        """The typed form of the expression ``text``. Raises :class:`SettingsError`."""
        return self._path(syntax.parse_path(text), scope)

    def condition(self, text: str, scope: Scope) -> tree.Node:
        """The typed form of an expression that must be boolean."""
        return _boolean(self.resolve(text, scope))

    def _path(self, path: syntax.Path, scope: Scope) -> Value:
        match path:
            case syntax.Literal(value, type_name):
                return Value(tree.Constant(value, type_name))
            case syntax.Variable(name):
                return self._variable(name, scope)
            case syntax.Name(base, name):
                return self._name(base, name, scope)
            case syntax.Index(base, index):
                return _item(self._path(base, scope), self._integer(index, scope))
            case syntax.Call():
                return self._call(path, scope)
            case syntax.Negative(operand):
                negated = _single(self._path(operand, scope))
                zero = tree.Constant("0", "integer")
                return Value(tree.Operation("-", zero, negated, _number_type("-", zero, negated)))
            case syntax.Binary(operator, left, right):
                return self._binary(operator, self._path(left, scope), self._path(right, scope))

    def _variable(self, name: str, scope: Scope) -> Value:
        if name == "$this":
            return scope.this
        if name == "%rowIndex":
            return Value(tree.RowIndex(scope.row))
        found = self.constants.get(name[1:])
        if found is None:
            raise SettingsError("A view uses a constant that it does not define")
        return Value(tree.Constant(found[1], found[0]))

    def _name(self, base: syntax.Path | None, name: str, scope: Scope) -> Value:
        if base is None and scope.is_resource and name == scope.this.node.type:
            return scope.this
        return self.step(self._path(base, scope) if base is not None else scope.this, name)

    def step(self, base: Value, name: str) -> Value:
        """Element ``name`` of ``base``."""
        if base.choice is not None:
            raise SettingsError("A choice element needs ofType() before a step", element=_label(base.choice))
        if base.is_nothing or base.shape is None:
            return Value(tree.Nothing())
        found = element_of(base.node.type, name)
        if found is None and base.shape.is_primitive:
            found = element_of("Coding", name) if name in ("id", "extension") else None
        if found is None:
            self.warnings.append(f"{base.node.type}.{name}")
            return Value(tree.Nothing())
        if found.choices:
            return Value(base.node, base.shape, choice=name)
        return _member(base, name, found.type, found.many)

    def _of_type(self, base: Value, call: syntax.Call) -> Value:
        type_name = _type_name(call)
        if base.is_nothing:
            return base
        if base.choice is None:
            return base if base.node.type == type_name else Value(tree.Nothing(type_name))
        allowed = element_of(base.node.type, base.choice)
        if type_name not in type_table() and not (allowed and type_name in allowed.choices):
            raise SettingsError("ofType() names an unknown type", type=_label(type_name))
        return _member(base, choice_field(base.choice, type_name), type_name, False)

    def _call(self, call: syntax.Call, scope: Scope) -> Value:
        least, most, function = _FUNCTIONS.get(call.name, (0, 0, None))
        if function is None:
            raise SettingsError(
                "A view uses a function that is not in the SQL on FHIR subset",
                hint="Known: " + ", ".join(sorted(_FUNCTIONS)),
                function=_label(call.name),
            )
        if not least <= len(call.arguments) <= most:
            raise SettingsError("A function has too few or too many arguments", function=_label(call.name))
        base = self._path(call.base, scope) if call.base is not None else scope.this
        return function(self, base, call, scope)

    def _where(self, base: Value, call: syntax.Call, scope: Scope) -> Value:
        if base.is_nothing:
            return base
        if base.choice is not None:
            raise SettingsError("A choice element needs ofType() before where()", element=_label(base.choice))
        variable = self.new_variable()
        item = Value(tree.Context(variable, base.node.type), base.shape)
        inner = Scope(item, scope.row, is_resource=False)
        criterion = _boolean(self._path(call.arguments[0], inner))
        return Value(tree.Where(base.node, variable, criterion), base.shape)

    def _exists(self, base: Value, call: syntax.Call, scope: Scope) -> Value:
        if call.arguments:
            base = self._where(base, call, scope)
        if base.is_nothing:
            return Value(tree.Constant("false", "boolean"))
        if base.choice is None:
            return Value(tree.Exists(base.node))
        spec = element_of(base.node.type, base.choice)
        fields = [
            _member(base, choice_field(base.choice, t), t, False) for t in (spec.choices if spec else ())
        ]
        node: tree.Node = tree.Exists(fields[0].node)
        for other in fields[1:]:
            node = tree.Operation("or", node, tree.Exists(other.node), "boolean")
        return Value(node)

    def _empty(self, base: Value, call: syntax.Call, scope: Scope) -> Value:
        return Value(tree.Not(self._exists(base, call, scope).node))

    def _not(self, base: Value, call: syntax.Call, scope: Scope) -> Value:
        return Value(tree.Not(_boolean(base)))

    def _first(self, base: Value, call: syntax.Call, scope: Scope) -> Value:
        return _item(base, 0)

    def _extension(self, base: Value, call: syntax.Call, scope: Scope) -> Value:
        url = self._path(call.arguments[0], scope).node
        if not isinstance(url, tree.Constant):
            raise SettingsError("extension() needs the URL as a literal or a constant")
        found = self.step(base, "extension")
        if found.is_nothing:
            return found
        variable = self.new_variable()
        item = Value(tree.Context(variable, "Extension"), found.shape)
        criterion = tree.Operation("=", self.step(item, "url").node, url, "boolean")
        return Value(tree.Where(found.node, variable, criterion), found.shape)

    def _join(self, base: Value, call: syntax.Call, scope: Scope) -> Value:
        separator = (
            self._path(call.arguments[0], scope).node if call.arguments else tree.Constant("", "string")
        )
        if not isinstance(separator, tree.Constant):
            raise SettingsError("join() needs its separator as a literal or a constant")
        return Value(tree.Join(base.node, separator.value))

    def _resource_key(self, base: Value, call: syntax.Call, scope: Scope) -> Value:
        if not scope.is_resource:
            raise SettingsError("getResourceKey() stands on the resource only")
        return self.step(base, "id")

    def _reference_key(self, base: Value, call: syntax.Call, scope: Scope) -> Value:
        if base.is_nothing:
            return base
        if base.node.type != "Reference":
            raise SettingsError("getReferenceKey() stands on a Reference", type=_label(base.node.type))
        target = _type_name(call) if call.arguments else None
        return Value(tree.ReferenceKey(self.step(base, "reference").node, target))

    def _low(self, base: Value, call: syntax.Call, scope: Scope) -> Value:
        return _boundary(base, "low")

    def _high(self, base: Value, call: syntax.Call, scope: Scope) -> Value:
        return _boundary(base, "high")

    def _type(self, base: Value, call: syntax.Call, scope: Scope) -> Value:
        return self._of_type(base, call)

    def _binary(self, operator: str, left: Value, right: Value) -> Value:
        if operator in ("and", "or"):
            return Value(tree.Operation(operator, _boolean(left), _boolean(right), "boolean"))
        if left.is_nothing or right.is_nothing:
            return Value(tree.Nothing("boolean" if operator in _COMPARISONS else "decimal"))
        a, b = _single(left), _single(right)
        if operator in _COMPARISONS:
            _check_comparable(a.type, b.type)
            return Value(tree.Operation(operator, a, b, "boolean"))
        return Value(tree.Operation(operator, a, b, _number_type(operator, a, b)))

    def _integer(self, path: syntax.Path, scope: Scope) -> int:
        node = self._path(path, scope).node
        if not isinstance(node, tree.Constant) or node.type not in INTEGERS or not node.value.isdigit():
            raise SettingsError("An index is not a whole number from 0")
        return int(node.value)


_Function = Callable[[Resolver, Value, syntax.Call, Scope], Value]
_FUNCTIONS: Mapping[str, tuple[int, int, _Function | None]] = {
    "where": (1, 1, Resolver._where),
    "exists": (0, 1, Resolver._exists),
    "empty": (0, 0, Resolver._empty),
    "not": (0, 0, Resolver._not),
    "first": (0, 0, Resolver._first),
    "ofType": (1, 1, Resolver._type),
    "extension": (1, 1, Resolver._extension),
    "join": (0, 1, Resolver._join),
    "getResourceKey": (0, 0, Resolver._resource_key),
    "getReferenceKey": (0, 1, Resolver._reference_key),
    "lowBoundary": (0, 0, Resolver._low),
    "highBoundary": (0, 0, Resolver._high),
}


def _member(base: Value, field_name: str, type_name: str, repeats: bool) -> Value:
    """A JSON member. An extension of a primitive lies in the member of that name with ``_`` before it."""
    if base.shape is None:
        return Value(tree.Nothing(type_name))
    node, shape = base.node, base.shape
    if shape.is_primitive:
        raise SettingsError("Extensions of primitive elements cannot be read yet", element=_label(field_name))
    below = shape.member(field_name, type_name, repeats=repeats)
    return Value(tree.Step(node, field_name, type_name, repeats), below)


def _item(base: Value, index: int) -> Value:
    if base.is_nothing:
        return base
    if base.choice is not None:
        raise SettingsError("A choice element needs ofType() before an index", element=_label(base.choice))
    if not base.node.many:
        return base if index == 0 else Value(tree.Nothing(base.node.type))
    return Value(tree.Item(base.node, index), base.shape)


def _single(value: Value) -> tree.Node:
    if value.choice is not None:
        raise SettingsError("A choice element needs ofType() before it is used", element=_label(value.choice))
    return tree.Single(value.node) if value.node.many else value.node


def _boolean(value: Value) -> tree.Node:
    if value.is_nothing:
        return tree.Nothing("boolean")
    node = _single(value)
    if node.type != "boolean":
        raise SettingsError("An expression must be true or false here", type=_label(node.type))
    return node


def _boundary(base: Value, side: OneOf["low", "high"]) -> Value:
    node = _single(base)
    if base.is_nothing:
        return base
    if node.type not in TEMPORALS | {"decimal"}:
        raise SettingsError("A boundary needs a decimal, date or time", type=_label(node.type))
    if base.shape is not None and node.type == "decimal":
        base.shape.exact = True
    return Value(tree.Boundary(node, side, node.type))


def _check_comparable(left: str, right: str) -> None:
    if _family(left) != _family(right):
        raise SettingsError(
            "Two values of different kinds are compared", left=_label(left), right=_label(right)
        )


def _family(type_name: str) -> str:
    if type_name in _NUMBERS:
        return "number"
    if type_name == "boolean":
        return "boolean"
    # Temporal literals are text in JSON, and a string constant may stand beside a date.
    return "text" if type_name not in type_table() else "complex"


def _number_type(operator: str, left: tree.Node, right: tree.Node) -> str:
    families = {_family(left.type), _family(right.type)}
    if operator == "+" and families == {"text"}:
        return "string"
    if families != {"number"}:
        raise SettingsError("Arithmetic needs numbers", operator=_label(operator))
    whole = left.type in INTEGERS and right.type in INTEGERS and operator != "/"
    return "integer" if whole else "decimal"


def _type_name(call: syntax.Call) -> str:
    argument = call.arguments[0]
    if isinstance(argument, syntax.Name) and argument.base in (None, syntax.Name(None, "FHIR")):
        return argument.name
    raise SettingsError("A function needs the name of a type", function=_label(call.name))


def _label(text: str) -> Label:
    """A name out of the view as a safe field; a view is written by its author and holds no data."""
    try:
        return Label(text)
    except ValueError:
        return Label("unprintable")


__all__ = ["Resolver", "Scope", "Value"]
