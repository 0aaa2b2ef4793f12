"""The functions of the FHIRPath subset: what each makes of its base and arguments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal as OneOf

from medcairn.core.errors import SettingsError
from medcairn.lakehouse.views import syntax, tree
from medcairn.lakehouse.views.elements import TEMPORALS, choice_field, element_of, resource_types
from medcairn.lakehouse.views.resolve import (
    Function,
    Resolver,
    Scope,
    Value,
    boolean,
    family,
    item,
    label,
    plain,
    single,
)
from medcairn.lakehouse.views.shape import Form, field_name


def _where(resolver: Resolver, base: Value, call: syntax.Call, scope: Scope) -> Value:
    if base.is_nothing:
        return base
    if base.choice is not None:
        raise SettingsError("A choice element needs ofType() before where()", element=label(base.choice))
    variable = resolver.new_variable()
    this = Value(tree.Context(variable, base.node.type), base.shape)
    criterion = boolean(resolver.path(call.arguments[0], Scope(this, scope.row, is_resource=False)))
    return Value(tree.Where(base.counted(), variable, criterion), base.shape)


def _exists(resolver: Resolver, base: Value, call: syntax.Call, scope: Scope) -> Value:
    if call.arguments:
        base = _where(resolver, base, call, scope)
    if base.is_nothing:
        return Value(tree.Constant("false", "boolean"))
    if base.choice is None:
        return Value(tree.Exists(base.counted()))
    spec = element_of(base.node.type, base.choice)
    found = [resolver.member(base, choice_field(base.choice, t), t) for t in (spec.choices if spec else ())]
    node: tree.Node = tree.Exists(found[0].counted())
    for other in found[1:]:
        node = tree.Operation("or", node, tree.Exists(other.counted()), "boolean")
    return Value(node)


def _empty(resolver: Resolver, base: Value, call: syntax.Call, scope: Scope) -> Value:
    return Value(tree.Not(_exists(resolver, base, call, scope).node))


def _not(resolver: Resolver, base: Value, call: syntax.Call, scope: Scope) -> Value:
    return Value(tree.Not(boolean(base)))


def _first(resolver: Resolver, base: Value, call: syntax.Call, scope: Scope) -> Value:
    return item(base, 0)


def _of_type(resolver: Resolver, base: Value, call: syntax.Call, scope: Scope) -> Value:
    return resolver.of_type(base, _type_name(call))


def _extension(resolver: Resolver, base: Value, call: syntax.Call, scope: Scope) -> Value:
    url = resolver.path(call.arguments[0], scope).node
    if not isinstance(url, tree.Constant) or family(url.type) != "text":
        raise SettingsError("extension() needs the URL as a literal or a constant")
    found = resolver.step(base, "extension")
    if found.is_nothing:
        return found
    variable = resolver.new_variable()
    this = Value(tree.Context(variable, "Extension"), found.shape)
    criterion = tree.Operation("=", plain(resolver.step(this, "url")), url, "boolean")
    return Value(tree.Where(found.counted(), variable, criterion), found.shape)


def _join(resolver: Resolver, base: Value, call: syntax.Call, scope: Scope) -> Value:
    given = resolver.path(call.arguments[0], scope).node if call.arguments else tree.Constant("", "string")
    if not isinstance(given, tree.Constant) or family(given.type) != "text":
        raise SettingsError("join() needs its separator as a literal or a constant")
    if base.choice is not None or family(base.node.type) != "text":
        raise SettingsError("join() needs texts", type=label(base.choice or base.node.type))
    return Value(tree.Join(plain(base), given.value))


def _resource_key(resolver: Resolver, base: Value, call: syntax.Call, scope: Scope) -> Value:
    if not isinstance(base.node, tree.Context) or base.node.type not in resource_types():
        raise SettingsError("getResourceKey() stands on the resource only")
    return resolver.step(base, "id")


def _reference_key(resolver: Resolver, base: Value, call: syntax.Call, scope: Scope) -> Value:
    """One key for each reference that has one; a list of references gives a list without gaps."""
    target = _type_name(call) if call.arguments else None
    if target is not None and target not in resource_types():
        raise SettingsError("getReferenceKey() names a type that is no resource", type=label(target))
    if base.is_nothing:
        return base
    if base.choice is not None:
        raise SettingsError("A choice element needs ofType() before it is used", element=label(base.choice))
    if base.node.type != "Reference":
        raise SettingsError("getReferenceKey() stands on a Reference", type=label(base.node.type))
    return Value(tree.ReferenceKey(plain(resolver.step(base, "reference")), target))


def _low(resolver: Resolver, base: Value, call: syntax.Call, scope: Scope) -> Value:
    return _boundary(resolver, base, "low")


def _high(resolver: Resolver, base: Value, call: syntax.Call, scope: Scope) -> Value:
    return _boundary(resolver, base, "high")


def _boundary(resolver: Resolver, base: Value, side: OneOf["low", "high"]) -> Value:
    if base.is_nothing:
        return base
    node = single(base)
    if node.type not in TEMPORALS | {"decimal"}:
        raise SettingsError("A boundary needs a decimal, date or time", type=label(node.type))
    if node.type == "decimal":
        digits = _digits(resolver, base)
        node = tree.Single(digits) if digits.many else digits
    return Value(tree.Boundary(node, side, node.type))


def _digits(resolver: Resolver, base: Value) -> tree.Node:
    """What gives a decimal's digits as they are written, of which its precision is read."""
    node = base.node
    if isinstance(node, tree.Constant):
        return node
    if isinstance(node, tree.Step) and base.parent is not None and base.shape and not base.shape.repeats:
        name = base.shape.source
        base.parent.member(name, "decimal", form=Form.DIGITS)
        resolver.digits.add(name)
        return tree.Step(node.base, field_name(name, Form.DIGITS), "decimal", False)
    raise SettingsError("A boundary of a decimal stands right after its element")


def _type_name(call: syntax.Call) -> str:
    argument = call.arguments[0]
    if isinstance(argument, syntax.Name) and argument.base in (None, syntax.Name(None, "FHIR")):
        return argument.name
    raise SettingsError("A function needs the name of a type", function=label(call.name))


FUNCTIONS: Mapping[str, tuple[int, int, Function]] = {
    "where": (1, 1, _where),
    "exists": (0, 1, _exists),
    "empty": (0, 0, _empty),
    "not": (0, 0, _not),
    "first": (0, 0, _first),
    "ofType": (1, 1, _of_type),
    "extension": (1, 1, _extension),
    "join": (0, 1, _join),
    "getResourceKey": (0, 0, _resource_key),
    "getReferenceKey": (0, 1, _reference_key),
    "lowBoundary": (0, 0, _low),
    "highBoundary": (0, 0, _high),
}
"""Name → fewest arguments, most arguments, meaning."""


__all__ = ["FUNCTIONS"]
