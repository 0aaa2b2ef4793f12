"""Small resources in, what may leave out."""

from __future__ import annotations

from typing import Any

import pytest

from medcairn.deid.keys import Pseudonyms

from .clinic import KEY, Clinic, observation, patient

PSEUDONYMS = Pseudonyms(KEY)
LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"
OMB = "urn:oid:2.16.840.1.113883.6.238"
MAIDEN_NAME = "http://hl7.org/fhir/StructureDefinition/patient-mothersMaidenName"
US_CORE = "http://hl7.org/fhir/us/core/StructureDefinition"


def left(clinic: Clinic, **elements: Any) -> Any:
    """What an observation with ``elements`` becomes."""
    out = clinic.add(patient(), observation("o1", "2020-03-01T10:00:00Z", **elements)).release()
    return out.resources("Observation")[0]


def test_an_observation_keeps_what_the_policy_lists_and_nothing_else(clinic: Clinic) -> None:
    found = left(
        clinic,
        meta={"lastUpdated": "2020-03-02T00:00:00Z", "source": "lab://jane"},
        text={"status": "generated", "div": "<div>Jane Roe</div>"},
        identifier=[{"system": "urn:lab", "value": "A-99812"}],
        note=[{"text": "Jane called"}],
        valueString="Jane",
        valueQuantity={
            "value": 5.5,
            "unit": "mmol/L",
            "system": "http://unitsofmeasure.org",
            "code": "mmol/L",
        },
    )
    assert found == {
        "resourceType": "Observation",
        "id": PSEUDONYMS.of("Observation", "o1"),
        "status": "final",
        "code": {"coding": [{"system": LOINC, "code": "2339-0"}]},
        "subject": {"reference": "Patient/" + PSEUDONYMS.of("Patient", "p1")},
        "effectiveDateTime": "2020-01-01T10:00:00Z",
        "valueQuantity": {
            "value": 5.5,
            "unit": "mmol/L",
            "system": "http://unitsofmeasure.org",
            "code": "mmol/L",
        },
    }


@pytest.mark.parametrize("digits", ["1.50", "0.0000001", "7", "-0.10", "1e3", "28.104000000000003"])
def test_decimals_keep_their_digits(clinic: Clinic, digits: str) -> None:
    line = (
        '{"resourceType":"Observation","id":"o","status":"final","subject":{"reference":"Patient/p1"},'
        '"valueQuantity":{"value": ' + digits + ' ,"unit":"%"}}'
    )
    out = clinic.add(patient()).add_line("Observation", line).release()
    assert f'"value":{digits},' in (out.folder / "Observation.ndjson").read_text()


@pytest.mark.parametrize(
    ("coding", "leaves_it"),
    [
        ({"system": LOINC, "code": "2339-0"}, True),
        ({"system": LOINC, "code": "2339-1"}, False),
        ({"system": LOINC, "code": "Roe"}, False),
        ({"system": SNOMED, "code": "44054006"}, True),
        ({"system": SNOMED, "code": "44054007"}, False),
        ({"system": SNOMED, "code": "344001"}, True),
        ({"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "316672"}, True),
        ({"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "5551234567"}, False),
        ({"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "E11.9"}, True),
        ({"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "C50.ROE"}, False),
        ({"system": "http://hl7.org/fhir/sid/cvx", "code": "140"}, True),
        ({"system": "http://hl7.org/fhir/sid/cvx", "code": "140\n"}, False),
        ({"system": "http://terminology.hl7.org/CodeSystem/v3-NullFlavor", "code": "UNK"}, True),
        ({"system": "http://terminology.hl7.org/CodeSystem/v3-NullFlavor", "code": "JANE"}, False),
        ({"system": "urn:local:jane-roe", "code": "1"}, False),
        ({"code": "2339-0"}, False),
        ({"system": LOINC}, False),
    ],
)
def test_codes_leave_only_when_well_formed_for_a_listed_system(
    clinic: Clinic, coding: dict[str, str], leaves_it: bool
) -> None:
    found = left(clinic, valueCodeableConcept={"coding": [coding | {"display": "Jane"}], "text": "Jane"})
    assert found.get("valueCodeableConcept") == ({"coding": [coding]} if leaves_it else None)


@pytest.mark.parametrize(
    ("quantity", "expected"),
    [
        ({"value": 1, "unit": "mg/dL"}, {"value": 1, "unit": "mg/dL"}),
        ({"value": 1, "unit": "per Jane"}, {"value": 1}),
        ({"value": 1, "code": "mg/dL", "system": "http://unitsofmeasure.org"},
         {"value": 1, "unit": "mg/dL", "system": "http://unitsofmeasure.org", "code": "mg/dL"}),
        ({"value": 1, "unit": "bpm", "code": "{jane}", "system": "http://unitsofmeasure.org"},
         {"value": 1, "unit": "bpm"}),
        ({"value": 89, "unit": "a"}, {"value": 89, "unit": "a"}),
        ({"value": 90.5, "unit": "a"}, None),
        ({"value": 1081, "unit": "mo"}, None),
        ({"unit": "mg/dL"}, None),
    ],
)  # fmt: skip
def test_quantities(clinic: Clinic, quantity: dict[str, Any], expected: Any) -> None:
    assert left(clinic, valueQuantity=quantity).get("valueQuantity") == expected


@pytest.mark.parametrize(
    ("reference", "target"),
    [
        ({"reference": "Encounter/e1"}, "e1"),
        ({"reference": "Encounter/e1/_history/4"}, "e1"),
        ({"reference": "https://ehr.example.org/fhir/Encounter/e1"}, "e1"),
        ({"reference": "https://ehr.example.org/fhir/Encounter/e1/_history/2"}, "e1"),
        ({"reference": "urn:uuid:9d4a3d1e-0000-4000-8000-000000000001"},
         "9d4a3d1e-0000-4000-8000-000000000001"),
        ({"reference": "#e1"}, None),
        ({"reference": "Encounter?identifier=urn:mrn|12345"}, None),
        ({"reference": "Patient/p1"}, None),
        ({"reference": "Roe/jane"}, None),
        ({"reference": "Jane Roe"}, None),
        ({"identifier": {"value": "12345"}, "display": "Jane"}, None),
    ],
)  # fmt: skip
def test_references_in_every_form(clinic: Clinic, reference: dict[str, Any], target: str | None) -> None:
    found = left(clinic, encounter=reference)
    expected = None if target is None else {"reference": "Encounter/" + PSEUDONYMS.of("Encounter", target)}
    assert found.get("encounter") == expected


def test_dropped_references_are_counted(clinic: Clinic) -> None:
    out = clinic.add(patient(), observation("o1", "2020-01-01", encounter={"reference": "#e"})).release()
    assert out.report.dropped_references == 1
    assert out.report.facts()["lost"] == {"reference_contained": 1}


def test_a_patient_leaves_year_state_and_us_core_codes(clinic: Clinic) -> None:
    source = patient(
        name=[{"family": "Roe", "given": ["Jane"]}],
        telecom=[{"system": "phone", "value": "555-436-4287"}],
        gender="female",
        address=[{"line": ["1 Elm"], "city": "Salem", "state": "Massachusetts", "postalCode": "1970",
                  "country": "USA"}],
        extension=[
            {"url": f"{US_CORE}/us-core-race", "extension": [
                {"url": "ombCategory", "valueCoding": {"system": OMB, "code": "2106-3", "display": "White"}},
                {"url": "text", "valueString": "Jane Roe"}]},
            {"url": f"{US_CORE}/us-core-birthsex", "valueCode": "F"},
            {"url": MAIDEN_NAME, "valueString": "Poe"},
            {"url": "urn:medcairn:age-90-plus", "valueBoolean": True},
        ],
    )  # fmt: skip
    (found,) = clinic.add(source).release().resources("Patient")
    assert found == {
        "resourceType": "Patient",
        "id": PSEUDONYMS.of("Patient", "p1"),
        "extension": [
            {
                "url": f"{US_CORE}/us-core-race",
                "extension": [{"url": "ombCategory", "valueCoding": {"system": OMB, "code": "2106-3"}}],
            },
            {"url": f"{US_CORE}/us-core-birthsex", "valueCode": "F"},
            {"url": "urn:medcairn:follow-up-end", "valueDate": "2024-06-30"},
        ],
        "gender": "female",
        "birthDate": "1960",
        "address": [{"state": "MA", "postalCode": "000", "country": "US"}],
    }


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"resourceType":"Observation"', "invalid_json"),
        ("Jane Roe", "invalid_json"),
        (b'{"resourceType":"Observation","id":"\xff\xfe"}', "invalid_json"),
        ("[1]", "wrong_shape"),
        ('"Jane"', "wrong_shape"),
        ("[" * 100_000, "invalid_json"),
        ('{"id":"x"}', "unknown_type"),
        ('{"resourceType":"JaneRoe","id":"x"}', "unknown_type"),
        ('{"resourceType":"Basic","id":"x"}', "unknown_type"),
        ('{"resourceType":7,"id":"x"}', "unknown_type"),
        ('{"resourceType":"Patient","id":"x"}', "other_type_than_file"),
        ('{"resourceType":"Observation","status":"final"}', "no_id"),
        ('{"resourceType":"Observation","id":""}', "no_id"),
        ('{"resourceType":"Observation","id":7}', "wrong_shape"),
        ('{"resourceType":"Observation","id":"x","status":"Jane"}', "wrong_shape"),
        ('{"resourceType":"Observation","id":"x","category":{"coding":[]}}', "wrong_shape"),
        ('{"resourceType":"Observation","id":"x","code":"Jane"}', "wrong_shape"),
        ('{"resourceType":"Observation","id":"x","valueQuantity":{"value":"5.5"}}', "wrong_shape"),
        ('{"resourceType":"Observation","id":"x","valueInteger":99999999999}', "wrong_shape"),
        ('{"resourceType":"Observation","id":"x","implicitRules":"urn:x"}', "implicit_rules"),
        ('{"resourceType":"Observation","id":"x","modifierExtension":[{"url":"u"}]}', "modifier_extension"),
        ('{"resourceType":"Observation","id":"x","component":[{"modifierExtension":[{"url":"u"}]}]}',
         "modifier_extension"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_quarantined_with_a_reason_and_no_content(
    clinic: Clinic, line: str | bytes, reason: str
) -> None:
    clinic.add(patient(), observation("o1", "2020-01-01")).add_line("Observation", line)
    out = clinic.add(observation("o2", "2020-01-02")).release()
    assert out.quarantine() == [{"file": "Observation.ndjson", "line": 2, "reason": reason}]
    assert len(out.resources("Observation")) == 2
    assert out.report.resources_read == 4
    assert out.report.resources_quarantined == 1
    assert "Jane" not in out.text() + str(out.report)


def test_no_resource_type_but_the_listed_ones_is_named_in_the_report(clinic: Clinic) -> None:
    clinic.add(patient()).add_line("Observation", '{"resourceType":"JaneRoe","id":"x"}')
    assert clinic.add_line("Basic", '{"resourceType":"Basic","id":"b"}').release().report.facts()[
        "quarantined"
    ] == {"Basic": {"unknown_type": 1}, "other": {"unknown_type": 1}}


def test_organizations_and_practitioners_are_reduced_to_ids_and_codes(clinic: Clinic) -> None:
    clinic.add(
        {"resourceType": "Organization", "id": "h", "active": True, "name": "General Hospital",
         "type": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/organization-type",
                               "code": "prov"}]}], "address": [{"city": "Salem"}]},
        {"resourceType": "Practitioner", "id": "d", "name": [{"family": "Who"}], "birthDate": "1970-01-01",
         "qualification": [{"code": {"text": "MD"}, "period": {"start": "1999-01-01"}}]},
    )  # fmt: skip
    out = clinic.release()
    assert list(out.resources("Organization")[0]) == ["resourceType", "id", "active", "type"]
    assert list(out.resources("Practitioner")[0]) == ["resourceType", "id"]
