"""Checks a resource against the official R4 (4.0.1) definitions, as :mod:`medcairn.core.r4` has them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from medcairn.core.r4 import PRIMITIVES, Element, codes_of, json_fields, type_table

_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)\Z")
_ID = re.compile(r"[A-Za-z0-9.-]{1,64}\Z")
_URI = re.compile(r"\S+\Z")
_FORMS = {"instant": _INSTANT, "dateTime": _INSTANT, "id": _ID, "uri": _URI}


def problems(resource: Mapping[str, Any]) -> list[str]:
    """What R4 would refuse: unknown, missing or misshapen elements, codes outside a required value set."""
    return list(_object(resource["resourceType"], resource, resource["resourceType"]))


def _object(kind: str, value: Mapping[str, Any], path: str) -> Iterator[str]:
    fields, elements = json_fields(kind), type_table()[kind]
    for name, item in value.items():
        if name == "resourceType":
            continue
        if name not in fields:
            yield f"{path}.{name} is no element of {kind}"
            continue
        field, element = fields[name], elements[fields[name].element]
        if field.many != isinstance(item, list) or item in ([], {}, ""):
            yield f"{path}.{name} has the wrong shape"
            continue
        for one in item if isinstance(item, list) else [item]:
            yield from _value(field.type, element, one, f"{path}.{name}")
    present = {fields[name].element for name in value if name in fields}
    yield from (
        f"{path}.{name} is missing"
        for name, found in elements.items()
        if found.required and name not in present
    )


def _value(kind: str, element: Element, value: Any, path: str) -> Iterator[str]:
    if kind in PRIMITIVES or kind == "code":
        right = isinstance(value, bool if kind == "boolean" else str)
        if not right or (kind in _FORMS and not _FORMS[kind].match(str(value))):
            yield f"{path} is no {kind}"
        elif element.value_set and value not in (codes_of(element.value_set) or {value}):
            yield f"{path} has a code outside {element.value_set}"
    elif kind == "Resource":
        yield from _object(value["resourceType"], value, value["resourceType"])
    else:
        yield from _object(kind, value, path)


__all__ = ["problems"]
