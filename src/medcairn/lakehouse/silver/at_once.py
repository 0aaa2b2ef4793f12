"""A Bundle decoded in one step, when all of it is of forms that were met before.

Else a Bundle is read twice: once to find its resources, once each resource. Here every resource is decoded
where it stands, to what its type's :class:`~medcairn.lakehouse.silver.quick.QuickTyper` would decode of it.
A Bundle with anything unusual is left: read resource by resource, which knows all the rules and says what is
wrong. The rows are the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any, Union

import msgspec

from medcairn.core.r4 import json_fields, resource_types
from medcairn.lakehouse.silver.medicines import MEDICATION
from medcairn.lakehouse.silver.quick import QuickTyper
from medcairn.lakehouse.silver.quick_form import ABSENT, Unusual
from medcairn.lakehouse.silver.quick_text import Records
from medcairn.lakehouse.silver.typed import Typed
from medcairn.lakehouse.views.direct.records import attribute

_TAG = "resourceType"
_LOCAL = "urn:"


@dataclass(frozen=True)
class Kind:
    """What resources of a type are decoded to, and what types them; without that they are texts."""

    record: type[msgspec.Struct]
    types: Records | None = None


class BundleReader:
    """Decodes Bundles. ``kinds`` are the resource types that make rows."""

    def __init__(self, kinds: Mapping[str, Kind]) -> None:
        self._type_of = {kind.record: name for name, kind in kinds.items()}
        self._types = {name: kind.types for name, kind in kinds.items()}
        # What a Medication stands for must be known before others are read: a Bundle with one is left.
        others = tuple(_named(name) for name in sorted(resource_types() - kinds.keys() - {MEDICATION}))
        self._others = frozenset(others)
        resource: Any = Union[(*self._type_of, *others, None)]
        entry: Any = msgspec.defstruct(
            "Entry", [("resource", resource, None), ("fullUrl", Union[str, None], None)], gc=False
        )
        fields: Any = [(_TAG, str), ("entry", Union[list[entry], None], None)]
        self._decode = msgspec.json.Decoder(msgspec.defstruct("Bundle", fields, gc=False)).decode

    def read(self, text: bytes) -> tuple[dict[str, list[Typed]], dict[str, list[bytes]]]:
        """The typed rows of the resources, by type, and the texts of those that are to be read one by one.

        A text has the members that R4 names. Raises :class:`Unusual` when the Bundle, or anything in it, is
        not of a form that was met before; where several resources have the same id; and where one has none.
        """
        typed: dict[str, list[Typed]] = {}
        texts: dict[str, list[bytes]] = {}
        for record, resources in self._by_record(text).items():
            name = self._type_of[record]
            types = self._types[name]
            if types is None:
                texts[name] = [msgspec.json.encode(resource) for resource in resources]
                continue
            types(resources, typed.setdefault(name, []).append)
            if len({resource.id for resource in resources} - {None, ""}) < len(resources):  # type: ignore[attr-defined]
                raise Unusual
        return typed, texts

    def _by_record(self, text: bytes) -> dict[type[msgspec.Struct], list[msgspec.Struct]]:
        bundle: Any = None
        # Texts that are not looked at might be no UTF-8.
        with suppress(msgspec.DecodeError, RecursionError):
            bundle = self._decode(text) if text.isascii() else None
        if bundle is None or bundle.resourceType != "Bundle":
            raise Unusual
        found: dict[type[Any], list[msgspec.Struct]] = {}
        for entry in bundle.entry or ():
            resource, url = entry.resource, entry.fullUrl
            if url is not None and url.startswith(_LOCAL):
                raise Unusual
            same = found.get(type(resource))
            if same is None:
                same = found[type(resource)] = []
            same.append(resource)
        found.pop(type(None), None)
        for record in self._others & found.keys():
            if not all(resource.id for resource in found.pop(record)):  # type: ignore[attr-defined]
                raise Unusual
        return found


def kind_of(typer: QuickTyper) -> Kind:
    """How resources of the type of ``typer`` are read; what it has met before is what is recognised."""
    known = typer.records()
    return Kind(_in_parts(typer.resource_type)) if known is None else Kind(*known)


@cache
def _named(resource_type: str) -> type[msgspec.Struct]:
    """A resource that is there, and has an id."""
    return msgspec.defstruct(resource_type, [("id", str, "")], tag_field=_TAG, tag=resource_type, gc=False)


@cache
def _in_parts(resource_type: str) -> type[msgspec.Struct]:
    """A resource as the JSON texts of its members, from which its own text follows."""
    members = [prefix + name for name in json_fields(resource_type) for prefix in ("", "_")]
    fields: Any = [(attribute(name), msgspec.Raw, ABSENT) for name in members]
    return msgspec.defstruct(
        resource_type,
        fields,
        rename={attribute(name): name for name in members if attribute(name) != name},
        omit_defaults=True,
        tag_field=_TAG,
        tag=resource_type,
        gc=False,
    )


__all__ = ["BundleReader", "Kind", "kind_of"]
