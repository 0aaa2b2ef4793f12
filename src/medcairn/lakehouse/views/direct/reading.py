"""What some views read of a resource, together: the union of their pruned shapes.

A shape names the fields that views step through; several fields may come from one JSON member, which is
decoded once. What a ``repeat`` walks is decoded as deep as it goes, so a reading may hold itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from medcairn.lakehouse.views import tree
from medcairn.lakehouse.views.plan import ViewPlan
from medcairn.lakehouse.views.shape import Form, Shape


@dataclass(eq=False)
class Reading:
    """How the objects of a FHIR type are read: JSON members by name, and views' fields by name."""

    type: str
    sources: dict[str, Source] = field(default_factory=dict)
    fields: dict[str, Field] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Source:
    """One JSON member as it is decoded.

    ``raw`` leaves it (or each of its items) as JSON text; ``aligned`` keeps the places of a list's nulls.
    """

    type: str
    repeats: bool
    raw: bool
    aligned: bool
    below: Reading | None


@dataclass(frozen=True, eq=False)
class Field:
    """What a step to a field gives. ``member`` is the JSON member behind it, ``more`` its companion."""

    member: str
    more: str
    source: Source
    form: Form
    only: str
    below: Reading | None

    @property
    def is_digits(self) -> bool:
        """Whether what is stepped to is the text of a number."""
        return self.source.raw and not self.only and self.form is not Form.PAIRS


def read_together(plans: Sequence[ViewPlan]) -> tuple[Reading, dict[str, Reading]]:
    """The reading of ``plans``, all of one resource type, and by type that of what their repeats walk."""
    walks: dict[str, list[Shape]] = {}
    for plan in plans:
        for repeat in _repeats_in(plan.rows):
            walks.setdefault(repeat.type, []).extend((repeat.item_shape, repeat.next_shape))
    while True:
        known = sum(map(len, walks.values()))
        merging = _Merging(walks)
        root = merging.filled(Reading(plans[0].resource), [plan.shape for plan in plans])
        root.sources["resourceType"] = Source("code", False, False, False, None)
        for name, shapes in walks.items():
            merging.filled(merging.walked[name], list(shapes))
        # A member that one view walks and another steps into has one decoded form; it may hold another such.
        if known == sum(map(len, walks.values())):
            return root, merging.walked


class _Merging:
    def __init__(self, walks: dict[str, list[Shape]]) -> None:
        self._walks = walks
        self.walked = {name: Reading(name) for name in walks}

    def filled(self, reading: Reading, shapes: Sequence[Shape]) -> Reading:
        """``reading`` with everything that ``shapes``, all of its type, read."""
        named: dict[str, list[Shape]] = {}
        for shape in shapes:
            for name, below in shape.members.items():
                named.setdefault(name, []).append(below)
        if named.pop(Form.WHOLE.value, None):
            itself = Source(reading.type, False, False, False, reading)
            reading.fields[Form.WHOLE.value] = Field("", "", itself, Form.WHOLE, "", reading)
        for member, behind in sorted(_by_member(named).items()):
            reading.sources[member] = self._source(behind)
        for name, same in sorted(named.items()):
            reading.fields[name] = self._field(reading, same)
        return reading

    def _source(self, shapes: Sequence[Shape]) -> Source:
        first = shapes[0]
        digits = any(shape.form is Form.DIGITS for shape in shapes)
        paired = any(shape.form is Form.PAIRS for shape in shapes)
        values = [shape for shape in shapes if shape.form is Form.VALUE and not shape.only]
        below = self._below(first.type, values) if values and not first.is_primitive else None
        raw = digits or any(shape.only for shape in shapes)
        return Source(first.type, first.repeats, raw, paired and first.repeats, below)

    def _below(self, type_name: str, shapes: Sequence[Shape]) -> Reading:
        if not any(Form.WHOLE.value in shape.members for shape in shapes):
            return self.filled(Reading(type_name), shapes)
        known = self._walks[type_name]
        known.extend(shape for shape in shapes if not any(shape is other for other in known))
        return self.walked[type_name]

    def _field(self, reading: Reading, shapes: Sequence[Shape]) -> Field:
        first = shapes[0]
        source, below, more = reading.sources[first.source], None, ""
        if first.form is Form.PAIRS:
            companions = [shape.members["more"] for shape in shapes if "more" in shape.members]
            more = companions[0].source if companions else ""
            below = _pair(source, reading.sources[more] if more else None)
        elif first.only:
            below = self._below(first.only, shapes)
        else:
            below = source.below
        return Field(first.source, more, source, first.form, first.only, below)


def _by_member(named: dict[str, list[Shape]]) -> dict[str, list[Shape]]:
    """The shapes that are read from each JSON member; companions count as members of their own."""
    found: dict[str, list[Shape]] = {}
    for shape in (shape for same in named.values() for shape in same):
        found.setdefault(shape.source, []).append(shape)
        if shape.form is not Form.PAIRS:
            continue
        if any(inner.form is Form.DIGITS for inner in shape.members.values()):
            found[shape.source].append(Shape(shape.type, shape.repeats, form=Form.DIGITS))
        if "more" in shape.members:
            more = shape.members["more"]
            # The list of companions keeps its nulls too, so that both lists stay side by side.
            paired = Shape(more.type, shape.repeats, form=Form.PAIRS)
            found.setdefault(more.source, []).extend((Shape(more.type, shape.repeats, more.members), paired))
    return found


def _pair(value: Source, more: Source | None) -> Reading:
    """A value beside its companion; both are decoded already."""
    single = Source(value.type, False, value.raw, False, None)
    fields = {
        "value": Field("value", "", single, Form.VALUE, "", None),
        "value#": Field("value", "", single, Form.DIGITS, "", None),
    }
    if more is not None:
        companion = Source(more.type, False, False, False, more.below)
        fields["more"] = Field("more", "", companion, Form.VALUE, "", more.below)
    return Reading("", {}, fields)


def _repeats_in(rows: tree.Rows) -> Iterable[tree.Repeat]:
    match rows:
        case tree.Each(items, _, body):
            if isinstance(items, tree.Repeat):
                yield items
            yield from _repeats_in(body)
        case tree.Product(parts) | tree.Union(parts):
            for part in parts:
                yield from _repeats_in(part)


__all__ = ["Field", "Reading", "Source", "read_together"]
