"""What each kind of element means: the type it is decoded with, and how it is checked and changed.

A change takes a decoded value and gives what may leave as JSON, or None. It raises :class:`Refused` when the
value has not the shape that its kind must have; the resource then goes to quarantine.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Literal, TypeVar, cast

import msgspec

from medcairn.core.errors import SettingsError
from medcairn.core.labels import Label
from medcairn.deid.codes import is_loinc
from medcairn.deid.codings import Codings
from medcairn.deid.crosswalk import PseudonymFamilies
from medcairn.deid.datatypes import Address, CodeableConcept, Coding, Quantity
from medcairn.deid.extensions import FOLLOW_UP_URL, OVER_89_URL, PatientExtensions
from medcairn.deid.passage import Passage
from medcairn.deid.places import Places
from medcairn.deid.policy import Leaf, Vocabulary
from medcairn.deid.quantities import UCUM, Quantities, Refused, number
from medcairn.deid.references import Reference, References
from medcairn.deid.tally import Loss

LOINC = "http://loinc.org"
_json = msgspec.json.Encoder().encode
_TIME = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\Z")
_LINK_ID = re.compile(r"[0-9]{1,2}(?:\.[0-9]{1,2})?\Z")

T = TypeVar("T")
Transform = Callable[[object], "bytes | None"]


class Key(StrEnum):
    """By what of a decoded value ``x`` its change may be remembered, as a Python expression."""

    BYTES = 'b"" + x'
    TEXT = "x"
    TARGET = "x.reference"


@dataclass(frozen=True)
class Element:
    """How a kind is decoded, and how its values are changed into JSON (None: as they are).

    ``key`` says by what a change may be remembered, if it may. ``seen`` is the memory of a change that
    keeps one of its own, by the same key.
    """

    decoded_as: object
    transform: Transform | None
    key: Key | None = None
    seen: Mapping[str, bytes] | None = None


class Kinds:
    """The kinds of element that a policy may use, for one process's passage through a source."""

    def __init__(
        self,
        vocabulary: Vocabulary,
        pseudonyms: PseudonymFamilies,
        passage: Passage,
        gone: frozenset[str] = frozenset(),
    ) -> None:
        self.passage = passage
        self.references = References(pseudonyms, passage, gone)
        self.quantities = Quantities(vocabulary, passage)
        self._pseudonyms = pseudonyms
        self._codings = Codings(vocabulary, passage)
        self._parameterized: Mapping[str, Callable[[Leaf], Element]] = {
            "code": _code,
            "Reference": self._reference,
            "canonical": self._canonical,
        }
        self._plain = self._plain_kinds(Places(vocabulary, passage))

    def _plain_kinds(self, places: Places) -> dict[str, Element]:
        passage, quantities = self.passage, self.quantities
        extensions = PatientExtensions(self._codings)
        moment = Element(str, cast(Transform, passage.move), Key.TEXT, passage.moved)
        return {
            "boolean": Element(bool, None),
            "integer": _whole_number(-(2**31)),
            "unsignedInt": _whole_number(0),
            "positiveInt": _whole_number(1),
            "decimal": Element(msgspec.Raw, number),
            "date": moment,
            "dateTime": moment,
            "instant": moment,
            "time": Element(str, self._time),
            "birthYear": Element(str, lambda _: passage.birth_year()),
            "Quantity": Element(msgspec.Raw, cast(Transform, quantities.quantity), Key.BYTES),
            "Age": Element(Quantity, quantities.age),
            "Address": Element(Address, _encoding(places.address)),
            "PatientExtension": Element(msgspec.Raw, _encoding(extensions.extension)),
            "linkId": Element(str, self._link_id),
        }

    def identity(self, resource_type: str) -> Callable[[str], str]:
        """The change of a resource's own id."""
        return self._pseudonyms.family(resource_type)

    def element(self, leaf: Leaf) -> Element:
        """How the policy's element ``leaf`` is decoded and changed.

        Raises :class:`SettingsError` for a kind that does not exist.
        """
        if leaf.kind in ("Coding", "CodeableConcept"):
            return self._coded(leaf)
        if leaf.kind in self._parameterized:
            one = self._parameterized[leaf.kind](leaf)
        elif leaf.kind in self._plain:
            one = self._plain[leaf.kind]
        else:
            raise SettingsError("A policy names a kind of element that does not exist", kind=Label(leaf.kind))
        return Element(list[one.decoded_as], over_each(one.transform or _json)) if leaf.many else one  # type: ignore[name-defined]

    def naming(self) -> Element:
        """The CodeableConcept that says what a value beside it means."""
        return from_json(CodeableConcept | None, _encoding(self._codings.naming))

    def _coded(self, leaf: Leaf) -> Element:
        """Codes recur, so the whole element, list or not, is remembered."""
        codings = self._codings
        if leaf.kind == "Coding" and leaf.many:
            return from_json(list[Coding] | None, _encoding(codings.codings))
        if leaf.kind == "Coding":
            return from_json(Coding | None, _encoding(codings.coding))
        if leaf.many:
            return from_json(list[CodeableConcept] | None, _encoding(codings.concepts))
        return from_json(CodeableConcept | None, _encoding(codings.concept))

    def _reference(self, leaf: Leaf) -> Element:
        publish = self.references.publisher(leaf.arguments)
        return Element(Reference, cast(Transform, publish), Key.TARGET)

    def _canonical(self, leaf: Leaf) -> Element:
        """A URL of a closed list, without its version."""

        def change(value: object) -> bytes | None:
            url = cast(str, value).partition("|")[0]
            return self._text(url, url in leaf.arguments, Loss.URI_NOT_LISTED)

        return Element(str, change)

    def _time(self, value: object) -> bytes | None:
        text = cast(str, value)
        return self._text(text, _TIME.match(text) is not None, Loss.TIME_UNREADABLE)

    def _link_id(self, value: object) -> bytes | None:
        """A path of LOINC codes (``/93025-5/93026-3``), or one or two numbers of two digits (``3.14``)."""
        text = cast(str, value)
        codes = text.removeprefix("/").split("/")
        of_loinc = all(is_loinc(code) for code in codes)
        if of_loinc:
            self._codings.note(LOINC, codes[-1])
        return self._text(text, of_loinc or _LINK_ID.match(text) is not None, Loss.LINK_ID_NOT_CLOSED)

    def _text(self, text: str, may_leave: bool, loss: Loss) -> bytes | None:
        if may_leave:
            return _json(text)
        self.passage.lost.append(loss)
        return None


def _code(leaf: Leaf) -> Element:
    """One of a closed list of words."""
    return Element(Literal[leaf.arguments], None, Key.TEXT)


def _whole_number(least: int) -> Element:
    return Element(Annotated[int, msgspec.Meta(ge=least, le=2**31 - 1)], None)


def _encoding(change: Callable[[T], object | None]) -> Transform:
    def transform(value: object) -> bytes | None:
        changed = change(cast(T, value))
        return None if changed is None else _json(changed)

    return transform


def from_json(kind: object, change: Transform) -> Element:
    """An element that is remembered by its bytes, and decoded as ``kind`` or null only when it is new."""
    decode = cast("Callable[[object], object]", msgspec.json.Decoder(kind).decode)

    def transform(value: object) -> bytes | None:
        decoded = decode(value)
        return None if decoded is None else change(decoded)

    return Element(msgspec.Raw, transform, Key.BYTES)


def over_each(transform: Transform) -> Transform:
    """The change of a list of values that ``transform`` changes; None when none is left."""

    def each(values: object) -> bytes | None:
        kept = [
            changed for value in cast("list[object]", values) if (changed := transform(value)) is not None
        ]
        return b"[" + b",".join(kept) + b"]" if kept else None

    return each


__all__ = [
    "FOLLOW_UP_URL",
    "OVER_89_URL",
    "UCUM",
    "Element",
    "Key",
    "Kinds",
    "Refused",
    "Transform",
    "from_json",
    "over_each",
]
