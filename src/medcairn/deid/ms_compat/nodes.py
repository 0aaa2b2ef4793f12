"""A resource as a tree of typed nodes: what FHIRPath walks and what methods change.

Each value of a repeating element is a node of its own, a primitive carries its extensions as children, and
``value[x]`` is named ``value`` whatever its type, as FHIRPath sees them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from decimal import Decimal
from enum import StrEnum
from itertools import zip_longest
from typing import TypeAlias

from medcairn.core.r4 import INTEGERS, PRIMITIVES, JsonField, json_fields, resource_types

Scalar: TypeAlias = str | int | bool | Decimal
Document: TypeAlias = Mapping[str, object]

MOST_NESTED = 100
_NO_FIELD = JsonField("", "")


class NotFhirReason(StrEnum):
    """Why a document is no resource that can be read."""

    NOT_JSON = "not_json"
    NOT_AN_OBJECT = "not_an_object"
    UNKNOWN_TYPE = "unknown_type"
    OTHER_TYPE = "other_type"
    TOO_DEEP = "too_deep"


class NotFhir(Exception):
    """A document is no R4 resource. Stays inside the package."""

    def __init__(self, reason: NotFhirReason) -> None:
        super().__init__(reason.value)
        self.reason = reason


class Node:
    """One element of a resource, or the resource.

    ``name`` is the FHIRPath name and ``field`` the JSON member; ``value`` is set on primitives only.
    ``visited`` says that a rule has decided about the node, and no later one may.
    """

    __slots__ = ("children", "field", "is_resource", "many", "name", "parent", "type", "value", "visited")

    def __init__(
        self, name: str, field: str, type_name: str, parent: Node | None, *, many: bool = False
    ) -> None:
        self.name = name
        self.field = field
        self.type = type_name
        self.parent = parent
        self.many = many
        self.is_resource = False
        self.visited = False
        self.value: Scalar | None = None
        self.children: list[Node] = []

    def named(self, name: str) -> list[Node]:
        """The children of that name."""
        return [child for child in self.children if child.name == name]

    def descendants(self) -> Iterator[Node]:
        """All nodes below; of a resource in between only itself, for it is processed on its own."""
        for child in self.children:
            yield child
            if not child.is_resource:
                yield from child.descendants()

    @property
    def location(self) -> str:
        """Where the node stands, with positions: ``Patient.name[1].family[0]``."""
        if self.parent is None:
            return self.type
        at = next(i for i, other in enumerate(self.parent.named(self.name)) if other is self)
        return f"{self.parent.location}.{self.name}[{at}]"

    @property
    def root(self) -> Node:
        """The outermost resource: the Bundle of an entry, the container of a contained resource."""
        node = self
        while node.parent is not None:
            node = node.parent
        return node

    @property
    def id_text(self) -> str:
        """The present value of element ``id``, or nothing."""
        return next((str(child.value) for child in self.named("id") if child.value is not None), "")

    def copy(self, parent: Node) -> Node:
        """The same subtree below another parent, not visited."""
        made = Node(self.name, self.field, self.type, parent, many=self.many)
        made.value, made.is_resource = self.value, self.is_resource
        made.children = [child.copy(made) for child in self.children]
        return made


class Reading:
    """Reads documents and counts what is no R4 content: such members do not become nodes."""

    def __init__(self) -> None:
        self.dropped = 0

    def resource(self, document: object) -> Node:
        """The tree of a resource. The document is only read. Raises :class:`NotFhir`."""
        if not isinstance(document, Mapping):
            raise NotFhir(NotFhirReason.NOT_AN_OBJECT)
        kind = _kind(document)
        if kind is None:
            raise NotFhir(NotFhirReason.UNKNOWN_TYPE)
        node = Node("", "", kind, None)
        node.is_resource = True
        self.members(node, document, 0)
        return node

    def members(self, node: Node, document: Document, depth: int) -> None:
        """Hang the members of ``document`` below ``node``. Raises :class:`NotFhir` when nested too deep."""
        if depth > MOST_NESTED:
            raise NotFhir(NotFhirReason.TOO_DEEP)
        fields = json_fields(node.type if node.type not in PRIMITIVES else "Element")
        for key, found in document.items():
            if key == "resourceType" and node.is_resource:
                continue
            bare = key[1:] if key.startswith("_") else key
            field = fields.get(bare, _NO_FIELD)
            if field.type in PRIMITIVES and bare == key:
                self._primitives(node, bare, field, found, document.get("_" + bare), depth)
            elif field.type in PRIMITIVES and bare not in document:
                self._primitives(node, bare, field, None, found, depth)
            elif field.type in PRIMITIVES:
                continue  # read together with the member without the underscore
            elif field.type and bare == key:
                self._complexes(node, key, field, found, depth)
            else:
                self.dropped += 1

    def _primitives(
        self, node: Node, key: str, field: JsonField, values: object, siblings: object, depth: int
    ) -> None:
        if siblings is None and not isinstance(values, list):  # what most members are
            self._primitive(node, key, field, values)
            return
        paired = zip_longest(_listed(values), _listed(siblings))
        for position, (value, sibling) in enumerate(paired):
            if position > 0 and not field.many:
                self.dropped += 1
                continue
            child = self._primitive(node, key, field, value)
            if isinstance(sibling, Mapping):
                self.members(child, sibling, depth + 1)
            elif sibling is not None:
                self.dropped += 1

    def _primitive(self, node: Node, key: str, field: JsonField, value: object) -> Node:
        child = Node(field.element, key, field.type, node, many=field.many)
        if value is not None:
            child.value = _scalar(value, field.type)
            self.dropped += child.value is None
        node.children.append(child)
        return child

    def _complexes(self, node: Node, key: str, field: JsonField, found: object, depth: int) -> None:
        for position, value in enumerate(_listed(found)):
            kind = _kind(value) if field.type == "Resource" else field.type
            if not isinstance(value, Mapping) or kind is None or (position > 0 and not field.many):
                self.dropped += 1
                continue
            child = Node(field.element, key, kind, node, many=field.many)
            child.is_resource = field.type == "Resource"
            self.members(child, value, depth + 1)
            node.children.append(child)


def write_resource(node: Node) -> dict[str, object]:
    """The JSON document of a resource, members in the order in which they were read."""
    document: dict[str, object] = {"resourceType": node.type}
    for name in ("id", "meta"):
        _write_members(document, node.named(name))
    _write_members(document, [child for child in node.children if child.name not in ("id", "meta")])
    return document


def remove_empty(node: Node) -> None:
    """Take out, from the leaves up, what has neither value nor children. Resources stay, also empty ones."""
    for child in node.children:
        remove_empty(child)
    node.children = [c for c in node.children if c.children or c.value is not None or c.is_resource]


def _write_members(document: dict[str, object], children: list[Node]) -> None:
    grouped: dict[str, list[Node]] = {}
    for child in children:
        grouped.setdefault(child.field, []).append(child)
    for field, nodes in grouped.items():
        first = nodes[0]
        many = first.many or len(nodes) > 1
        if first.value is not None and not many and not first.children:
            document[field] = first.value  # what most members are
        elif first.type in PRIMITIVES:
            _put(document, field, [node.value for node in nodes], many)
            _put(document, "_" + field, [_object(node) or None for node in nodes], many)
        else:
            written = [write_resource(node) if node.is_resource else _object(node) for node in nodes]
            _put(document, field, list(written), many)


def _put(document: dict[str, object], field: str, values: list[object], many: bool) -> None:
    if any(value is not None for value in values):
        document[field] = values if many else values[0]


def _object(node: Node) -> dict[str, object]:
    document: dict[str, object] = {}
    _write_members(document, node.children)
    return document


def _kind(document: object) -> str | None:
    kind = document.get("resourceType") if isinstance(document, Mapping) else None
    return kind if isinstance(kind, str) and kind in resource_types() else None


def _listed(found: object) -> list[object]:
    if isinstance(found, list):
        return found
    return [] if found is None else [found]


def _scalar(value: object, type_name: str) -> Scalar | None:
    """The value when JSON gave the kind that the type has; None for an empty text or another kind."""
    if type_name == "boolean":
        return value if isinstance(value, bool) else None
    if isinstance(value, bool):
        return None
    if type_name in INTEGERS:
        return value if isinstance(value, int) else None
    if type_name == "decimal":
        return _decimal(value)
    return value if isinstance(value, str) and value else None


def _decimal(value: object) -> int | Decimal | None:
    if isinstance(value, float):
        return Decimal(repr(value)) if math.isfinite(value) else None
    return value if isinstance(value, (int, Decimal)) else None


__all__ = [
    "Document",
    "Node",
    "NotFhir",
    "NotFhirReason",
    "Reading",
    "Scalar",
    "remove_empty",
    "write_resource",
]
