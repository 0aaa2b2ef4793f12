"""The pruned read schema: only the members that a view asks for are read out of the JSON.

A :class:`Shape` describes a record as it will be read. Its fields are named after JSON members, with a sign
behind the name where a member is read in another way than by its value (see :class:`Form`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from medcairn.lakehouse.views.elements import INTEGERS, PRIMITIVES


class Form(Enum):
    """How a JSON member is read; the value is the sign behind the name of the record's field."""

    VALUE = ""
    """The value: a scalar, a record, or a list of them."""
    WHOLE = "*"
    """A field of that name alone: the JSON object itself as it stands, to be walked later."""
    DIGITS = "#"
    """The digits of a decimal as they are written; there exactly when its value is."""
    PAIRS = "+"
    """Records of ``value`` and ``more``, the companion (``_name``) that holds the value's extensions."""


@dataclass
class Shape:
    """One field of a record, or the whole resource. Grows while a view is being resolved.

    ``source`` is the JSON member; ``only`` keeps objects of that ``resourceType`` and drops the others;
    ``place`` tells the shape from every other of the same view. ``counted`` is false as long as nothing but
    the members of a complex member are asked for, so that it does not matter whether it is there itself. One
    without ``members`` is asked for its presence only.
    """

    type: str
    repeats: bool = False
    members: dict[str, Shape] = field(default_factory=dict)
    form: Form = Form.VALUE
    source: str = ""
    only: str = ""
    place: str = ""
    counted: bool = False

    @property
    def is_primitive(self) -> bool:
        """Whether the JSON member is a scalar."""
        return self.type in PRIMITIVES

    def member(
        self,
        name: str,
        type_name: str,
        *,
        repeats: bool = False,
        form: Form = Form.VALUE,
        only: str = "",
        source: str | None = None,
    ) -> Shape:
        """The field that reads JSON member ``name`` in ``form``, added when it is not there yet."""
        source = name if source is None else source
        added = Shape(type_name, repeats, {}, form, source, only, self.place_of(name, only))
        return self.members.setdefault(field_name(name, form, only), added)

    def prune(self) -> None:
        """Drop scalars whose value nobody asked for: an expression went by them to their companions."""
        if self.form is not Form.PAIRS:
            idle = [name for name, below in self.members.items() if below.is_idle]
            for name in idle:
                del self.members[name]
        for below in self.members.values():
            below.prune()

    @property
    def is_idle(self) -> bool:
        """Whether this is a scalar whose value is not asked for."""
        return self.is_primitive and self.form is Form.VALUE and not self.counted

    def place_of(self, name: str, only: str = "") -> str:
        """The ``place`` of the member of that name, in whatever form it is read."""
        return f"{self.place}/{field_name(name, only=only)}"


def field_name(name: str, form: Form = Form.VALUE, only: str = "") -> str:
    """What the record's field is called that reads JSON member ``name`` in ``form``."""
    return f"{name}{form.value}" + (f":{only}" if only else "")


def read_schema(shape: Shape) -> dict[str, object]:
    """The shape as JSON: member → text, number, integer, boolean, object or any; a list in brackets."""
    found: dict[str, object] = {}
    for below in sorted(shape.members.values(), key=lambda item: item.source):
        if below.form is Form.WHOLE:
            found["*"] = "any"
        elif below.form is Form.PAIRS:
            _add(found, below, _kind(below.type))
            more = below.members.get("more")
            if more is not None:
                _add(found, more, read_schema(more))
        else:
            _add(found, below, _kind(below.type) if below.is_primitive else read_schema(below) or "object")
    return found


def _add(found: dict[str, object], shape: Shape, kind: object) -> None:
    known = found.get(shape.source)
    inner = known[0] if isinstance(known, list) else known
    if isinstance(inner, dict) and isinstance(kind, dict):
        kind = {**inner, **kind}
    found[shape.source] = [kind] if shape.repeats else kind


def _kind(type_name: str) -> str:
    if type_name in INTEGERS:
        return "integer"
    return {"boolean": "boolean", "decimal": "number"}.get(type_name, "text")


__all__ = ["Form", "Shape", "field_name", "read_schema"]
