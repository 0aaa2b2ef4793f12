"""``_elements``: a resource reduced to what was asked for, and marked as reduced.

Elements that FHIR R4 makes mandatory stay whether asked for or not, as does a modifier such as ``status``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from medcairn.synthetic.server.searching import Resource

_ALWAYS: Final = frozenset({"resourceType", "id", "meta", "status", "implicitRules", "modifierExtension"})
_SUBSETTED: Final = {
    "system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue",
    "code": "SUBSETTED",
}
_MANDATORY: Final[Mapping[str, frozenset[str]]] = {
    "AllergyIntolerance": frozenset({"patient"}),
    "CarePlan": frozenset({"intent", "subject"}),
    "Claim": frozenset({"type", "use", "patient", "created", "provider", "priority", "insurance"}),
    "Condition": frozenset({"subject"}),
    "Coverage": frozenset({"beneficiary", "payor"}),
    "DiagnosticReport": frozenset({"code"}),
    "DocumentReference": frozenset({"content"}),
    "Encounter": frozenset({"class"}),
    "Goal": frozenset({"lifecycleStatus", "description", "subject"}),
    "Group": frozenset({"type", "actual"}),
    "Immunization": frozenset({"vaccineCode", "patient", "occurrenceDateTime", "occurrenceString"}),
    "MedicationAdministration": frozenset(
        {
            "medicationCodeableConcept",
            "medicationReference",
            "subject",
            "effectiveDateTime",
            "effectivePeriod",
        }
    ),
    "MedicationDispense": frozenset({"medicationCodeableConcept", "medicationReference"}),
    "MedicationRequest": frozenset({"intent", "medicationCodeableConcept", "medicationReference", "subject"}),
    "MedicationStatement": frozenset({"medicationCodeableConcept", "medicationReference", "subject"}),
    "Observation": frozenset({"code"}),
    "Procedure": frozenset({"subject"}),
    "Provenance": frozenset({"target", "recorded", "agent"}),
    "ServiceRequest": frozenset({"intent", "subject"}),
}


def subset(resource: Resource, elements: Mapping[str, frozenset[str]]) -> dict[str, object]:
    """``resource`` with the elements asked for and the mandatory ones, tagged SUBSETTED."""
    resource_type = str(resource.get("resourceType", ""))
    nothing: frozenset[str] = frozenset()
    kept = (
        _ALWAYS
        | _MANDATORY.get(resource_type, nothing)
        | elements.get(resource_type, nothing)
        | elements.get("", nothing)
    )
    found = {name: value for name, value in resource.items() if name.removeprefix("_") in kept}
    meta = found.get("meta")
    meta = dict(meta) if isinstance(meta, Mapping) else {}
    tags = meta.get("tag")
    found["meta"] = meta | {"tag": [*(tags if isinstance(tags, list) else []), _SUBSETTED]}
    return found


__all__ = ["subset"]
