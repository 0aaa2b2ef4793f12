"""A policy compiled to typed decoders: what it does not list never becomes a Python object.

Each resource type becomes a :class:`msgspec.Struct` class, and all of them one tagged union that the decoder
chooses from by ``resourceType``. A modifier extension or ``implicitRules`` may change what a resource means,
so the decoder takes nothing but ``null`` there and refuses the rest.
"""

from __future__ import annotations

import keyword
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar, Union, cast

import msgspec
from msgspec.structs import astuple

from medcairn.deid.axis import Span
from medcairn.deid.elements import Kinds, Transform, remembered
from medcairn.deid.policy import Group, Leaf, Node, Policy
from medcairn.deid.references import Reference

Collect = Callable[[object, Span], None]
Handler = TypeVar("Handler")

_ALONE = ("boolean", "code", "CodeableConcept", "Coding", "decimal", "integer", "Quantity")
_DATES = ("dateTime", "birthYear")


@dataclass(frozen=True)
class Compiled(Generic[Handler]):
    """A decoder of all the policy's types, and by class: the type's name, subject element and handler."""

    decoder: msgspec.json.Decoder[msgspec.Struct]
    types: Mapping[type, CompiledType[Handler]]


@dataclass(frozen=True)
class CompiledType(Generic[Handler]):
    """One resource type. ``subject`` is the attribute that names the subject; "id" for the patient."""

    name: str
    subject: str | None
    handle: Handler


def compile_policy(policy: Policy, kinds: Kinds) -> Compiled[Transform]:
    """Decoders and transforms for everything that may leave."""
    types: dict[type, CompiledType[Transform]] = {}
    for name, resource in policy.resources.items():
        fields, steps = _fields(name, resource.fields, kinds)
        struct = _struct(name, [("id", str), *fields, ("implicitRules", None)], tag=name)
        run = _runner([("id", kinds.identity(name)), *steps])
        types[struct] = CompiledType(name, resource.subject, run)
    return Compiled(_decoder(types), types)


def _fields(
    name: str, fields: Mapping[str, Node], kinds: Kinds
) -> tuple[list[tuple[str, object]], list[tuple[str, Transform | None]]]:
    """The struct's fields, and each attribute's change in order."""
    declared: list[tuple[str, object]] = []
    steps: list[tuple[str, Transform | None]] = []
    for key, node in fields.items():
        if isinstance(node, Leaf):
            element = kinds.element(node)
            decoded_as, transform = element.decoded_as, element.transform
        else:
            decoded_as, transform = _group(f"{name}_{key}", node, kinds)
        declared.append((key, decoded_as))
        steps.append((_attribute(key), transform))
    return declared, steps


def _group(name: str, group: Group, kinds: Kinds) -> tuple[object, Transform]:
    fields, steps = _fields(name, group.fields, kinds)
    struct, run = _struct(name, fields), _runner(steps)
    decoded_as: object = struct
    change = run
    if group.many:
        decoded_as = list[struct]  # type: ignore[valid-type]

        def change(values: object) -> object | None:
            return [
                kept for value in cast("list[object]", values) if (kept := run(value)) is not None
            ] or None

    if _stands_alone(group):
        return msgspec.Raw, remembered(_optional(decoded_as), change, kinds.tally)
    return decoded_as, change


def _stands_alone(group: Group) -> bool:
    """Whether what leaves depends on nothing but the group itself, so that it may be remembered."""
    return all(
        _stands_alone(node) if isinstance(node, Group) else node.kind in _ALONE
        for node in group.fields.values()
    )


def _runner(steps: list[tuple[str, Transform | None]]) -> Transform:
    """Changes a decoded struct in place; None when nothing of it is left."""
    names = tuple(name for name, _ in steps)
    transforms = tuple(transform for _, transform in steps)

    def run(value: object) -> object | None:
        kept = False
        items = astuple(cast(msgspec.Struct, value))
        for item, transform, name in zip(items, transforms, names, strict=False):
            if item is None:
                continue
            if transform is not None:
                changed = transform(item)
                if changed is not item:
                    setattr(value, name, changed)
                    if changed is None:
                        continue
            kept = True
        return value if kept else None

    return run


def compile_timeline(policy: Policy) -> Compiled[Collect]:
    """Decoders of dates and subjects alone, for the first pass over the source."""
    types: dict[type, CompiledType[Collect]] = {}
    for name, resource in policy.resources.items():
        if resource.subject is None:
            continue
        fields, steps = _date_fields(name, resource.fields)
        subject: list[tuple[str, object]] = [("id", str)]
        if resource.subject != "id":
            subject.append((resource.subject, Reference))
        struct = _struct(name, [*fields, *subject], tag=name)
        types[struct] = CompiledType(name, resource.subject, _collector(steps))
    return Compiled(_decoder(types), types)


def _date_fields(
    name: str, fields: Mapping[str, Node]
) -> tuple[list[tuple[str, object]], list[tuple[str, Collect]]]:
    declared: list[tuple[str, object]] = []
    steps: list[tuple[str, Collect]] = []
    for key, node in fields.items():
        if isinstance(node, Group):
            inner, inner_steps = _date_fields(f"{name}_{key}", node.fields)
            if inner_steps:
                struct, collect = _struct(f"{name}_{key}", inner), _collector(inner_steps)
                declared.append((key, list[struct] if node.many else struct))  # type: ignore[valid-type]
                steps.append((_attribute(key), _over(collect) if node.many else collect))
        elif node.kind in _DATES:
            declared.append((key, str))
            steps.append((_attribute(key), _COLLECTORS.get(key, _note)))
    return declared, steps


def _collector(steps: list[tuple[str, Collect]]) -> Collect:
    handlers = tuple(step for _, step in steps)

    def collect(value: object, span: Span) -> None:
        for item, step in zip(astuple(cast(msgspec.Struct, value)), handlers, strict=False):
            if item is not None:
                step(item, span)

    return collect


def _over(collect: Collect) -> Collect:
    def each(values: object, span: Span) -> None:
        for value in cast("list[object]", values):
            collect(value, span)

    return each


def _note(value: object, span: Span) -> None:
    span.note(cast(str, value))


def _note_birth(value: object, span: Span) -> None:
    span.born(cast(str, value))


def _note_death(value: object, span: Span) -> None:
    span.death(cast(str, value))


_COLLECTORS: Mapping[str, Collect] = {"birthDate": _note_birth, "deceasedDateTime": _note_death}


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


def _optional(kind: object) -> object:
    """``kind`` or null. Raw JSON holds null by itself, and the decoder refuses a union with it."""
    return kind if kind is msgspec.Raw else Union[kind, None]


def _decoder(types: Mapping[type, object]) -> msgspec.json.Decoder[msgspec.Struct]:
    return msgspec.json.Decoder(Union[tuple(types)])


def _attribute(key: str) -> str:
    return f"{key}_" if keyword.iskeyword(key) else key


__all__ = ["Collect", "Compiled", "CompiledType", "compile_policy", "compile_timeline"]
