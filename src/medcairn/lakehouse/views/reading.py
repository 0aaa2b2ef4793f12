"""JSON to typed records, level by level: a member of another kind than its type asks for is nothing.

An engine's own ``from_json`` would convert (5 to "5", "x" to a record of nulls), and no two engines do so in
the same way. So every member is first taken as it stands and then read by its kind. Lambdas are nested no
deeper than lists are: to bind one, DuckDB binds what is in it twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from medcairn.lakehouse.views.dialects import Dialect
from medcairn.lakehouse.views.dialects.dialect import Members
from medcairn.lakehouse.views.elements import INTEGERS
from medcairn.lakehouse.views.shape import Form, Shape

_TYPE = "resourceType"


class Reader:
    """Writes the SQL that reads a :class:`Shape`. ``fresh`` gives a name that is used nowhere else."""

    def __init__(self, dialect: Dialect, fresh: Callable[[], str]) -> None:
        self._d, self._fresh = dialect, fresh

    def resource(self, json: str, shape: Shape, digits: Sequence[str]) -> str:
        """The record of ``shape`` that the text ``json`` holds; NULL when it is of another resource type.

        ``digits`` are the members, at whatever depth, whose digits are asked for.
        """
        opened = self._fresh()
        taken_apart = self._d.document(json, _members(shape), digits)
        return self._d.let(taken_apart, opened, self._built(opened, shape))

    def record(self, raw: str, shape: Shape) -> str:
        """The record that the raw value holds, NULL when it is no object of that sort."""
        members = _members(shape)
        if "(" in raw:
            variable = self._fresh()
            return self._d.let(raw, variable, self.record(variable, shape))
        if not members:
            whole = self._d.record([(name, raw) for name in shape.members]) if shape.members else raw
            return self._d.choose(self._d.present(self._d.object(raw)), whole)
        opened = self._fresh()
        return self._d.let(self._d.opened(raw, members), opened, self._built(opened, shape, raw))

    def records(self, items: str, shape: Shape) -> str:
        """The records that a list of raw values holds; what is no object of that sort is left out."""
        item = self._fresh()
        members = _members(shape)
        if not members or Form.WHOLE.value in shape.members:
            return self._d.compact(self._d.each(items, item, self.record(item, shape)))
        opened = self._fresh()
        taken_apart = self._d.each(items, item, self._d.opened(item, members))
        return self._d.compact(self._d.each(taken_apart, opened, self._built(opened, shape)))

    def _built(self, opened: str, shape: Shape, raw: str = "") -> str:
        """The record of ``shape`` out of the members that were taken apart, NULL when there are none."""
        there = self._d.present(opened)
        if shape.only:
            kind = self._d.text(self._d.member(opened, _TYPE))
            is_type = self._d.operation("=", kind, self._d.literal(shape.only, "code"), "code", "code")
            there = f"({there} AND {is_type})"
        return self._d.choose(there, self._fields(opened, shape, raw))

    def _fields(self, opened: str, shape: Shape, raw: str = "") -> str:
        fields = [(name, self._field(opened, below, raw)) for name, below in sorted(shape.members.items())]
        # A record has to have a field, also where only its presence counts.
        return self._d.record(fields or [(_TYPE, self._d.literal(shape.only, "code"))])

    def _field(self, opened: str, shape: Shape, raw: str) -> str:
        if shape.form is Form.WHOLE:
            return raw
        member = self._d.member(opened, shape.source)
        if shape.form is Form.PAIRS:
            return self._pairs(opened, member, shape)
        if shape.form is Form.DIGITS:
            digits = self._d.text(self._d.member(opened, shape.source + Form.DIGITS.value))
            return self._d.choose(self._d.present(self._d.number(member)), digits)
        if _is_passed_through(shape):
            return self._fields(member, shape)
        if not shape.is_primitive:
            return self.records(member, shape) if shape.repeats else self.record(member, shape)
        if not shape.repeats:
            return self._scalar(member, shape)
        item = self._fresh()
        return self._d.compact(self._d.each(member, item, self._scalar(item, shape)))

    def _pairs(self, opened: str, member: str, shape: Shape) -> str:
        """Values and companions are two arrays of the same length; null stands where one has no part."""
        more = shape.members.get("more")
        if shape.repeats:
            item, pair = self._fresh(), self._fresh()
            pairs = self._d.each(member, item, self._pair(opened, item, shape, more))
            return self._d.keep(pairs, pair, self._d.present(self._d.member(pair, "value")))
        there = self._d.present(self._scalar(member, shape))
        return self._d.choose(there, self._pair(opened, member, shape, more))

    def _pair(self, opened: str, value: str, shape: Shape, more: Shape | None) -> str:
        fields = [("value", self._scalar(value, shape))]
        if more is not None:
            companion = self._d.member(opened, more.source)
            if shape.repeats:
                companion = self._d.at(companion, self._d.position(value))
            fields.append(("more", self.record(companion, more)))
        return self._d.record(fields)

    def _scalar(self, raw: str, shape: Shape) -> str:
        if shape.type in INTEGERS:
            return self._d.whole_number(raw)
        if shape.type == "decimal":
            return self._d.number(raw)
        return self._d.truth(raw) if shape.type == "boolean" else self._d.text(raw)


def _is_passed_through(shape: Shape) -> bool:
    """Whether only what lies below is asked for, so that no object and an object of nothing are the same."""
    is_object = bool(shape.members) and not shape.is_primitive and not shape.repeats
    return is_object and not shape.counted and not shape.only and shape.form is Form.VALUE


def _members(shape: Shape) -> Members:
    """What the fields of ``shape`` are read from."""
    found: dict[str, bool | Members] = {_TYPE: False} if shape.only else {}
    for below in shape.members.values():
        if below.form is Form.WHOLE:
            continue
        found[below.source] = _members(below) if _is_passed_through(below) else below.repeats
        if below.form is Form.DIGITS:
            found[below.source + Form.DIGITS.value] = False
        if below.form is Form.PAIRS and "more" in below.members:
            found[below.members["more"].source] = below.repeats
    return dict(sorted(found.items()))


__all__ = ["Reader"]
