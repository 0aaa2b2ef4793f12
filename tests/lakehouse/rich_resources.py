"""Resources with everything that silver reads, and ways to make them odd."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

from .resources import CVX, ICD10CM, LOINC, RXNORM, SNOMED, SUBJECT, US_CORE, concept, quantity

_PERIOD = {"start": "2024-01-01", "end": "2024-01-02T10:00:00Z"}
_ENCOUNTER = {"reference": "Encounter/e1"}
_DRUG: dict[str, Any] = {
    "contained": [{"resourceType": "Medication", "id": "x", "code": concept((RXNORM, "6809"))}],
    "status": "active",
    "medicationCodeableConcept": concept((RXNORM, "860975"), (SNOMED, "1")),
    "medicationReference": {"reference": "#x"},
    "subject": SUBJECT,
}
_VALUE: dict[str, Any] = {
    "code": concept((LOINC, "2345-7"), (LOINC, "1-1")),
    "valueQuantity": {**quantity(5.5, "mmol/L"), "comparator": "<"},
    "valueCodeableConcept": concept((SNOMED, "266919005")),
    "valueInteger": 3,
    "valueBoolean": True,
    "valueDateTime": "2024-01-03",
    "valueRange": {"low": quantity(1, "mg")},
    "referenceRange": [{"low": {"value": 1.5}, "high": {"value": 2}}, {"low": {"value": 9}}],
    "interpretation": [concept(("http://x", "H"))],
    "dataAbsentReason": concept(("http://x", "unknown")),
}

RICH: dict[str, dict[str, Any]] = {
    "Patient": {
        "gender": "female",
        "birthDate": "1950-02-03",
        "deceasedDateTime": "2024-01-01",
        "address": [{"postalCode": "021"}],
        "extension": [
            {"url": US_CORE + "birthsex", "valueCode": "F"},
            {"url": "urn:medcairn:age-90-plus", "valueBoolean": True},
            {"url": "urn:medcairn:follow-up-end", "valueDate": "2024-05-06"},
        ],
    },
    "Encounter": {
        "status": "finished",
        "class": {"code": "IMP"},
        "type": [concept((SNOMED, "1"), (SNOMED, "2"))],
        "subject": SUBJECT,
        "period": _PERIOD,
        "reasonCode": [concept((SNOMED, "3"))],
        "hospitalization": {"dischargeDisposition": concept(("http://x", "home"))},
    },
    "Observation": {
        "status": "final",
        "category": [concept(("http://x", "laboratory"))],
        "subject": SUBJECT,
        "encounter": _ENCOUNTER,
        "effectiveDateTime": "2024-01-01T00:00:00Z",
        "effectivePeriod": _PERIOD,
        "issued": "2024-01-02T00:00:00Z",
        **_VALUE,
        "component": [{**_VALUE, "code": concept((LOINC, "8480-6"))}, {"code": concept((LOINC, "8462-4"))}],
    },
    "Condition": {
        "clinicalStatus": concept(("http://x", "active")),
        "verificationStatus": concept(("http://x", "confirmed")),
        "category": [concept(("http://x", "problem-list-item"))],
        "code": concept((SNOMED, "44054006"), (ICD10CM, "E11.9")),
        "subject": SUBJECT,
        "encounter": _ENCOUNTER,
        "onsetDateTime": "2024-01-01",
        "abatementPeriod": _PERIOD,
        "recordedDate": "2024-01-03",
    },
    "MedicationRequest": {
        **_DRUG,
        "intent": "order",
        "doNotPerform": False,
        "authoredOn": "2024-01-01",
        "dosageInstruction": [{"timing": {"repeat": {"boundsPeriod": _PERIOD}}}],
        "dispenseRequest": {
            "validityPeriod": _PERIOD,
            "numberOfRepeatsAllowed": 2,
            "quantity": quantity(3, "mg"),
            "expectedSupplyDuration": quantity(2, "wk"),
        },
    },
    "MedicationStatement": {**_DRUG, "effectivePeriod": _PERIOD, "dateAsserted": "2024-01-03"},
    "MedicationDispense": {
        **_DRUG,
        "whenPrepared": "2024-01-01",
        "whenHandedOver": "2024-01-02",
        "daysSupply": {"value": 30},
        "quantity": quantity(3, "mg"),
    },
    "MedicationAdministration": {
        **_DRUG,
        "effectiveDateTime": "2024-01-01",
        "dosage": {"dose": quantity(3, "mg")},
    },
    "Procedure": {
        "status": "completed",
        "code": concept((SNOMED, "265764009")),
        "subject": SUBJECT,
        "encounter": _ENCOUNTER,
        "performedPeriod": _PERIOD,
    },
    "Immunization": {
        "status": "completed",
        "vaccineCode": concept((CVX, "140")),
        "patient": SUBJECT,
        "occurrenceDateTime": "2024-01-01",
        "recorded": "2024-01-02",
    },
    "AllergyIntolerance": {
        "clinicalStatus": concept(("http://x", "active")),
        "type": "allergy",
        "category": ["food", "medication"],
        "criticality": "high",
        "code": concept((RXNORM, "7980")),
        "patient": SUBJECT,
        "onsetPeriod": _PERIOD,
        "recordedDate": "2024-01-02",
    },
    "DiagnosticReport": {
        "status": "final",
        "category": [concept(("http://x", "LAB"))],
        "code": concept((LOINC, "58410-2")),
        "subject": SUBJECT,
        "effectivePeriod": _PERIOD,
        "issued": "2024-01-02T00:00:00Z",
        "result": [{"reference": "Observation/o1"}, {"reference": "Observation/o2"}],
    },
}
"""One resource a type, without type and id."""

_ODD: st.SearchStrategy[Any] = st.sampled_from(
    [
        None,
        True,
        0,
        7,
        1.5,
        -0.0,
        "",
        "x",
        "2024",
        "2024-02-30",
        "é",
        [],
        {},
        [None],
        ["x"],
        [{}],
        [[]],
        {"x": 1},
    ]
)


@st.composite
def odd_resources(draw: st.DrawFn, resource_type: str) -> dict[str, Any]:
    """A rich resource with some members taken out, doubled, or put in place of something odd."""
    resource = {"resourceType": resource_type, "id": "r1", **copy.deepcopy(RICH[resource_type])}
    for _ in range(draw(st.integers(0, 6))):
        places = list(_places(resource))
        if not places:
            break
        holder, key = places[draw(st.integers(0, len(places) - 1))]
        match draw(st.sampled_from(["out", "out", "odd", "twice"])):
            case "out":
                del holder[key]
            case "odd":
                holder[key] = copy.deepcopy(draw(_ODD))
            case "twice" if isinstance(holder[key], list):
                holder[key] = [*holder[key], *copy.deepcopy(holder[key])]
    return resource


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every (object or array, key or index) within ``value``."""
    keys = list(value) if isinstance(value, dict) else range(len(value))
    for key in keys:
        yield value, key
        if isinstance(value[key], (dict, list)):
            yield from _places(value[key])
