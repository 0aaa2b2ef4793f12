"""A policy compiled to typed decoders: what it does not list never becomes a Python object.

Each resource type becomes a :class:`msgspec.Struct` class with a decoder of its own that takes no other
``resourceType``. A modifier extension or ``implicitRules`` may change what a resource means, so the decoder
takes nothing but ``null`` there and refuses the rest.
"""

from __future__ import annotations

import keyword
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar, Union, cast

import msgspec

from medcairn.deid.axis import Span
from medcairn.deid.calendar import Calendar
from medcairn.deid.elements import Element, Kinds, from_json, over_each
from medcairn.deid.policy import Group, Node, ResourcePolicy
from medcairn.deid.references import Reference
from medcairn.deid.straight import Collect, Step, Write, changer, collector, writer
from medcairn.deid.telling import naming_element, withholder

Handler = TypeVar("Handler")

_ALONE = (
    *("boolean", "canonical", "code", "CodeableConcept", "Coding", "decimal"),
    *("integer", "positiveInt", "Quantity", "time", "unsignedInt"),
)
_DATES = ("date", "dateTime", "instant", "birthYear")


@dataclass(frozen=True)
class CompiledType(Generic[Handler]):
    """One resource type. ``subject`` is the attribute that names the subject; "id" for the patient."""

    subject: str | None
    decoder: msgspec.json.Decoder[msgspec.Struct]
    handle: Handler


def compile_type(
    resource: ResourcePolicy, kinds: Kinds, marks: Callable[[], list[bytes]]
) -> CompiledType[Write]:
    """The decoder and writer for everything that may leave of a resource type.

    ``marks`` gives the extensions that each Patient leaves with beside its own.
    """
    name = resource.name
    steps = _steps(name, resource.fields, kinds)
    if resource.subject == "id":
        steps = _marked(steps, marks)
    fields = [(step.key, step.element.decoded_as) for step in steps]
    struct = _struct(name, [("id", str), *fields, ("implicitRules", None)], tag=name)
    write = writer(name, kinds.identity(name), steps, kinds.passage)
    return CompiledType(resource.subject, _decoder(struct), write)


def _steps(name: str, fields: Mapping[str, Node], kinds: Kinds) -> list[Step]:
    """The elements of a group; the one that names a value comes before the value."""
    naming = naming_element(fields)
    steps: list[Step] = []
    for key in sorted(fields, key=lambda key: key != naming):
        node = fields[key]
        if isinstance(node, Group):
            element = _group(f"{name}_{key}", node, kinds)
        else:
            element = kinds.naming() if key == naming == "code" else kinds.element(node)
        withhold = None if naming is None else withholder(key, kinds)
        steps.append(Step(key, _attribute(key), element, withhold))
    return steps


def _marked(steps: list[Step], marks: Callable[[], list[bytes]]) -> list[Step]:
    """``steps`` with an extension element that is always written."""
    listed = next((step.element for step in steps if step.key == "extension"), None)
    own = listed or Element(list[msgspec.Raw], lambda _: None)
    kept = own.transform or msgspec.json.encode

    def change(values: object) -> bytes | None:
        found = None if values is None else kept(values)
        return b"[" + b",".join([*([] if found is None else [found[1:-1]]), *marks()]) + b"]"

    step = Step("extension", "extension", Element(own.decoded_as, change), always=True)
    return [step, *(other for other in steps if other.key != "extension")]


def _group(name: str, group: Group, kinds: Kinds) -> Element:
    steps = _steps(name, group.fields, kinds)
    change = changer(steps, kinds.passage)
    decoded_as: object = _struct(name, [(step.key, step.element.decoded_as) for step in steps])
    if group.many:
        decoded_as, change = list[decoded_as], over_each(change)  # type: ignore[valid-type]
    return from_json(_optional(decoded_as), change) if _stands_alone(group) else Element(decoded_as, change)


def _stands_alone(group: Group) -> bool:
    """Whether what leaves depends on nothing but the group itself, so that it may be remembered."""
    return all(
        _stands_alone(node) if isinstance(node, Group) else node.kind in _ALONE
        for node in group.fields.values()
    )


def compile_timeline(resource: ResourcePolicy, calendar: Calendar) -> CompiledType[Collect]:
    """The decoder of a resource type's dates and subject alone, for the first pass over the source."""
    fields, collect = _dates(resource.name, resource.fields, _noting(calendar))
    if resource.subject is not None:
        fields.append(("id", str) if resource.subject == "id" else (resource.subject, Reference))
    struct = _struct(resource.name, fields, tag=resource.name)
    return CompiledType(resource.subject, _decoder(struct), collect)


def _dates(name: str, fields: Mapping[str, Node], note: Collect) -> tuple[list[tuple[str, object]], Collect]:
    declared: list[tuple[str, object]] = []
    steps: list[tuple[str, Collect | None]] = []
    for key, node in fields.items():
        if isinstance(node, Group):
            inner, collect = _dates(f"{name}_{key}", node.fields, note)
            if inner:
                struct = _struct(f"{name}_{key}", inner)
                declared.append((key, list[struct] if node.many else struct))  # type: ignore[valid-type]
                steps.append((_attribute(key), _over(collect) if node.many else collect))
        elif node.kind in _DATES:
            declared.append((key, list[str] if node.many else str))
            steps.append((_attribute(key), _over(note) if node.many else _OTHER_THAN_RECORDS.get(key)))
    return declared, collector(steps, note)


def _over(collect: Collect) -> Collect:
    def each(values: object, span: Span) -> None:
        for value in cast("list[object]", values):
            collect(value, span)

    return each


def _noting(calendar: Calendar) -> Collect:
    def note(value: object, span: Span) -> None:
        hour = calendar.hour(cast(str, value))
        if hour is None:
            span.note(cast(str, value))
        else:
            span.reach(hour[0])

    return note


def _note_birth(value: object, span: Span) -> None:
    span.born(cast(str, value))


def _note_death(value: object, span: Span) -> None:
    span.death(cast(str, value))


_OTHER_THAN_RECORDS: Mapping[str, Collect] = {"birthDate": _note_birth, "deceasedDateTime": _note_death}


def _struct(name: str, fields: list[tuple[str, object]], *, tag: str | None = None) -> type[msgspec.Struct]:
    optional = [(_attribute(key), _optional(kind), None) for key, kind in fields]
    return msgspec.defstruct(
        name,
        [*optional, ("modifierExtension", None, None)],
        tag=tag,
        tag_field=None if tag is None else "resourceType",
        rename={_attribute(key): key for key, _ in fields if keyword.iskeyword(key)},
        omit_defaults=True,
        gc=False,
    )


class _Untyped(msgspec.Struct, tag="", tag_field="resourceType"):
    """What no resource is. Beside it a decoder insists on ``resourceType``, which it takes as read alone."""

    id: None = None


def _decoder(struct: type[msgspec.Struct]) -> msgspec.json.Decoder[msgspec.Struct]:
    return msgspec.json.Decoder(Union[struct, _Untyped])


def _optional(kind: object) -> object:
    """``kind`` or null. Raw JSON holds null by itself, and the decoder refuses a union with it."""
    return kind if kind is msgspec.Raw else Union[kind, None]


def _attribute(key: str) -> str:
    return f"{key}_" if keyword.iskeyword(key) else key


__all__ = ["CompiledType", "compile_timeline", "compile_type"]
