"""What may single a subject out, and what must not be learnt about one: names, and where they are read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from medcairn.core.errors import UsageError
from medcairn.core.labels import Label

_US_CORE = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-"
_BANDED = re.compile(r"(?P<name>[a-z_]+):(?P<years>[1-9][0-9]?)\Z")

PATIENT_COLUMNS: Mapping[str, str] = {
    "id": "VARCHAR",
    "gender": "VARCHAR",
    "birthDate": "VARCHAR",
    "deceasedBoolean": "BOOLEAN",
    "deceasedDateTime": "VARCHAR",
    "address": "STRUCT(state VARCHAR, postalCode VARCHAR)[]",
    "maritalStatus": "STRUCT(coding STRUCT(code VARCHAR)[])",
    "communication": "STRUCT(language STRUCT(coding STRUCT(code VARCHAR)[]))[]",
    "extension": (
        "STRUCT(url VARCHAR, valueCode VARCHAR,"
        " extension STRUCT(url VARCHAR, valueCoding STRUCT(code VARCHAR))[])[]"
    ),
}
"""The elements of Patient that are read, as DuckDB's types."""


def _omb(name: str) -> str:
    """The OMB categories of race or ethnicity, all of them, in order."""
    parts = (
        f"flatten([e.extension for e in extension if e.url = '{_US_CORE}{name}' AND e.extension IS NOT NULL])"
    )
    codes = (
        f"[p.valueCoding.code for p in {parts} if p.url = 'ombCategory' AND p.valueCoding.code IS NOT NULL]"
    )
    return f"nullif(array_to_string(list_sort({codes}), '|'), '')"


_OF_PATIENT: Mapping[str, tuple[str, str]] = {
    "birth_year": ("year of birth", "birthDate[:4]"),
    "gender": ("gender", "gender"),
    "birth_sex": ("sex at birth", f"[e.valueCode for e in extension if e.url = '{_US_CORE}birthsex'][1]"),
    "postal_area": ("postal area", "[a.postalCode for a in address if a.postalCode IS NOT NULL][1]"),
    "state": ("state", "[a.state for a in address if a.state IS NOT NULL][1]"),
    "race": ("race", _omb("race")),
    "ethnicity": ("ethnicity", _omb("ethnicity")),
    "marital_status": ("marital status", "maritalStatus.coding[1].code"),
    "language": ("language", "communication[1].language.coding[1].code"),
    "deceased": (
        "deceased",
        "CAST(deceasedDateTime IS NOT NULL OR coalesce(deceasedBoolean, FALSE) AS VARCHAR)",
    ),
    "death_year": ("year of death", "deceasedDateTime[:4]"),
}
_OF_RECORDS: Mapping[str, tuple[str, str]] = {
    "first_year": ("first year of record", "min"),
    "last_year": ("last year of record", "max"),
}
_YEARS = frozenset({"birth_year", "death_year", *_OF_RECORDS})

RECORD_DATES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "Condition": ("subject", ("onsetDateTime", "recordedDate")),
    "DiagnosticReport": ("subject", ("effectiveDateTime",)),
    "Encounter": ("subject", ("period.start",)),
    "Immunization": ("patient", ("occurrenceDateTime",)),
    "MedicationRequest": ("subject", ("authoredOn",)),
    "Observation": ("subject", ("effectiveDateTime", "effectivePeriod.start")),
    "Procedure": ("subject", ("performedDateTime", "performedPeriod.start")),
}
"""Whose dates tell the first and last year of record: type, element of the subject, elements with dates."""

_CODED: Mapping[str, tuple[str, str, str, str]] = {
    "condition": ("conditions", "Condition", "subject", "code"),
    "medication": ("medications", "MedicationRequest", "subject", "medicationCodeableConcept"),
    "procedure": ("procedures", "Procedure", "subject", "code"),
    "allergy": ("allergies", "AllergyIntolerance", "patient", "code"),
}


@dataclass(frozen=True)
class QuasiIdentifier:
    """An attribute that others may know of a subject; ``years`` puts years into bands of that width."""

    name: Label
    title: str
    expression: str
    of_records: bool = False
    years: int = 1

    @property
    def banded(self) -> str:
        """The SQL of its value as text."""
        if self.years == 1:
            return self.expression
        year = f"TRY_CAST({self.expression} AS INTEGER)"
        return f"CAST({year} - {year} % {self.years} AS VARCHAR)"


@dataclass(frozen=True)
class SensitiveAttribute:
    """An attribute that must not be learnt: a coded element of resources, or an attribute of the patient."""

    name: Label
    title: str
    resource_type: Label
    subject: Label
    element: str


DEFAULT_QUASI_IDENTIFIERS = (
    "birth_year", "gender", "postal_area", "race", "ethnicity", "first_year", "deceased",
)  # fmt: skip
DEFAULT_SENSITIVE = ("condition", "medication")
QUASI_IDENTIFIERS = (*_OF_PATIENT, *_OF_RECORDS)
"""All names of quasi-identifiers. Those of years may be put into bands: ``birth_year:5``."""
SENSITIVE_ATTRIBUTES = (*_CODED, *_OF_PATIENT)
"""All names of sensitive attributes."""


def quasi_identifier(name: str) -> QuasiIdentifier:
    """The quasi-identifier of a name, such as ``gender`` or ``birth_year:5``.

    Raises :class:`UsageError` for a name that is not known, and a band on what is no year.
    """
    match = _BANDED.match(name)
    bare, years = (match["name"], int(match["years"])) if match else (name, 1)
    if bare in _OF_PATIENT:
        title, expression = _OF_PATIENT[bare]
    elif bare in _OF_RECORDS:
        title, expression = _OF_RECORDS[bare][0], bare
    else:
        raise UsageError(
            "There is no such quasi-identifier", hint=f"Known are {', '.join(QUASI_IDENTIFIERS)}"
        )
    if match and bare not in _YEARS:
        raise UsageError("Only years can be put into bands", hint="For example birth_year:5")
    if years > 1:
        title = f"{title}, in bands of {years}"
    return QuasiIdentifier(Label(name), title, expression, bare in _OF_RECORDS, years)


def sensitive_attribute(name: str) -> SensitiveAttribute:
    """The sensitive attribute of a name. Raises :class:`UsageError` for a name that is not known."""
    if name in _CODED:
        title, resource_type, subject, element = _CODED[name]
        return SensitiveAttribute(Label(name), title, Label(resource_type), Label(subject), element)
    if name in _OF_PATIENT:
        title, expression = _OF_PATIENT[name]
        return SensitiveAttribute(Label(name), title, Label("Patient"), Label("id"), expression)
    raise UsageError(
        "There is no such sensitive attribute", hint=f"Known are {', '.join(SENSITIVE_ATTRIBUTES)}"
    )


def record_bound(name: str) -> str:
    """``min`` or ``max``: which of the years of record a quasi-identifier of records is."""
    return _OF_RECORDS[name.partition(":")[0]][1]


__all__ = [
    "DEFAULT_QUASI_IDENTIFIERS",
    "DEFAULT_SENSITIVE",
    "PATIENT_COLUMNS",
    "QUASI_IDENTIFIERS",
    "RECORD_DATES",
    "SENSITIVE_ATTRIBUTES",
    "QuasiIdentifier",
    "SensitiveAttribute",
    "quasi_identifier",
    "record_bound",
    "sensitive_attribute",
]
