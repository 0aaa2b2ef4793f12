"""Whole strings that the policy itself can put into output: none of them is a patient's."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping

from medcairn.core.r4 import resource_types
from medcairn.deid.policy import Policy

_US_CORE = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-"
_ELEMENTS = (
    "resourceType id extension url valueCoding valueCode valueBoolean valueDate coding system code reference "
    "value comparator unit state postalCode country file line reason ombCategory text"
)
_CODES = "US 000 F M UNK OTH ASKU < <= >= >"
_REASONS = (
    "invalid_json wrong_shape unknown_type other_type_than_file no_id modifier_extension implicit_rules"
)
_URIS = frozenset(
    (
        "http://unitsofmeasure.org",
        "urn:medcairn:age-90-plus",
        "urn:medcairn:follow-up-end",
        *(f"{_US_CORE}{name}" for name in ("race", "ethnicity", "birthsex")),
    )
)
_WRITTEN = _URIS.union(_ELEMENTS.split(), _CODES.split(), _REASONS.split())


def public_words(policy: Policy) -> frozenset[str]:
    """Every string of the policy, its element names and codes among them, and FHIR's own words."""
    return _WRITTEN | frozenset(_strings(policy)) | resource_types()


def _strings(value: object) -> Iterator[str]:
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str):
            yield item
        elif dataclasses.is_dataclass(item):
            waiting.extend(getattr(item, field.name) for field in dataclasses.fields(item))
        elif isinstance(item, Mapping):
            waiting.extend(item.keys())
            waiting.extend(item.values())
        elif isinstance(item, Iterable):
            waiting.extend(item)


__all__ = ["public_words"]
