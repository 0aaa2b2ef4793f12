"""The nodes of the typed tree: what lies in them, and how what they give was read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from medcairn.lakehouse.views import tree
from medcairn.lakehouse.views.direct.reading import Field, Reading
from medcairn.lakehouse.views.direct.source import Item, Scope
from medcairn.lakehouse.views.shape import Form

Groups = Mapping[tree.Node, tuple[tree.Step | tree.Item, ...]]
"""For each single object the fields of it, and for each list the items of it, that a view reads anywhere."""


def groups_in(nodes: Iterable[tree.Node]) -> Groups:
    """What expressions take of each single object, and of each list that is a field of one."""
    found: dict[tree.Node, dict[tree.Step | tree.Item, None]] = {}
    for node in nodes:
        for part in parts_of(node):
            match part:
                case tree.Step(base) if not base.many:
                    found.setdefault(base, {})[part] = None
                case tree.Item(tree.Step(base) as items) if not base.many:
                    found.setdefault(items, {})[part] = None
    return {base: tuple(parts) for base, parts in found.items()}


def parts_of(node: tree.Node) -> Iterable[tree.Node]:
    """``node`` and every node in it."""
    yield node
    if isinstance(node, tree.Repeat):
        for inner in (*node.first, *node.next):
            yield from parts_of(inner)
    for part in ("base", "left", "right", "criterion"):
        below = getattr(node, part, None)
        if below is not None:
            yield from parts_of(below)


def item_of(name: str, node: tree.Node, scope: Scope, walked: Mapping[str, Reading] | None = None) -> Item:
    """What an item of ``node`` is, under ``name``."""
    if isinstance(node, tree.Repeat):
        return Item(name, None, (walked or {})[node.type])
    return Item(name, field_of(node, scope), reading_of(node, scope))


def field_of(node: tree.Node, scope: Scope) -> Field | None:
    """How the value or the items of ``node`` are read; None for what is calculated."""
    match node:
        case tree.Context(variable):
            return scope.item(variable).field
        case tree.Step(base, name):
            above = reading_of(base, scope)
            return None if above is None else above.fields.get(name)
        case tree.Where(base) | tree.Item(base) | tree.Single(base):
            return field_of(base, scope)
    return None


def reading_of(node: tree.Node, scope: Scope) -> Reading | None:
    """How the objects that ``node`` gives are read."""
    match node:
        case tree.Context(variable):
            return scope.item(variable).reading
        case tree.Where(base) | tree.Item(base) | tree.Single(base):
            return reading_of(base, scope)
    field = field_of(node, scope)
    return None if field is None else field.below


def is_text_of_number(node: tree.Node, scope: Scope) -> bool:
    """Whether ``node`` gives digits where a number is meant."""
    field = field_of(node, scope)
    return field is not None and field.is_digits and field.form is not Form.DIGITS


__all__ = ["Groups", "field_of", "groups_in", "is_text_of_number", "item_of", "parts_of"]
