"""Small FHIR resources, for the lakehouse's tests."""

from __future__ import annotations

from typing import Any

LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"
ICD10CM = "http://hl7.org/fhir/sid/icd-10-cm"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
CVX = "http://hl7.org/fhir/sid/cvx"
US_CORE = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-"

SUBJECT = {"reference": "Patient/p1"}


def concept(*codings: tuple[str, str]) -> dict[str, Any]:
    """A CodeableConcept of (system, code)."""
    return {"coding": [{"system": system, "code": code} for system, code in codings]}


def quantity(value: float, unit: str) -> dict[str, Any]:
    """A Quantity with a UCUM unit."""
    return {"value": value, "unit": unit, "system": "http://unitsofmeasure.org", "code": unit}


def observation(*codes: str, id: str = "o1", **members: Any) -> dict[str, Any]:
    """An Observation of p1 with LOINC codes. A member that is None is left out."""
    resource = {
        "resourceType": "Observation",
        "id": id,
        "status": "final",
        "subject": SUBJECT,
        "code": concept(*((LOINC, code) for code in codes)),
        "effectiveDateTime": "2024-01-10T08:00:00Z",
        **members,
    }
    return {name: value for name, value in resource.items() if value is not None}


def condition(*codings: tuple[str, str], **members: Any) -> dict[str, Any]:
    """A Condition of p1."""
    code = {"code": concept(*codings)} if codings else {}
    return {"resourceType": "Condition", "id": "c1", "subject": SUBJECT, **code, **members}


def medication(
    resource_type: str, *codings: tuple[str, str], id: str = "m1", **members: Any
) -> dict[str, Any]:
    """A MedicationRequest, -Statement, -Dispense or -Administration of p1."""
    code = {"medicationCodeableConcept": concept(*codings)} if codings else {}
    return {
        "resourceType": resource_type,
        "id": id,
        "status": "active",
        "subject": SUBJECT,
        **code,
        **members,
    }
