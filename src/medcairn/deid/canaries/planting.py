"""Where canaries are planted: in each leaf of a resource type, and in the places where identifiers hide."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import cast

import msgspec

from medcairn.core.canonical import JSON
from medcairn.core.r4 import Step, json_fields, walk_leaves
from medcairn.deid.canaries.categories import Ground
from medcairn.deid.canaries.hiding_places import HIDING_PLACES

PLACEHOLDER = "@canary@"
_NUMBER = "@number@"
DEPTH = 5
"""Elements from the root down; an identifier within a reference within a participant is the fourth."""

_NOT_TEXT = frozenset({"boolean", "decimal", "integer", "positiveInt", "unsignedInt"})

Object = dict[str, JSON]


@dataclass(frozen=True)
class Place:
    """A place in one resource: its path as people write it, and the resource's text with the placeholder."""

    resource_type: str
    path: str
    line: str
    ground: Ground


def leaf_places(specimen: Mapping[str, JSON]) -> Iterator[Place]:
    """The specimen with the placeholder in each leaf that is text, as FHIR R4 defines its type.

    Text is every string, code, uri, date, time, id and base64 leaf, whether the policy lists it or not.
    Numbers and booleans cannot hold a text; what servers put there in spite of that is quarantined. Types
    within themselves are not walked, so what the policy lists of those comes at the end.
    """
    walked: set[str] = set()
    for leaf in walk_leaves(str(specimen["resourceType"]), DEPTH, recursion=0, extension_depth=-1):
        if leaf.type not in _NOT_TEXT:
            resource = _copied(specimen)
            here, type_name = resource, leaf.root
            for step in leaf.steps[:-1]:
                _drop_rivals(here, type_name, step.name)
                here, type_name = _inner(here, step), step.type
            last = leaf.steps[-1]
            _drop_rivals(here, type_name, last.name)
            here[last.name] = [PLACEHOLDER] if last.many else PLACEHOLDER
            path = ".".join(step.name for step in leaf.steps)
            walked.add(path)
            yield _written(resource, path, ground=Ground.TEXT)
    for above in _objects(specimen, ()):
        for key, value in cast(Object, _at(specimen, above)).items():
            path = ".".join(str(part) for part in (*above, key) if not isinstance(part, int))
            if isinstance(value, str) and key != "resourceType" and path not in walked:
                resource = _copied(specimen)
                cast(Object, _at(resource, above))[key] = PLACEHOLDER
                yield _written(resource, path, ground=Ground.TEXT)


def _copied(specimen: Mapping[str, JSON]) -> Object:
    return cast(
        Object, msgspec.json.decode(msgspec.json.encode(specimen))
    )  # several times faster than deepcopy


def _inner(here: Object, step: Step) -> Object:
    """The object that ``step`` leads to: the specimen's own, else a new one."""
    found = here.get(step.name)
    if isinstance(found, list) and found and isinstance(found[0], dict):
        return cast(Object, found[0])
    if isinstance(found, dict):
        return cast(Object, found)
    new: Object = {}
    here[step.name] = [new] if step.many else new
    return new


def _drop_rivals(here: Object, type_name: str, name: str) -> None:
    """A resource has one form of a choice element, such as valueString or valueQuantity."""
    fields = json_fields(type_name)
    for rival, field in fields.items():
        if rival != name and field.element == fields[name].element:
            here.pop(rival, None)


def hidden_places(specimen: Mapping[str, JSON]) -> Iterator[Place]:
    """The specimen with each hiding place put into each of its objects, one at a time."""
    for path in _objects(specimen, ()):
        for place, content in HIDING_PLACES.items():
            resource = _copied(specimen)
            here = cast(Object, _at(resource, path))
            if any(key in here and key != "extension" for key in content):
                continue
            for key, value in content.items():
                old = here.get(key)
                here[key] = [*cast("list[JSON]", old), *cast("list[JSON]", value)] if old else value
            where = ".".join(str(part) for part in path)
            yield _written(resource, f"{where}.{place}" if where else place, ground=Ground.HIDDEN)
    yield from _siblings(specimen)


def _siblings(specimen: Mapping[str, JSON]) -> Iterator[Place]:
    """An extension on each primitive, in its ``_`` sibling (FHIR R4, JSON, primitive elements)."""
    extension: JSON = {"extension": [{"url": "urn:x", "valueString": PLACEHOLDER}]}
    for path in _objects(specimen, ()):
        for key, value in cast(Object, _at(specimen, path)).items():
            if key != "resourceType" and not isinstance(value, dict | list):
                resource = _copied(specimen)
                cast(Object, _at(resource, path))[f"_{key}"] = extension
                yield _written(resource, ".".join(map(str, (*path, f"_{key}"))), ground=Ground.HIDDEN)


def age_places(specimen: Mapping[str, JSON]) -> Iterator[Place]:
    """Ages over 89: each quantity of the specimen in years, and the patient's date of birth."""
    for path in _objects(specimen, ()):
        if "comparator" in cast(Object, _at(specimen, path)):
            resource = _copied(specimen)
            quantity = cast(Object, _at(resource, path))
            quantity.update(value=_NUMBER, unit="a", code="a")
            yield _written(resource, ".".join(map(str, path)), ground=Ground.AGE)
    if specimen["resourceType"] == "Patient":
        yield _written({**specimen, "birthDate": PLACEHOLDER}, "birthDate", ground=Ground.BIRTH)


def code_places(specimen: Mapping[str, JSON], systems: Iterable[str]) -> Iterator[Place]:
    """A code of each system that may leave, in the first coding of the specimen."""
    for path in _objects(specimen, ()):
        if "system" in cast(Object, _at(specimen, path)) and "coding" in path:
            for system in systems:
                resource = _copied(specimen)
                cast(Object, _at(resource, path)).update(system=system, code=PLACEHOLDER)
                yield _written(resource, ".".join(map(str, (*path, "code"))), ground=Ground.TEXT)
            return


def _objects(value: JSON, path: tuple[str | int, ...]) -> Iterator[tuple[str | int, ...]]:
    """The paths of all objects within ``value``, itself first."""
    if isinstance(value, dict):
        yield path
        for key, item in value.items():
            yield from _objects(item, (*path, key))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _objects(item, (*path, number))


def _at(value: object, path: tuple[str | int, ...]) -> object:
    for part in path:
        value = value[part]  # type: ignore[index]
    return value


def _written(resource: Object, path: str, *, ground: Ground) -> Place:
    line = json.dumps(resource, separators=(",", ":")).replace(f'"{_NUMBER}"', PLACEHOLDER)
    return Place(cast(str, resource["resourceType"]), path, line, ground)


__all__ = ["DEPTH", "PLACEHOLDER", "Place", "age_places", "code_places", "hidden_places", "leaf_places"]
