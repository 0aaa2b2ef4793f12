"""How deep a view goes: lists within lists, and iterations within iterations."""

from __future__ import annotations

from dataclasses import fields, is_dataclass

from medcairn.core.errors import SettingsError
from medcairn.core.labels import Label
from medcairn.lakehouse.views import tree
from medcairn.lakehouse.views.shape import Shape

LIMIT = 14
"""DuckDB takes twice as long to prepare a statement for every level, some seconds at this one."""


def check_nesting(view: Label, rows: tree.Rows, wheres: tuple[tree.Node, ...], shape: Shape) -> None:
    """Raise :class:`SettingsError` when the view goes deeper than :data:`LIMIT`. FHIR data do not."""
    if max(_lists(shape), _iterations(rows), _iterations(wheres)) > LIMIT:
        raise SettingsError("A view is nested too deep", limit=LIMIT, view=view)


def _lists(shape: Shape) -> int:
    return int(shape.repeats) + max(map(_lists, shape.members.values()), default=0)


def _iterations(part: object) -> int:
    if isinstance(part, Shape):
        return _lists(part)
    if isinstance(part, tuple):
        return max(map(_iterations, part), default=0)
    if not is_dataclass(part):
        return 0
    below = max((_iterations(getattr(part, field.name)) for field in fields(part)), default=0)
    if isinstance(part, tree.Product):
        # The rows of one part are made within those of the part before it.
        return below + sum(not isinstance(item, tree.Columns) for item in part.parts) - 1
    return below + isinstance(part, (tree.Each, tree.Where, tree.Repeat))


__all__ = ["LIMIT", "check_nesting"]
