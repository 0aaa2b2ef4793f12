"""Reads the concept files beside this module."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from importlib import resources
from types import MappingProxyType
from typing import TypeAlias, Union

import yaml

from medcairn.core.concepts.concept import Concept, Kind, Unit
from medcairn.core.errors import SettingsError
from medcairn.core.labels import Label

LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"
ICD10CM = "http://hl7.org/fhir/sid/icd-10-cm"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
CVX = "http://hl7.org/fhir/sid/cvx"

SYSTEMS: Mapping[str, str] = MappingProxyType(
    {"loinc": LOINC, "snomed": SNOMED, "icd10cm": ICD10CM, "rxnorm": RXNORM, "cvx": CVX}
)
"""Short names of code systems, as the concept files use them, and the URIs that FHIR uses."""

_FILES = {
    "measurements.yaml": Kind.MEASUREMENT,
    "conditions.yaml": Kind.CONDITION,
    "medications.yaml": Kind.MEDICATION,
    "procedures.yaml": Kind.PROCEDURE,
}
_KEYS = {"title", "unit", "units", "plausible", *SYSTEMS, *(f"{name}_prefix" for name in SYSTEMS)}

_Yaml: TypeAlias = Union[bool, int, float, str, list["_Yaml"], dict[str, "_Yaml"], None]


def parse_concepts(text: str, kind: Kind) -> dict[str, Concept]:
    """The concepts of one YAML file.

    Raises :class:`SettingsError` that names the concept and key at fault.
    """
    document: object = None
    broken = False
    try:
        # Plain text for every scalar: 1.0 and 1E2 may be codes.
        document = yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506
    except yaml.YAMLError:
        broken = True
    if broken or not isinstance(document, dict):
        raise SettingsError("A concept file is not a YAML mapping", kind=kind)
    return {name: _concept(name, entry, kind) for name, entry in document.items()}


def _concept(name: str, entry: _Yaml, kind: Kind) -> Concept:
    label = Label(name)
    if not isinstance(entry, dict) or not set(entry) <= _KEYS:
        raise SettingsError("A concept has a key that is not known", concept=label)
    unit = entry.get("unit")
    low, high = (None, None)
    if unit is not None:
        bounds = _texts(entry.get("plausible"))
        low, high = (_number(bounds[0], label), _number(bounds[1], label)) if len(bounds) == 2 else (1.0, 0.0)
    return Concept(
        name=label,
        title=str(entry.get("title", "")),
        kind=kind,
        codes=tuple((uri, c) for short, uri in SYSTEMS.items() for c in _texts(entry.get(short))),
        prefixes=tuple(
            (uri, c) for short, uri in SYSTEMS.items() for c in _texts(entry.get(f"{short}_prefix"))
        ),
        canonical_unit=str(unit) if unit is not None else None,
        units=_units(str(unit), entry.get("units"), label) if unit is not None else (),
        low=low,
        high=high,
    )


def _units(canonical: str, entry: _Yaml, concept: Label) -> tuple[Unit, ...]:
    found = [Unit(canonical, 1.0, 0.0)]
    for name, rule in (entry if isinstance(entry, dict) else {}).items():
        factor, offset = ([*_texts(rule), "0"] if isinstance(rule, list) else [str(rule), "0"])[:2]
        found.append(Unit(name, _number(factor, concept), _number(offset, concept)))
    return tuple(found)


def _texts(entry: _Yaml) -> list[str]:
    return [str(item) for item in entry] if isinstance(entry, list) else []


def _number(text: str, concept: Label) -> float:
    """A decimal number or a quotient of two, without a rounding on the way."""
    value: float | None = None
    try:
        top, _, bottom = text.partition("/")
        value = float(Fraction(top) / Fraction(bottom or "1"))
    except (ValueError, ZeroDivisionError):
        pass
    if value is None:
        raise SettingsError("A concept has a number that cannot be read", concept=concept)
    return value


def _read_all() -> dict[str, Concept]:
    folder = resources.files(__package__)
    found: dict[str, Concept] = {}
    for file, kind in _FILES.items():
        concepts = parse_concepts(folder.joinpath(file).read_text(encoding="utf-8"), kind)
        if found.keys() & concepts.keys():
            raise SettingsError("Two concept files define the same name", kind=kind)
        found |= concepts
    _refuse_shared_measurements(found)
    return found


def _refuse_shared_measurements(concepts: Mapping[str, Concept]) -> None:
    """A measurement code has one meaning; conditions and combination drugs may have several."""
    seen: set[tuple[str, str]] = set()
    for concept in concepts.values():
        if concept.kind is Kind.MEASUREMENT:
            if seen & set(concept.codes):
                raise SettingsError("Two measurements share a code", concept=concept.name)
            seen |= set(concept.codes)


CONCEPTS: Mapping[str, Concept] = MappingProxyType(_read_all())
"""Every concept by name, in the order of the files."""


def concepts_of(system: str, code: str, kind: Kind) -> tuple[str, ...]:
    """Names of the concepts of ``kind`` that the code belongs to, in catalogue order."""
    return tuple(c.name for c in CONCEPTS.values() if c.kind is kind and c.matches(system, code))


__all__ = [
    "CONCEPTS",
    "CVX",
    "ICD10CM",
    "LOINC",
    "RXNORM",
    "SNOMED",
    "SYSTEMS",
    "concepts_of",
    "parse_concepts",
]
