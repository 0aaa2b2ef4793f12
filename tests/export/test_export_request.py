"""What is asked for: every parameter, as GET and as POST, and what is refused before a server sees it."""

from __future__ import annotations

import json

import pytest

from medcairn.core.errors import UsageError
from medcairn.export import BulkRequest

PARAMETERS = [
    ({}, []),
    ({"types": ("Patient", "Condition")}, [("_type", "Patient,Condition")]),
    (
        {"types": ("Patient", "Condition"), "lists": "repeated"},
        [("_type", "Patient"), ("_type", "Condition")],
    ),
    ({"since": "2025-01-31"}, [("_since", "2025-01-31T00:00:00Z")]),
    ({"since": "2025-01-31T10:00:00+02:00"}, [("_since", "2025-01-31T10:00:00+02:00")]),
    ({"until": "2025-02-01"}, [("_until", "2025-02-01T00:00:00Z")]),
    (
        {"type_filters": ("Condition?category=a", "Condition?category=b")},
        [("_typeFilter", "Condition?category=a,Condition?category=b")],
    ),
    (
        {"type_filters": ("Condition?category=a,b", "Condition?code=c")},
        [("_typeFilter", "Condition?category=a,b"), ("_typeFilter", "Condition?code=c")],
    ),
    ({"elements": ("id", "Patient.birthDate")}, [("_elements", "id,Patient.birthDate")]),
    (
        {"include_associated_data": ("LatestProvenanceResources", "_own")},
        [("includeAssociatedData", "LatestProvenanceResources,_own")],
    ),
    ({"organize_output_by": "Patient"}, [("organizeOutputBy", "Patient")]),
    ({"allow_partial_manifests": True}, [("allowPartialManifests", "true")]),
]


@pytest.mark.parametrize(("settings", "parameters"), PARAMETERS, ids=lambda value: str(value)[:60])
def test_settings_become_parameters(settings: dict[str, object], parameters: list[tuple[str, str]]) -> None:
    assert BulkRequest(**settings).parameters() == parameters  # type: ignore[arg-type]


def test_a_post_has_the_parameters_in_their_types() -> None:
    request = BulkRequest(
        level="group",
        group="g",
        types=("Patient", "Condition"),
        since="2025-01-31",
        allow_partial_manifests=True,
        patients=("Patient/1", "https://ehr.example.org/fhir/Patient/2"),
    )
    assert request.first_method == "POST"
    assert json.loads(request.body(repeated=True)) == {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "_type", "valueString": "Patient"},
            {"name": "_type", "valueString": "Condition"},
            {"name": "_since", "valueInstant": "2025-01-31T00:00:00Z"},
            {"name": "allowPartialManifests", "valueBoolean": True},
            {"name": "patient", "valueReference": {"reference": "Patient/1"}},
            {"name": "patient", "valueReference": {"reference": "https://ehr.example.org/fhir/Patient/2"}},
        ],
    }


@pytest.mark.parametrize(
    "settings",
    [
        {"level": "group"},
        {"group": "g"},
        {"level": "group", "group": "../Patient"},
        {"types": ("Patient", "CANARY")},
        {"since": "CANARY"},
        {"since": "2025-01-31T10:00:00"},
        {"since": "2025-02-31"},
        {"since": "2025-02-01", "until": "2025-01-01"},
        {"until": "CANARY"},
        {"type_filters": ("CANARY",)},
        {"type_filters": ("Canary?a=b",)},
        {"type_filters": ("Condition?code=CANARY with space",)},
        {"type_filters": ("Condition?_sort=CANARY",)},
        {"type_filters": ("Condition?_include:iterate=CANARY",)},
        {"types": ("Patient",), "type_filters": ("Condition?code=CANARY",)},
        {"elements": ("Patient.name.CANARY",)},
        {"elements": ("Patient",)},
        {"include_associated_data": ("CANARY",)},
        {"organize_output_by": "CANARY"},
        {"level": "patient", "patients": ("CANARY",)},
        {"level": "patient", "patients": ("Group/CANARY",)},
        {"patients": ("Patient/CANARY",)},
        {"level": "patient", "patients": ("Patient/CANARY",), "method": "GET"},
    ],
    ids=str,
)
def test_what_no_server_could_answer_is_refused_unquoted(settings: dict[str, object]) -> None:
    with pytest.raises(UsageError) as caught:
        BulkRequest(**settings)  # type: ignore[arg-type]
    assert "CANARY" not in str(caught.value)
    assert caught.value.__context__ is None


def test_requests_with_other_patients_are_other_requests() -> None:
    one, two = (BulkRequest(level="patient", patients=(f"Patient/{n}",)) for n in (1, 2))
    assert one.digest_at("https://h") != two.digest_at("https://h")


def test_a_log_gets_neither_patients_nor_the_values_of_searches() -> None:
    request = BulkRequest(
        level="patient",
        types=("Condition",),
        type_filters=("Condition?patient.name=CANARY&code=CANARY",),
        patients=("Patient/CANARY",),
    )
    assert request.loggable() == {"_type": "Condition", "_typeFilter": "Condition?patient.name&code"}
