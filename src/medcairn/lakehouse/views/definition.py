"""A ViewDefinition as it is read: HL7's resource, checked for form.

Standard: SQL on FHIR v2, https://sql-on-fhir.org/ (StructureDefinition-ViewDefinition). Descriptive
members of the resource (title, publisher, …) are let through; unknown members of ``select`` and ``column``
are refused, because a misspelt ``forEachOrNull`` would silently change the rows.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from medcairn.core.errors import SettingsError
from medcairn.core.labels import Label
from medcairn.lakehouse.views.elements import PRIMITIVES

_COLUMN_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,62}\Z")
_PLACE = re.compile(r"at `\$\.?([A-Za-z0-9_.\[\]]{1,200})`\Z")
_TYPE_URI = "http://hl7.org/fhirpath/System."
_Extra = list[dict[str, msgspec.Raw]] | None


class _Column(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    path: str
    type: str | None = None
    collection: bool = False
    description: str | None = None
    tag: _Extra = None
    id: str | None = None
    extension: _Extra = None


class _Select(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    column: tuple[_Column, ...] = ()
    select: tuple[_Select, ...] = ()
    unionAll: tuple[_Select, ...] = ()  # noqa: N815
    forEach: str | None = None  # noqa: N815
    forEachOrNull: str | None = None  # noqa: N815
    repeat: tuple[str, ...] | None = None
    id: str | None = None
    extension: _Extra = None


class _Where(msgspec.Struct, frozen=True):
    path: str
    description: str | None = None


class _View(msgspec.Struct, frozen=True):
    resource: str
    select: tuple[_Select, ...]
    name: str = "view"
    where: tuple[_Where, ...] = ()
    constant: tuple[dict[str, msgspec.Raw], ...] = ()


@dataclass(frozen=True)
class ColumnDefinition:
    """``select.column``."""

    name: str
    path: str
    type: str | None
    collection: bool


@dataclass(frozen=True)
class SelectDefinition:
    """``select``: at most one of ``for_each``, ``for_each_or_null`` and ``repeat`` is given."""

    columns: tuple[ColumnDefinition, ...]
    selects: tuple[SelectDefinition, ...]
    unions: tuple[SelectDefinition, ...]
    for_each: str | None
    for_each_or_null: str | None
    repeat: tuple[str, ...]


@dataclass(frozen=True)
class ViewDefinition:
    """A whole view. ``constants`` maps a name to (FHIR type, value as text)."""

    name: Label
    resource: str
    selects: tuple[SelectDefinition, ...]
    wheres: tuple[str, ...]
    constants: Mapping[str, tuple[str, str]]


def parse_view(text: bytes | str) -> ViewDefinition:
    """The ViewDefinition in ``text`` (JSON).

    Raises :class:`SettingsError` when it is no JSON, lacks a member, or has one of a wrong kind.
    """
    view = _decoded(text)
    if not view.select:
        raise SettingsError("A view selects nothing")
    return ViewDefinition(
        name=_label(view.name),
        resource=view.resource,
        selects=tuple(_select(item) for item in view.select),
        wheres=tuple(item.path for item in view.where),
        constants=dict(_constant(item) for item in view.constant),
    )


def _decoded(text: bytes | str) -> _View:
    place = ""
    try:
        return msgspec.json.decode(text, type=_View)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as failure:
        # Only where: the rest of its text may quote what stands there.
        found = _PLACE.search(str(failure))
        place = found.group(1) if found else ""
    raise SettingsError(
        "A view is not a ViewDefinition",
        hint="It needs `resource` and `select`; a select holds column, select, unionAll, forEach,"
        " forEachOrNull or repeat and nothing else",
        **({"place": Label(place)} if place else {}),
    )


def _label(name: str) -> Label:
    try:
        return Label(name)
    except ValueError:
        return Label("view")


def _select(raw: _Select) -> SelectDefinition:
    if sum(given is not None for given in (raw.forEach, raw.forEachOrNull, raw.repeat)) > 1:
        raise SettingsError("A select has more than one of forEach, forEachOrNull and repeat")
    if not (raw.column or raw.select or raw.unionAll):
        raise SettingsError("A select gives no column")
    if raw.repeat is not None and not raw.repeat:
        raise SettingsError("A repeat names no path")
    return SelectDefinition(
        columns=tuple(_column(item) for item in raw.column),
        selects=tuple(_select(item) for item in raw.select),
        unions=tuple(_select(item) for item in raw.unionAll),
        for_each=raw.forEach,
        for_each_or_null=raw.forEachOrNull,
        repeat=raw.repeat or (),
    )


def _column(raw: _Column) -> ColumnDefinition:
    if not _COLUMN_NAME.match(raw.name):
        raise SettingsError("A column's name is not a database name", hint="Letters, digits and _ only")
    declared = raw.type.removeprefix(_TYPE_URI) if raw.type else None
    if raw.type and raw.type.startswith(_TYPE_URI) and declared:
        declared = declared[0].lower() + declared[1:]
    return ColumnDefinition(raw.name, raw.path, declared, raw.collection)


def _constant(raw: Mapping[str, msgspec.Raw]) -> tuple[str, tuple[str, str]]:
    values = [key for key in raw if key.startswith("value") and len(key) > len("value")]
    if "name" not in raw or len(values) != 1:
        raise SettingsError("A constant of a view needs a name and one value")
    type_name = values[0][5].lower() + values[0][6:]
    if type_name not in PRIMITIVES:
        raise SettingsError("A constant of a view is of a type that is not a primitive")
    return _text(raw["name"]), (type_name, _text(raw[values[0]]))


def _text(raw: msgspec.Raw) -> str:
    """A JSON scalar as text; a number keeps its digits."""
    data = bytes(raw)
    if data[:1] in b"[{":
        raise SettingsError("A constant of a view is not a single value")
    return str(msgspec.json.decode(data)) if data[:1] == b'"' else data.decode()


def as_view_text(view: Mapping[str, object] | Sequence[object]) -> bytes:
    """A view given as Python values, as JSON."""
    return msgspec.json.encode(view)


__all__ = ["ColumnDefinition", "SelectDefinition", "ViewDefinition", "as_view_text", "parse_view"]
