"""Syntax tree to typed tree: looks every name up in the R4 table and notes what has to be read."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import TypeAlias

from medcairn.core.errors import SettingsError
from medcairn.core.labels import Label
from medcairn.lakehouse.views import syntax, tree
from medcairn.lakehouse.views.elements import (
    INTEGERS,
    PRIMITIVES,
    choice_field,
    element_of,
    resource_types,
    type_table,
)
from medcairn.lakehouse.views.shape import Form, Shape, field_name

COMPARISONS = frozenset({"=", "!=", "<", "<=", ">", ">="})
_NUMBERS = INTEGERS | {"decimal"}
_LARGEST_INTEGER = 2**63 - 1


@dataclass(frozen=True)
class Value:
    """A typed node and the shape that it reads.

    ``choice`` names a value[x] still without its type. ``parent`` is the record whose field the node is, when
    it is one and nothing was done to it since.
    """

    node: tree.Node
    shape: Shape | None = None
    choice: str | None = None
    parent: Shape | None = None

    @property
    def is_nothing(self) -> bool:
        """Whether this is the empty collection whatever the data."""
        return isinstance(self.node, tree.Nothing)

    def counted(self) -> tree.Node:
        """The node, where it matters how many items it has and not only what lies below them."""
        if self.shape is not None:
            self.shape.counted = True
        return self.node


@dataclass(frozen=True)
class Scope:
    """Where an expression stands: what ``$this`` is, and the iteration that ``%rowIndex`` counts."""

    this: Value
    row: str | None = None
    is_resource: bool = True


@dataclass
class Resolver:
    """Resolves the expressions of one view.

    Collects ``warnings`` about elements that R4 does not have, and the JSON members whose ``digits`` are
    asked for.

    ``paired`` are the places of primitive elements that are read together with their companions, because
    the view asks for the extensions of single ones of them. It asks so late: what is found in ``unpaired``
    at the end has to be in ``paired`` when the view is resolved again.
    """

    constants: Mapping[str, tuple[str, str]]
    functions: Mapping[str, tuple[int, int, Function]]
    paired: Collection[str] = ()
    unpaired: set[str] = field(default_factory=set)
    warnings: list[str] = field(default_factory=list)
    digits: set[str] = field(default_factory=set)
    _variables: int = 0

    def new_variable(self) -> str:
        """A name for an iterated item, unique in the view."""
        self._variables += 1
        return f"e{self._variables}"

    def resolve(self, text: str, scope: Scope) -> Value:
        """The typed form of the expression ``text``. Raises :class:`SettingsError`."""
        return self.path(syntax.parse_path(text), scope)

    def condition(self, text: str, scope: Scope) -> tree.Node:
        """The typed form of an expression that must be boolean."""
        return boolean(self.resolve(text, scope))

    def path(self, path: syntax.Path, scope: Scope) -> Value:
        """The typed form of a syntax tree."""
        match path:
            case syntax.Literal(value, type_name):
                return Value(_constant(value, type_name))
            case syntax.Variable(name):
                return self._variable(name, scope)
            case syntax.Name(base, name):
                return self._name(base, name, scope)
            case syntax.Index(base, index):
                return item(self.path(base, scope), self._integer(index, scope))
            case syntax.Call():
                return self._call(path, scope)
            case syntax.Negative(operand):
                negated = single(self.path(operand, scope))
                if isinstance(negated, tree.Constant) and negated.type in _NUMBERS:
                    return Value(_constant(f"-{negated.value}", negated.type))
                zero = tree.Constant("0", "integer")
                return Value(tree.Operation("-", zero, negated, _number_type("-", zero, negated)))
            case syntax.Binary(operator, left, right):
                return self._binary(operator, self.path(left, scope), self.path(right, scope))

    def _variable(self, name: str, scope: Scope) -> Value:
        if name == "$this":
            return scope.this
        if name == "%rowIndex":
            return Value(tree.RowIndex(scope.row))
        found = self.constants.get(name[1:])
        if found is None:
            raise SettingsError("A view uses a constant that it does not define")
        return Value(_constant(found[1], found[0]))

    def _name(self, base: syntax.Path | None, name: str, scope: Scope) -> Value:
        if base is None and scope.is_resource and name == scope.this.node.type:
            return scope.this
        return self.step(self.path(base, scope) if base is not None else scope.this, name)

    def step(self, base: Value, name: str) -> Value:
        """Element ``name`` of ``base``."""
        if base.choice is not None:
            raise SettingsError("A choice element needs ofType() before a step", element=label(base.choice))
        if base.is_nothing or base.shape is None:
            return Value(tree.Nothing())
        if base.shape.is_primitive and name in ("id", "extension"):
            return self._companion_step(base, name)
        found = element_of(base.node.type, name)
        if found is None:
            self.warnings.append(f"{base.node.type}.{name}")
            return Value(tree.Nothing())
        if found.choices:
            return Value(base.node, base.shape, choice=name)
        return self.member(base, name, found.type, repeats=found.many)

    def member(
        self, base: Value, name: str, type_name: str, *, repeats: bool = False, only: str = ""
    ) -> Value:
        """JSON member ``name`` of the record ``base``."""
        assert base.shape is not None
        form = Form.PAIRS if base.shape.place_of(name, only) in self.paired else Form.VALUE
        below = base.shape.member(name, type_name, repeats=repeats, form=form, only=only)
        if form is Form.PAIRS:
            below.member("value", type_name)
        step = tree.Step(base.node, field_name(name, form, only), type_name, repeats)
        return Value(step, below, parent=base.shape)

    def _companion_step(self, base: Value, name: str) -> Value:
        """``id`` or ``extension`` of a primitive: in the JSON member of its name with ``_`` before it."""
        assert base.shape is not None
        if base.parent is not None and isinstance(base.node, tree.Step):
            record = Value(base.node.base, base.parent)
            companion = self.member(record, f"_{base.shape.source}", "Element", repeats=base.node.repeats)
            if base.shape.form is Form.PAIRS:
                # It is read a second time as part of the pairs: as it stands.
                companion.counted()
            return self.step(companion, name)
        if base.shape.form is not Form.PAIRS:
            self.unpaired.add(base.shape.place)
            return Value(tree.Nothing())
        source = f"_{base.shape.source}"
        more = base.shape.member("more", "Element", repeats=base.shape.repeats, source=source)
        return self.step(Value(tree.Step(base.node, "more", "Element", False), more), name)

    def of_type(self, base: Value, type_name: str) -> Value:
        """The items of ``base`` that are of a type."""
        if base.is_nothing:
            return base
        if base.choice is None:
            return self._resource_of_type(base, type_name)
        allowed = element_of(base.node.type, base.choice)
        if type_name not in type_table() and type_name not in PRIMITIVES:
            raise SettingsError("ofType() names an unknown type", type=label(type_name))
        if base.shape is None or allowed is None or type_name not in allowed.choices:
            return Value(tree.Nothing(type_name))
        return self.member(base, choice_field(base.choice, type_name), type_name)

    def _resource_of_type(self, base: Value, type_name: str) -> Value:
        if base.node.type != "Resource" or type_name not in resource_types():
            return base if base.node.type == type_name else Value(tree.Nothing(type_name))
        if base.parent is None or base.shape is None or not isinstance(base.node, tree.Step):
            raise SettingsError("ofType() of a contained resource stands right after its element")
        base.counted()
        record, repeats = Value(base.node.base, base.parent), base.node.repeats
        return self.member(record, base.shape.source, type_name, repeats=repeats, only=type_name)

    def _call(self, call: syntax.Call, scope: Scope) -> Value:
        found = self.functions.get(call.name)
        if found is None:
            raise SettingsError(
                "A view uses a function that is not in the SQL on FHIR subset",
                hint="Known: " + ", ".join(sorted(self.functions)),
                function=label(call.name),
            )
        least, most, function = found
        if not least <= len(call.arguments) <= most:
            raise SettingsError("A function has too few or too many arguments", function=label(call.name))
        base = self.path(call.base, scope) if call.base is not None else scope.this
        return function(self, base, call, scope)

    def _binary(self, operator: str, left: Value, right: Value) -> Value:
        if operator in ("and", "or"):
            return Value(tree.Operation(operator, boolean(left), boolean(right), "boolean"))
        if left.is_nothing or right.is_nothing:
            return Value(tree.Nothing("boolean" if operator in COMPARISONS else "decimal"))
        a, b = single(left), single(right)
        if operator in COMPARISONS:
            _check_comparable(a.type, b.type)
            return Value(tree.Operation(operator, a, b, "boolean"))
        return Value(tree.Operation(operator, a, b, _number_type(operator, a, b)))

    def _integer(self, path: syntax.Path, scope: Scope) -> int:
        node = self.path(path, scope).node
        if not isinstance(node, tree.Constant) or node.type not in INTEGERS or not node.value.isdigit():
            raise SettingsError("An index is not a whole number from 0")
        return int(node.value)


Function: TypeAlias = Callable[[Resolver, Value, syntax.Call, Scope], Value]
"""What a function makes of its base, its arguments and where it stands."""


def item(base: Value, index: int) -> Value:
    """The item at ``index``, from 0."""
    if base.is_nothing:
        return base
    if base.choice is not None:
        raise SettingsError("A choice element needs ofType() before an index", element=label(base.choice))
    if not base.node.many:
        return base if index == 0 else Value(tree.Nothing(base.node.type))
    return Value(tree.Item(base.counted(), index), base.shape)


def plain(value: Value) -> tree.Node:
    """The node of ``value`` without the companions that it was read with."""
    if value.shape is not None and value.shape.form is Form.PAIRS:
        return tree.Step(value.node, "value", value.node.type, False)
    return value.counted()


def single(value: Value) -> tree.Node:
    """The one value, or nothing; several are an error when the view runs."""
    if value.choice is not None:
        raise SettingsError("A choice element needs ofType() before it is used", element=label(value.choice))
    node = plain(value)
    return tree.Single(node) if node.many else node


def boolean(value: Value) -> tree.Node:
    """The one truth value, or nothing."""
    if value.is_nothing:
        return tree.Nothing("boolean")
    node = single(value)
    if node.type != "boolean":
        raise SettingsError("An expression must be true or false here", type=label(node.type))
    return node


def label(text: str) -> Label:
    """A name out of the view as a safe field; a view is written by its author and holds no data."""
    try:
        return Label(text)
    except ValueError:
        return Label("unprintable")


def _constant(value: str, type_name: str) -> tree.Constant:
    usable = "\x00" not in value and not any("\ud800" <= letter <= "\udfff" for letter in value)
    if type_name in INTEGERS:
        usable = value.removeprefix("-").isdecimal() and abs(int(value)) <= _LARGEST_INTEGER
    elif type_name == "decimal":
        usable = _is_decimal(value)
    elif type_name == "boolean":
        usable = value in ("true", "false")
    if not usable:
        raise SettingsError("A literal or constant of a view is no value of its type", type=label(type_name))
    return tree.Constant(value, type_name)


def _is_decimal(text: str) -> bool:
    try:
        return isfinite(float(text)) and "_" not in text
    except ValueError:
        return False


def _check_comparable(left: str, right: str) -> None:
    if family(left) != family(right):
        raise SettingsError(
            "Two values of different kinds are compared", left=label(left), right=label(right)
        )


def family(type_name: str) -> str:
    """What a type is compared as: number, boolean, text or complex."""
    if type_name in _NUMBERS:
        return "number"
    if type_name == "boolean":
        return "boolean"
    # Temporal literals are text in JSON, and a string constant may stand beside a date.
    return "text" if type_name not in type_table() else "complex"


def _number_type(operator: str, left: tree.Node, right: tree.Node) -> str:
    families = {family(left.type), family(right.type)}
    if operator == "+" and families == {"text"}:
        return "string"
    if families != {"number"}:
        raise SettingsError("Arithmetic needs numbers", operator=label(operator))
    whole = left.type in INTEGERS and right.type in INTEGERS and operator != "/"
    return "integer" if whole else "decimal"


__all__ = [
    "COMPARISONS",
    "Function",
    "Resolver",
    "Scope",
    "Value",
    "boolean",
    "family",
    "item",
    "label",
    "plain",
    "single",
]
