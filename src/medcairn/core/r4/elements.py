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

_OPEN_CHOICE = "any"
_ABSTRACT = frozenset({"Element", "BackboneElement", "Resource", "DomainResource"})


@dataclass(frozen=True)
class Element:
    """One element of a type. ``choices`` is filled for value[x]-like elements, and ``type`` is then empty.

    ``targets`` are the resource types that a Reference or canonical may point to ("Any" for all of them; for
    a choice, those of its Reference); ``value_set`` is the name of a required binding (see ``codes_of``).
    """

    type: str
    many: bool = False
    choices: tuple[str, ...] = ()
    required: bool = False
    targets: tuple[str, ...] = ()
    value_set: str = ""


@dataclass(frozen=True)
class JsonField:
    """One member of a type's JSON object: ``valueQuantity`` is element ``value`` of type ``Quantity``."""

    element: str
    type: str
    many: bool = False


@cache
def type_table() -> Mapping[str, Mapping[str, Element]]:
    """All types, the abstract ones too, each with its inherited and its own elements."""
    own: dict[str, dict[str, Element]] = {}
    parents: dict[str, str] = {}
    for line in table_lines("elements.txt"):
        head, _, rest = line.partition(":")
        name, _, parents[name] = head.partition(" < ")
        own[name] = dict(_parse_element(item) for item in rest.strip().split(", ") if item)
    open_choice = own["Extension"]["value"].choices
    table: dict[str, Mapping[str, Element]] = {}

    def complete(name: str) -> Mapping[str, Element]:
        if name not in table:
            inherited = complete(parents[name]) if parents[name] else {}
            elements = dict(inherited) | own[name]
            for element, found in elements.items():
                if found.choices == (_OPEN_CHOICE,):
                    elements[element] = Element("", found.many, open_choice, found.required)
            table[name] = MappingProxyType(elements)
        return table[name]

    return MappingProxyType({name: complete(name) for name in own})


@cache
def resource_types() -> frozenset[str]:
    """Names of the 146 resource types that can be instantiated."""
    return frozenset(name for name, found in type_table().items() if "meta" in found) - _ABSTRACT


@cache
def data_types() -> frozenset[str]:
    """Names of the complex data types: HumanName, Period, …; no backbone elements, no abstract types."""
    names = {name for name, found in type_table().items() if "." not in name and "meta" not in found}
    return frozenset(names) - _ABSTRACT


def element_of(type_name: str, element: str) -> Element | None:
    """The element of a type, or None when the table has none of that name."""
    return type_table().get(type_name, {}).get(element)


def choice_field(element: str, choice: str) -> str:
    """The JSON name of a choice: ``value`` and ``Quantity`` give ``valueQuantity``."""
    return element + choice[0].upper() + choice[1:]


@cache
def json_fields(type_name: str) -> Mapping[str, JsonField]:
    """The members that a JSON object of the type may have, choices spelt out; empty for an unknown type.

    ``resourceType`` and the ``_``-prefixed siblings of primitive members are not listed.
    """
    found: dict[str, JsonField] = {}
    for name, element in type_table().get(type_name, {}).items():
        if element.choices:
            found |= {choice_field(name, one): JsonField(name, one, element.many) for one in element.choices}
        else:
            found[name] = JsonField(name, element.type, element.many)
    return MappingProxyType(found)


def table_lines(name: str) -> list[str]:
    """The lines of one of this package's generated files, without its header."""
    text = resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def _parse_element(item: str) -> tuple[str, Element]:
    name, _, spec = item.partition(" ")
    required, name = name.endswith("!"), name.removesuffix("!")
    many, name = name.endswith("*"), name.removesuffix("*")
    parsed = [_parse_type(one) for one in spec.split("|")]
    targets = tuple(target for _, found, _ in parsed for target in found)
    if name.endswith("[x]"):
        choices = tuple(type_name for type_name, _, _ in parsed)
        return name[:-3], Element("", many, choices, required, targets)
    type_name, _, value_set = parsed[0]
    return name, Element(type_name, many, (), required, targets, value_set)


def _parse_type(text: str) -> tuple[str, tuple[str, ...], str]:
    head, _, targets = text.rstrip(")").partition("(")
    name, _, value_set = head.partition("#")
    return name, tuple(targets.split()), value_set


__all__ = [
    "INTEGERS",
    "PRIMITIVES",
    "TEMPORALS",
    "Element",
    "JsonField",
    "choice_field",
    "data_types",
    "element_of",
    "json_fields",
    "resource_types",
    "table_lines",
    "type_table",
]
