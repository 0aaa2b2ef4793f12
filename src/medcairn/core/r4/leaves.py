"""Every place of a type where a primitive value can stand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from medcairn.core.r4.elements import PRIMITIVES, JsonField, json_fields

_EXTENSIONS = frozenset({"extension", "modifierExtension"})


@dataclass(frozen=True)
class Step:
    """One JSON member on the way to a leaf, and the FHIR type of what it holds."""

    name: str
    type: str
    many: bool = False


@dataclass(frozen=True)
class Leaf:
    """A primitive leaf: the steps from the object of the starting type down to the value."""

    root: str
    steps: tuple[Step, ...]

    @property
    def type(self) -> str:
        """The primitive type of the value: ``string``, ``date``, ``code``, …"""
        return self.steps[-1].type

    @property
    def path(self) -> str:
        """The JSON path for people: ``Patient.contact[].name.given[]``."""
        names = (step.name + "[]" * step.many for step in self.steps)
        return ".".join((self.root, *names))


def walk_leaves(
    type_name: str, depth: int = 8, *, recursion: int = 1, extension_depth: int = 0
) -> Iterator[Leaf]:
    """The primitive leaves of a type in the table's order, choices spelt out.

    ``depth`` is the most steps of a path. ``recursion`` is how often a complex type may stand inside itself
    (1: ``item.item.text`` comes, ``item.item.item.text`` does not); Extension never stands inside itself.
    Extensions are entered on objects at most ``extension_depth`` steps below the start (0: on the start only;
    -1: nowhere), because their open choice would repeat all data types at every object.

    ``contained`` and other places for whole resources give nothing: walk the resource's own type instead.
    An unknown type gives nothing. The ``_`` siblings of primitive members are for the caller to add.
    """
    yield from _below(type_name, type_name, (), (depth, recursion, extension_depth))


def _below(
    root: str, type_name: str, steps: tuple[Step, ...], limits: tuple[int, int, int]
) -> Iterator[Leaf]:
    depth, _, _ = limits
    if len(steps) >= depth:
        return
    for name, field in json_fields(type_name).items():
        path = (*steps, Step(name, field.type, field.many))
        if field.type in PRIMITIVES:
            yield Leaf(root, path)
        elif _enters(field, steps, limits):
            yield from _below(root, field.type, path, limits)


def _enters(field: JsonField, steps: tuple[Step, ...], limits: tuple[int, int, int]) -> bool:
    _, recursion, extension_depth = limits
    if field.element in _EXTENSIONS:
        return len(steps) <= extension_depth and all(step.type != "Extension" for step in steps)
    return field.type != "Resource" and sum(step.type == field.type for step in steps) <= recursion


__all__ = ["Leaf", "Step", "walk_leaves"]
