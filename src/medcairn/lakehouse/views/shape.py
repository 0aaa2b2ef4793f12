"""The pruned read schema: only the members that a view asks for are parsed out of the JSON."""

from __future__ import annotations

from dataclasses import dataclass, field

from medcairn.lakehouse.views.elements import PRIMITIVES


@dataclass
class Shape:
    """One JSON member as it will be read. Grows while a view is being resolved.

    ``whole`` keeps a complex member as JSON text (nothing below it was asked for, or it is walked later);
    ``exact`` reads a decimal as text, so that its digits stay.
    """

    type: str
    repeats: bool = False
    members: dict[str, Shape] = field(default_factory=dict)
    whole: bool = False
    exact: bool = False

    @property
    def is_primitive(self) -> bool:
        """Whether the member is a JSON scalar."""
        return self.type in PRIMITIVES

    def member(self, name: str, type_name: str, *, repeats: bool) -> Shape:
        """The member of that name, added when it is not there yet."""
        return self.members.setdefault(name, Shape(type_name, repeats))


__all__ = ["Shape"]
