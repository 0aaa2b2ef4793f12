"""Extensions of Patient: three of US Core may leave, two are ours; every other one disappears."""

from __future__ import annotations

from datetime import date
from typing import cast

import msgspec

from medcairn.deid.codings import Codings
from medcairn.deid.datatypes import BirthSexExtension, ExtensionHead, RaceExtension, RacePart

_US_CORE = "http://hl7.org/fhir/us/core/StructureDefinition/"
_RACE = frozenset({f"{_US_CORE}us-core-race", f"{_US_CORE}us-core-ethnicity"})
_BIRTH_SEX = f"{_US_CORE}us-core-birthsex"
OVER_89_URL = "urn:medcairn:age-90-plus"
FOLLOW_UP_URL = "urn:medcairn:follow-up-end"


class PatientExtensions:
    """Changes one extension of a Patient: US Core race, ethnicity and birth sex leave, with their codes."""

    def __init__(self, codings: Codings) -> None:
        self._codings = codings
        self._head = msgspec.json.Decoder(ExtensionHead)
        self._race_of = msgspec.json.Decoder(RaceExtension)
        self._sex_of = msgspec.json.Decoder(BirthSexExtension)

    def extension(self, value: object) -> object | None:
        """What may leave of an extension, a :class:`msgspec.Raw`."""
        raw = cast(msgspec.Raw, value)
        url = self._head.decode(raw).url
        if url in _RACE:
            return self._race(self._race_of.decode(raw))
        return self._sex_of.decode(raw) if url == _BIRTH_SEX else None

    def _race(self, value: RaceExtension) -> RaceExtension | None:
        parts: list[RacePart] = []
        for part in value.extension or []:
            coding = None if part.valueCoding is None else self._codings.coding(part.valueCoding)
            if part.url == "ombCategory" and coding is not None:
                parts.append(RacePart(part.url, coding))
        return RaceExtension(value.url, parts) if parts else None


def over_89_extension() -> bytes:
    """The extension, as JSON, that marks a subject whose age is shown as 90 and more."""
    return msgspec.json.encode({"url": OVER_89_URL, "valueBoolean": True})


def follow_up_extension(day: date) -> bytes:
    """The extension, as JSON, that tells up to which day, on the moved axis, a subject was followed."""
    return msgspec.json.encode({"url": FOLLOW_UP_URL, "valueDate": day.isoformat()})


__all__ = ["FOLLOW_UP_URL", "OVER_89_URL", "PatientExtensions", "follow_up_extension", "over_89_extension"]
