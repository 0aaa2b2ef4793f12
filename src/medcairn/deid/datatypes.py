"""FHIR datatypes with only the elements that are read. What is not declared disappears in the decoder."""

from __future__ import annotations

from typing import Literal, cast

import msgspec


class Coding(msgspec.Struct, omit_defaults=True, gc=False):
    """FHIR Coding without its display."""

    system: str | None = None
    code: str | None = None


class CodeableConcept(msgspec.Struct, omit_defaults=True, gc=False):
    """FHIR CodeableConcept without its text."""

    coding: list[Coding] | None = None


class Quantity(msgspec.Struct, omit_defaults=True, gc=False):
    """FHIR Quantity; the value keeps its digits."""

    value: msgspec.Raw = cast(msgspec.Raw, None)  # the decoder knows no optional Raw
    comparator: Literal["<", "<=", ">=", ">"] | None = None
    unit: str | None = None
    system: str | None = None
    code: str | None = None


class Address(msgspec.Struct, omit_defaults=True, gc=False):
    """FHIR Address as far as Safe Harbor lets it."""

    state: str | None = None
    postalCode: str | None = None  # noqa: N815 (FHIR's name)
    country: str | None = None


class RacePart(msgspec.Struct, omit_defaults=True, gc=False):
    """A part of the US Core race or ethnicity extension; only codes are read."""

    url: str | None = None
    valueCoding: Coding | None = None  # noqa: N815 (FHIR's name)


class RaceExtension(msgspec.Struct, omit_defaults=True, gc=False):
    """US Core race or ethnicity."""

    url: Literal[
        "http://hl7.org/fhir/us/core/StructureDefinition/us-core-race",
        "http://hl7.org/fhir/us/core/StructureDefinition/us-core-ethnicity",
    ]
    extension: list[RacePart] | None = None


class BirthSexExtension(msgspec.Struct, omit_defaults=True, gc=False):
    """US Core birth sex."""

    url: Literal["http://hl7.org/fhir/us/core/StructureDefinition/us-core-birthsex"]
    valueCode: Literal["F", "M", "UNK", "OTH", "ASKU"] | None = None  # noqa: N815 (FHIR's name)


class ExtensionHead(msgspec.Struct, gc=False):
    """What tells one extension from another."""

    url: str | None = None


__all__ = [
    "Address",
    "BirthSexExtension",
    "CodeableConcept",
    "Coding",
    "ExtensionHead",
    "Quantity",
    "RaceExtension",
    "RacePart",
]
