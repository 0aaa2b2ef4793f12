"""The R4 type table: which elements a type has, of what type, repeating or not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from types import MappingProxyType

PRIMITIVES = frozenset(
    {
        "base64Binary",
        "boolean",
        "canonical",
        "code",
        "date",
        "dateTime",
        "decimal",
        "id",
        "instant",
        "integer",
        "markdown",
        "oid",
        "positiveInt",
        "string",
        "time",
        "unsignedInt",
        "uri",
        "url",
        "uuid",
        "xhtml",
    }
)
INTEGERS = frozenset({"integer", "positiveInt", "unsignedInt"})
TEMPORALS = frozenset({"date", "dateTime", "instant", "time"})


@dataclass(frozen=True)
class Element:
    """One element of a type. ``choices`` is filled for value[x]-like elements, and ``type`` is then empty."""

    type: str
    many: bool = False
    choices: tuple[str, ...] = ()


@cache
def type_table() -> Mapping[str, Mapping[str, Element]]:
    """All types, each with its own and its inherited elements."""
    text = resources.files(__package__).joinpath("elements.txt").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    own = dict(_parse_line(line) for line in lines)
    complex_types = tuple(sorted(name for name in own if _is_data_type(name)))
    any_type = (*sorted(PRIMITIVES), *complex_types)
    return MappingProxyType({name: _with_inherited(name, found, any_type) for name, found in own.items()})


def resource_types() -> frozenset[str]:
    """Names of the resource types in the table."""
    return frozenset(name for name in type_table() if "meta" in type_table()[name])


def element_of(type_name: str, element: str) -> Element | None:
    """The element of a type, or None when the table has none of that name."""
    return type_table().get(type_name, {}).get(element)


def choice_field(element: str, choice: str) -> str:
    """The JSON name of a choice: ``value`` and ``Quantity`` give ``valueQuantity``."""
    return element + choice[0].upper() + choice[1:]


def _parse_line(line: str) -> tuple[str, dict[str, Element]]:
    name, _, rest = line.partition(": ")
    found: dict[str, Element] = {}
    for item in rest.split(", "):
        element, _, type_name = item.partition(" ")
        if element.endswith("[x]"):
            found[element[:-3]] = Element("", choices=tuple(type_name.split("|")))
        else:
            found[element.rstrip("*")] = Element(type_name, many=element.endswith("*"))
    return name, found


def _is_data_type(name: str) -> bool:
    """Data types come first in the file and have none of a resource's references to a subject."""
    return "." not in name and name in _data_type_names()


@cache
def _data_type_names() -> frozenset[str]:
    text = resources.files(__package__).joinpath("elements.txt").read_text(encoding="utf-8")
    above, _, _ = text.partition("\nPatient: ")
    return frozenset(
        line.partition(": ")[0] for line in above.splitlines() if ": " in line and line[0] != "#"
    )


def _with_inherited(name: str, own: dict[str, Element], any_type: tuple[str, ...]) -> Mapping[str, Element]:
    found = {"id": Element("id"), "extension": Element("Extension", many=True)}
    if "." in name:
        found["modifierExtension"] = Element("Extension", many=True)
    elif name not in _data_type_names():
        found |= {
            "meta": Element("Meta"),
            "implicitRules": Element("uri"),
            "language": Element("code"),
            "text": Element("Narrative"),
            "modifierExtension": Element("Extension", many=True),
        }
    for element, spec in own.items():
        found[element] = Element("", choices=any_type) if spec.choices == ("any",) else spec
    return MappingProxyType(found)


__all__ = [
    "INTEGERS",
    "PRIMITIVES",
    "TEMPORALS",
    "Element",
    "choice_field",
    "element_of",
    "resource_types",
    "type_table",
]
