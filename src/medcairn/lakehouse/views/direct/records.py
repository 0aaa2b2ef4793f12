"""The members that views read as msgspec Structs: what no view names never becomes a Python object.

Reading is strict and fast. When a line does not have the shape that R4 gives it, it is read once more,
member by member: a member, or an item of an array, whose JSON kind is not the due one is nothing.
"""

from __future__ import annotations

import keyword
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Union, cast

import msgspec

from medcairn.core.errors import SettingsError
from medcairn.core.labels import Label
from medcairn.core.r4 import INTEGERS, json_fields
from medcairn.lakehouse.views.direct.reading import Reading, Source

Lenient = Callable[[bytes], object]
"""Reads one JSON value that is of any kind; None when it is not of the due one."""

_TYPE = "resourceType"
_INT64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_ITEMS = msgspec.json.Decoder(list[msgspec.Raw]).decode


def attribute(key: str) -> str:
    """The Python attribute that holds JSON member ``key``.

    Raises :class:`SettingsError` when ``key`` can be no name.
    """
    if not (key.isascii() and key.isidentifier()):
        raise SettingsError("A view reads an element whose name is none", element=Label("element"))
    return f"{key}_" if keyword.iskeyword(key) else key


def opener(reading: Reading) -> Callable[[msgspec.Raw], msgspec.Struct | None]:
    """Reads JSON text as a resource of that reading; None for what is none, or of another type."""
    record = record_of(reading)

    def read(raw: msgspec.Raw) -> msgspec.Struct | None:
        data = bytes(raw)
        if data[:1] != b"{" or _resource_type(data) != reading.type:
            return None
        try:
            return record.strict(data)
        except msgspec.ValidationError:
            return cast("msgspec.Struct", record.lenient(data))

    return read


def _resource_type(data: bytes) -> object:
    return msgspec.json.decode(_MEMBERS(data).get(_TYPE, b"null"))


@dataclass(frozen=True)
class Record:
    """How the objects of a reading are read: strictly, and leniently where that is refused."""

    strict: Callable[[bytes | str], msgspec.Struct]
    lenient: Lenient


def record_of(reading: Reading) -> Record:
    """The way to read ``reading``."""
    made = _Structs()
    struct = made.struct(reading)
    made.close()
    return Record(msgspec.json.Decoder(struct).decode, made.lenient[reading])


class _Structs:
    """Makes the Struct and the lenient function of each reading, once: a reading may hold itself."""

    def __init__(self) -> None:
        self._names: dict[Reading, str] = {}
        self._structs: dict[Reading, type[msgspec.Struct]] = {}
        self.lenient: dict[Reading, Lenient] = {}

    def struct(self, reading: Reading) -> type[msgspec.Struct]:
        """The Struct of ``reading``."""
        name = "".join(letter if letter.isalnum() else "_" for letter in reading.type)
        self._names[reading] = f"{name}_{len(self._names)}"
        members: dict[str, tuple[str, Lenient]] = {}
        fields: list[tuple[str, object, object]] = []
        for key, source in _in_order(reading):
            kind, lenient = self._kind(source)
            fields.append((attribute(key), kind, msgspec.Raw() if kind is msgspec.Raw else None))
            members[key] = attribute(key), lenient
        renamed = {attribute(key): key for key in reading.sources if attribute(key) != key}
        made = msgspec.defstruct(
            self._names[reading],
            cast("Any", fields),
            rename=renamed,
            gc=False,
        )
        self._structs[reading], self.lenient[reading] = made, _object(made, members)
        return made

    def close(self) -> None:
        """Let the Structs find each other by name: fields are resolved when the first decoder is made."""
        for struct in self._structs.values():
            for reading, other in self._structs.items():
                setattr(struct, self._names[reading], other)

    def _kind(self, source: Source) -> tuple[object, Lenient]:
        below = source.below
        kind: Any
        if source.raw or below is None:
            kind, lenient = _plain(source)
        elif below in self._names and below not in self._structs:
            kind, lenient = self._names[below], self._later(below)
        else:
            kind = self._structs[below] if below in self._structs else self.struct(below)
            lenient = self.lenient[below]
        if source.repeats:
            lenient = _array(lenient, aligned=source.aligned)
            if isinstance(kind, str):
                kind = f"list[{kind}]"
            else:
                kind = list[Union[kind, None]] if source.aligned else list[kind]
        if kind is msgspec.Raw:
            return kind, lenient
        return f"{kind} | None" if isinstance(kind, str) else Union[kind, None], lenient

    def _later(self, reading: Reading) -> Lenient:
        return lambda data: self.lenient[reading](data)


def _in_order(reading: Reading) -> list[tuple[str, Source]]:
    """Members in the order of R4's definitions: servers write them so, and the decoder then guesses right."""
    place = {key: number for number, key in enumerate((_TYPE, *json_fields(reading.type)))}
    return sorted(reading.sources.items(), key=lambda item: (place.get(item[0], len(place)), item[0]))


def _plain(source: Source) -> tuple[object, Lenient]:
    if source.raw:
        return msgspec.Raw, msgspec.Raw
    kind: object = str
    if source.type == "boolean":
        kind = bool
    elif source.type in INTEGERS:
        kind = _INT64
    elif source.type == "decimal":
        kind = float
    return kind, _scalar(kind)


def _scalar(kind: object) -> Lenient:
    decode = msgspec.json.Decoder(kind).decode

    def read(data: bytes) -> object:
        try:
            return decode(data)
        except msgspec.ValidationError:
            return None

    return read


def _array(item: Lenient, *, aligned: bool) -> Lenient:
    def read(data: bytes) -> object:
        if data[:1] != b"[":
            return None
        found = [item(bytes(raw)) for raw in _ITEMS(data)]
        return found if aligned else [value for value in found if value is not None]

    return read


def _object(struct: type[msgspec.Struct], members: Mapping[str, tuple[str, Lenient]]) -> Lenient:
    def read(data: bytes) -> object:
        if data[:1] != b"{":
            return None
        values: dict[str, object] = {}
        for key, raw in _MEMBERS(data).items():
            if key in members:
                name, lenient = members[key]
                values[name] = lenient(bytes(raw))
        return struct(**values)

    return read


__all__ = ["Lenient", "Record", "attribute", "opener", "record_of"]
