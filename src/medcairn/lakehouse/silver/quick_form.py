"""What is decoded of a line to recognise it, read off the typed tree of a view.

A row's own columns are decoded as the view reads them. Of everything else the JSON text is taken: of a member
of the resource, or of an item of the one list that the view loops over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Union, cast

import msgspec

from medcairn.core.r4 import INTEGERS
from medcairn.lakehouse.views import tree
from medcairn.lakehouse.views.direct.records import attribute
from medcairn.lakehouse.views.elements import PRIMITIVES
from medcairn.lakehouse.views.plan import ROOT, ViewPlan

ABSENT = msgspec.Raw()
"""The JSON text of a member that is not there."""

_CODING = ("coding_index", "system", "code")
_INT64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
_SCALARS: Mapping[str, Any] = {"boolean": bool, "decimal": float, **dict.fromkeys(INTEGERS, _INT64)}


class Unusual(Exception):
    """A view is not of the form that can be recognised."""


@dataclass(frozen=True)
class Value:
    """One value of a resource, or one for each item of a ``loop``: its columns in the order of the view, and
    the collection that its codings come from."""

    columns: tuple[tree.Column, ...]
    loop: tree.Each | None = None
    codings: tree.Node | None = None

    def with_(self, other: Value) -> Value:
        if (self.loop and other.loop) or (self.codings and other.codings):
            raise Unusual
        columns = (*self.columns, *other.columns)
        return Value(columns, self.loop or other.loop, self.codings or other.codings)


def values_of(rows: tree.Rows) -> list[Value]:
    match rows:
        case tree.Columns(columns):
            return [Value(columns)]
        case tree.Union(parts):
            return [value for part in parts for value in values_of(part)]
        case tree.Product(parts):
            found = [Value(())]
            for part in parts:
                found = [one.with_(other) for one in found for other in values_of(part)]
            return found
        case tree.Each(items, _, tree.Columns(columns)) if tuple(c.name for c in columns) == _CODING:
            if not rows.or_null:
                raise Unusual
            return [Value((), None, items)]
        case tree.Each(tree.Step(tree.Context(variable), repeats=True), _, body) if variable == ROOT:
            return [Value((), rows).with_(value) for value in values_of(body)]
    raise Unusual


@dataclass
class _Object:
    """What is decoded of a JSON object: by member an object, a list of objects, the FHIR type of a scalar,
    or "" for its JSON text."""

    members: dict[str, _Object | _List | str] = field(default_factory=dict)

    def struct(self, name: str, **options: Any) -> Any:
        """The Struct that decodes it; ``options`` are msgspec's."""
        fields: list[tuple[str, object, object]] = []
        for member, below in self.members.items():
            kind: Any
            if member == options.get("tag_field"):
                continue
            if below == "":
                fields.append((attribute(member), msgspec.Raw, ABSENT))
                continue
            if isinstance(below, _Object):
                kind = below.struct(f"{name}_{member}")
            elif isinstance(below, _List):
                kind = list[below.items.struct(f"{name}_{member}")]  # type: ignore[misc]
            else:
                kind = _SCALARS.get(below, str)
            fields.append((attribute(member), Union[kind, None], None))
        renamed = {attribute(member): member for member in self.members if attribute(member) != member}
        return msgspec.defstruct(name, cast("Any", fields), rename=renamed, gc=False, **options)


@dataclass
class _List:
    """A JSON array of objects."""

    items: _Object = field(default_factory=_Object)


class Decoding:
    """What is decoded of the resources of a view whose first ``own`` columns are a row's own.

    Raises :class:`Unusual` where that cannot be told apart from the rest.
    """

    def __init__(self, plan: ViewPlan, values: Sequence[Value], own: int) -> None:
        self._kind = plan.resource
        self._root = _Object({"resourceType": "code"})
        self._objects = {ROOT: self._root}
        for value in values:
            self._open(value)
        for value in values:
            for column in value.columns[:own]:
                self._decode_own(column)
        for value in values:
            for column in value.columns[own:]:
                self._decode_text(column.value)
            if value.codings is not None:
                self._decode_text(value.codings)

    def decoder(self) -> Callable[[bytes], msgspec.Struct]:
        """The decoder of a line. Raises msgspec's errors for what is not as it should be."""
        return cast(
            "Callable[[bytes], msgspec.Struct]", msgspec.json.Decoder(self._root.struct(self._kind)).decode
        )

    def tagged(self) -> type[msgspec.Struct]:
        """The type of what is decoded, by its ``resourceType`` one among others."""
        found: type[msgspec.Struct] = self._root.struct(self._kind, tag_field="resourceType", tag=self._kind)
        return found

    def is_text(self, step: tree.Step) -> bool:
        """Whether a member is decoded as JSON text."""
        return self._objects[variable_of(step)].members[step.field] == ""

    def _open(self, value: Value) -> None:
        if value.loop is not None:
            items = _List()
            self._root.members[step_of(value.loop.items).field] = items
            self._objects[value.loop.variable] = items.items

    def _decode_own(self, column: tree.Column) -> None:
        """Note what has to be decoded for a row's own column."""
        node = column.value
        chain = chain_of(node.base if isinstance(node, tree.ReferenceKey) else node)
        if isinstance(node, (tree.Constant, tree.RowIndex)):
            return
        if chain is None or column.collection:
            self._decode_text(node)
            return
        place = self._objects[variable_of(chain[0])]
        for step in chain[:-1]:
            below = place.members.setdefault(step.field, _Object())
            if not isinstance(below, _Object):
                raise Unusual
            place = below
        if place.members.setdefault(chain[-1].field, chain[-1].type) == "":
            raise Unusual

    def _decode_text(self, node: tree.Node) -> None:
        """Note that JSON texts are needed from which what ``node`` gives follows."""
        for step in first_steps(node):
            members = self._objects[variable_of(step)].members
            below = members.setdefault(step.field, "")
            if below == "" or (isinstance(node, tree.Exists) and node.base == step):
                continue
            chain = chain_of(node)
            if not isinstance(below, _Object) or chain is None or len(chain) != 2:
                raise Unusual
            if below.members.setdefault(chain[1].field, "") != "":
                raise Unusual


def chain_of(node: tree.Node) -> list[tree.Step] | None:
    """The steps from a record down to a scalar, where no list lies between; None for any other node."""
    steps: list[tree.Step] = []
    while isinstance(node, tree.Step) and not node.repeats:
        steps.insert(0, node)
        node = node.base
    return steps if steps and isinstance(node, tree.Context) and steps[-1].type in PRIMITIVES else None


def first_steps(node: tree.Node) -> list[tree.Step]:
    """The members of records of the view's own below which ``node`` looks."""
    match node:
        case tree.Step(tree.Context()):
            return [node]
        case tree.Step(base) | tree.Item(base) | tree.Single(base) | tree.Exists(base):
            return first_steps(base)
        case tree.ReferenceKey(base):
            return first_steps(base)
        case tree.Constant():
            return []
    raise Unusual


def step_of(node: tree.Node) -> tree.Step:
    assert isinstance(node, tree.Step)
    return node


def variable_of(step: tree.Step) -> str:
    assert isinstance(step.base, tree.Context)
    return step.base.variable


__all__ = [
    "ABSENT",
    "Decoding",
    "Unusual",
    "Value",
    "chain_of",
    "first_steps",
    "step_of",
    "values_of",
    "variable_of",
]
