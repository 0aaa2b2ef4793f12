"""What each kind of element means: the type it is decoded with, and how it is checked and changed.

A transform takes a decoded value and gives what may leave, or None. It raises :class:`Refused` when the
value has not the shape that its kind must have; the resource then goes to quarantine.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Literal, TypeVar, cast

import msgspec

from medcairn.core.errors import SettingsError
from medcairn.core.labels import Label
from medcairn.deid.axis import Axis, read_moment
from medcairn.deid.calendar import Calendar, in_precision_of
from medcairn.deid.codes import Check, compile_rules
from medcairn.deid.datatypes import (
    Address,
    BirthSexExtension,
    CodeableConcept,
    Coding,
    ExtensionHead,
    Quantity,
    RaceExtension,
    RacePart,
)
from medcairn.deid.keys import Pseudonyms
from medcairn.deid.policy import Leaf, Vocabulary
from medcairn.deid.references import Reference, References
from medcairn.deid.tally import Loss, Tally

UCUM = "http://unitsofmeasure.org"
US_CORE = "http://hl7.org/fhir/us/core/StructureDefinition/"
OVER_89_URL = "urn:medcairn:age-90-plus"
FOLLOW_UP_URL = "urn:medcairn:follow-up-end"
_NUMBER = re.compile(rb"-?(?:0|[1-9][0-9]{0,20})(?:\.[0-9]{1,20})?(?:[eE][+-]?[0-9]{1,3})?")
_UNITED_STATES = frozenset({"us", "usa", "united states", "united states of america"})
_MEMO_LIMIT = 50_000
_MEMO_KEY_BYTES = 2_000

T = TypeVar("T")
Transform = Callable[[object], object | None]
_Measure = tuple[str | None, str | None, str | None, int | None, bool]


class Refused(Exception):
    """A value that its kind cannot take. Carries nothing, and never leaves this package."""


@dataclass(frozen=True)
class Element:
    """How a kind is decoded, and how its values are changed (None: as they are)."""

    decoded_as: object
    transform: Transform | None


class Passage:
    """The resource at hand: its subject's axis, and where losses are counted."""

    __slots__ = ("_calendar", "axis", "floor_year", "shift", "tally")

    def __init__(self, tally: Tally) -> None:
        self.tally = tally
        self._calendar = Calendar()
        self.enter(None)

    def enter(self, axis: Axis | None) -> None:
        """Begin a resource whose dates lie on ``axis``; None: no subject, so no dates."""
        self.axis = axis
        self.shift: int | None = None if axis is None else axis.shift
        self.floor_year = 1 if axis is None else axis.floor_year

    def move(self, text: str) -> str | None:
        """A date on the moved axis, or None when it is withheld."""
        shift = self.shift
        if shift is None:
            self.tally.lost[Loss.DATE_WITHOUT_SUBJECT] += 1
            return None
        hour = self._calendar.hour(text)
        if hour is not None:
            day = self._calendar.day(hour[0] + shift)
            if day is not None and day[0] >= self.floor_year:
                return f"{day[1]}{hour[1]}{text[13:19]}Z"
        return self._move_any(text, shift)

    def _move_any(self, text: str, shift: int) -> str | None:
        loss = Loss.DATE_UNREADABLE
        moment = read_moment(text)
        if moment is not None:
            loss = Loss.DATE_OUT_OF_RANGE
            day = self._calendar.day(moment.toordinal() + shift)
            if day is not None:
                if day[0] >= self.floor_year:
                    return in_precision_of(text, day[1], moment)
                loss = Loss.DATE_TELLS_AGE
        self.tally.lost[loss] += 1
        return None

    def birth_year(self) -> str | None:
        """The year of birth as it may leave."""
        year = None if self.axis is None else self.axis.birth_year
        if year is None:
            self.tally.lost[Loss.DATE_UNREADABLE] += 1
            return None
        return f"{year:04d}"


def remembered(kind: object, change: Callable[[T], object | None], tally: Tally) -> Transform:
    """A change of a JSON value that depends on nothing else, remembered by the value's bytes.

    ``kind`` is what the value is decoded as. What the change counts as lost is counted again each time.
    """
    decode = cast(Callable[[bytes], "T | None"], msgspec.json.Decoder(kind).decode)
    encode = msgspec.json.Encoder().encode
    memo: dict[bytes, tuple[msgspec.Raw | None, tuple[Loss, ...]]] = {}

    def work(key: bytes) -> tuple[msgspec.Raw | None, tuple[Loss, ...]]:
        before = tally.lost.copy()
        decoded = decode(key)
        changed = None if decoded is None else change(decoded)
        losses = tuple((tally.lost - before).elements())
        tally.lost.clear()
        tally.lost.update(before)
        found = None if changed is None else msgspec.Raw(encode(changed)), losses
        if len(key) <= _MEMO_KEY_BYTES:
            if len(memo) >= _MEMO_LIMIT:
                memo.clear()
            memo[key] = found
        return found

    def transform(value: object) -> object | None:
        key = bytes(cast(msgspec.Raw, value))
        output, losses = memo.get(key) or work(key)
        for loss in losses:
            tally.lost[loss] += 1
        return output

    return transform


class Kinds:
    """The kinds of element that a policy may use."""

    def __init__(self, vocabulary: Vocabulary, pseudonyms: Pseudonyms, tally: Tally) -> None:
        self._vocabulary = vocabulary
        self._pseudonyms = pseudonyms
        self._checks: dict[str, Check] = compile_rules(vocabulary.systems)
        self._all_units = vocabulary.units | vocabulary.unit_words
        self._measures: dict[tuple[str | None, str | None, str | None], _Measure] = {}
        self.tally = self._tally = tally
        self.passage = Passage(tally)
        self.references = References(pseudonyms, tally)
        integer = Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31 - 1)]
        self._plain: dict[str, Element] = {
            "boolean": Element(bool, None),
            "integer": Element(integer, None),
            "decimal": Element(msgspec.Raw, _number),
            "dateTime": Element(str, cast(Transform, self.passage.move)),
            "birthYear": Element(str, lambda _: self.passage.birth_year()),
            "Quantity": Element(Quantity, cast(Transform, self._quantity)),
            "Address": Element(Address, cast(Transform, self._address)),
            "PatientExtension": Element(msgspec.Raw, self._extension()),
        }

    def identity(self, resource_type: str) -> Transform:
        """The change of a resource's own id."""
        pseudonym = self._pseudonyms.family(resource_type)
        return lambda value: pseudonym(cast(str, value))

    def element(self, leaf: Leaf) -> Element:
        """How the policy's element ``leaf`` is decoded and changed.

        Raises :class:`SettingsError` for a kind that does not exist.
        """
        if leaf.kind in ("Coding", "CodeableConcept"):
            return self._coded(leaf)
        if leaf.kind == "code":
            one = Element(Literal[leaf.arguments], None)
        elif leaf.kind == "Reference":
            one = Element(Reference, cast(Transform, self.references.publisher(leaf.arguments)))
        elif leaf.kind in self._plain:
            one = self._plain[leaf.kind]
        else:
            raise SettingsError("A policy names a kind of element that does not exist", kind=Label(leaf.kind))
        return _each(one) if leaf.many else one

    def _coded(self, leaf: Leaf) -> Element:
        """Codes recur, so the whole element, list or not, is remembered by its bytes."""
        tally = self._tally
        if leaf.kind == "Coding" and leaf.many:
            transform = remembered(list[Coding] | None, self._codings, tally)
        elif leaf.kind == "Coding":
            transform = remembered(Coding | None, self._coding, tally)
        elif leaf.many:
            transform = remembered(list[CodeableConcept] | None, self._concepts, tally)
        else:
            transform = remembered(CodeableConcept | None, self._concept, tally)
        return Element(msgspec.Raw, transform)

    def _coding(self, value: Coding) -> Coding | None:
        if value.code is None:
            return None
        check = None if value.system is None else self._checks.get(value.system)
        if check is None:
            loss = Loss.CODE_WITHOUT_SYSTEM if value.system is None else Loss.CODE_OF_OTHER_SYSTEM
            self._tally.lost[loss] += 1
            return None
        if not check(value.code):
            self._tally.lost[Loss.CODE_MALFORMED] += 1
            return None
        return value

    def _codings(self, values: list[Coding]) -> list[Coding] | None:
        return [kept for value in values if (kept := self._coding(value)) is not None] or None

    def _concept(self, value: CodeableConcept) -> CodeableConcept | None:
        codings = self._codings(value.coding or [])
        return None if codings is None else CodeableConcept(codings)

    def _concepts(self, values: list[CodeableConcept]) -> list[CodeableConcept] | None:
        return [kept for value in values if (kept := self._concept(value)) is not None] or None

    def _quantity(self, value: Quantity) -> Quantity | None:
        number = None if value.value is None else _number(value.value)
        if number is None:
            return None
        measure = (value.unit, value.system, value.code)
        known = self._measures.get(measure)
        if known is None:
            known = self._measure(*measure)
        value.unit, value.system, value.code, limit, lost = known
        if lost:
            self._tally.lost[Loss.UNIT_NOT_LISTED] += 1
        if limit is not None and float(bytes(number)) > limit:
            self._tally.lost[Loss.AGE_OVER_89] += 1
            return None
        return value

    def _measure(self, unit: str | None, system: str | None, code: str | None) -> _Measure:
        """The unit that may leave, the age limit in it, and whether a unit was lost."""
        units = self._vocabulary.units
        shown = unit if unit in self._all_units else code if code in units else None
        coded = system == UCUM and code in units
        limit = self._vocabulary.age_limits.get(shown or "")
        lost = shown is None and bool(unit or code)
        found = (shown, UCUM if coded else None, code if coded else None, limit, lost)
        if len(self._measures) < _MEMO_LIMIT:
            self._measures[unit, system, code] = found
        return found

    def _address(self, value: Address) -> Address | None:
        country = (value.country or "").strip().casefold()
        if country and country not in _UNITED_STATES:
            self._tally.lost[Loss.COUNTRY_NOT_LISTED] += 1
            return None
        state = _state(value.state, self._vocabulary)
        if value.state and state is None:
            self._tally.lost[Loss.STATE_NOT_LISTED] += 1
        zip3 = _zip3(value.postalCode, self._vocabulary) if value.postalCode else None
        if state is None and zip3 is None and not country:
            return None
        return Address(state, zip3, "US" if country else None)

    def _extension(self) -> Transform:
        """US Core race, ethnicity and birth sex; every other extension disappears."""
        head = msgspec.json.Decoder(ExtensionHead)
        race = remembered(RaceExtension, self._race, self._tally)
        sex = remembered(BirthSexExtension, _as_it_is, self._tally)
        handlers: dict[str, Transform] = {
            f"{US_CORE}us-core-race": race,
            f"{US_CORE}us-core-ethnicity": race,
            f"{US_CORE}us-core-birthsex": sex,
        }

        def transform(value: object) -> object | None:
            handler = handlers.get(head.decode(cast(msgspec.Raw, value)).url or "")
            return None if handler is None else handler(value)

        return transform

    def _race(self, value: RaceExtension) -> RaceExtension | None:
        parts: list[RacePart] = []
        for part in value.extension or []:
            coding = None if part.valueCoding is None else self._coding(part.valueCoding)
            if part.url == "ombCategory" and coding is not None:
                parts.append(RacePart(part.url, coding))
        return RaceExtension(value.url, parts) if parts else None


def _as_it_is(value: BirthSexExtension) -> BirthSexExtension:
    return value


def over_89_extension() -> msgspec.Raw:
    """The extension that marks a subject whose age is shown as 90 and more."""
    return msgspec.Raw(msgspec.json.encode({"url": OVER_89_URL, "valueBoolean": True}))


def follow_up_extension(day: date) -> msgspec.Raw:
    """The extension that tells up to which day, on the moved axis, a subject was followed."""
    return msgspec.Raw(msgspec.json.encode({"url": FOLLOW_UP_URL, "valueDate": day.isoformat()}))


def _number(value: object) -> msgspec.Raw | None:
    """A JSON number as written. Raises :class:`Refused` for anything else, such as text of digits."""
    raw = cast(msgspec.Raw, value)
    text = bytes(raw)
    if text == b"null":
        return None
    if _NUMBER.fullmatch(text) is None:
        raise Refused
    return raw


def _each(one: Element) -> Element:
    transform = one.transform
    decoded_as = list[one.decoded_as]  # type: ignore[name-defined]
    if transform is None:
        return Element(decoded_as, lambda values: values or None)
    return Element(
        decoded_as,
        lambda values: (
            [kept for value in cast("list[object]", values) if (kept := transform(value)) is not None] or None
        ),
    )


def _state(text: str | None, vocabulary: Vocabulary) -> str | None:
    folded = (text or "").strip().casefold()
    if folded.upper() in vocabulary.states.values():
        return folded.upper()
    return vocabulary.states.get(folded)


def _zip3(text: str, vocabulary: Vocabulary) -> str:
    """The ZIP area when the census table lets it leave, else 000. Four digits lost their leading zero."""
    digits = re.sub(r"[^0-9]", "", text.split("-")[0])
    area = digits.zfill(5)[:3]
    return area if len(digits) in (4, 5) and area in vocabulary.zip_areas else "000"


__all__ = [
    "FOLLOW_UP_URL",
    "OVER_89_URL",
    "UCUM",
    "Element",
    "Kinds",
    "Passage",
    "Refused",
    "Transform",
    "follow_up_extension",
    "over_89_extension",
    "remembered",
]
