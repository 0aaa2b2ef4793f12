"""Silver tables: resources in, rows out."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from medcairn.core.delta import delta_files
from medcairn.core.errors import DataError, IntegrityError, UsageError
from medcairn.core.silver import SILVER_SCHEMAS
from medcairn.lakehouse import build_silver, silver_from_resources

from .lake import Lake
from .resources import (
    CVX,
    ICD10CM,
    LOINC,
    RXNORM,
    SNOMED,
    SUBJECT,
    US_CORE,
    concept,
    condition,
    medication,
    observation,
    quantity,
)

CURRENT = {"version": 1, "superseded_time": None, "current": True}
"""Of a resource that is known in one version."""


def coding(system: str, code: str) -> dict[str, str]:
    return {"system": system, "code": code}


def test_patient(lake: Lake) -> None:
    race = {
        "url": "ombCategory",
        "valueCoding": {"system": "urn:oid:2.16.840.1.113883.6.238", "code": "2106-3"},
    }
    lake.build(
        {
            "resourceType": "Patient",
            "id": "p1",
            "gender": "female",
            "birthDate": "1950",
            "deceasedDateTime": "2021-02-03",
            "address": [{"postalCode": "021"}],
            "extension": [
                {"url": US_CORE + "race", "extension": [{"url": "text", "valueString": "x"}, race]},
                {"url": US_CORE + "birthsex", "valueCode": "F"},
                {"url": "urn:medcairn:follow-up-end", "valueDate": "2021-05-06"},
            ],
        }
    )
    assert lake.row("patient") == {
        "subject_id": "p1",
        "gender": "female",
        "birth_year": 1950,
        "birth_sex": "F",
        "race": "2106-3",
        "ethnicity": None,
        "deceased_time": "2021-02-03T00:00:00+00:00",
        "age_90_plus": False,
        "postal_area": "021",
        "follow_up_end": "2021-05-06T00:00:00+00:00",
        "available_time": None,
        **CURRENT,
    }


def test_ages_over_89_are_marked_by_de_identification(lake: Lake) -> None:
    mark = {"url": "urn:medcairn:age-90-plus", "valueBoolean": True}
    lake.build({"resourceType": "Patient", "id": "p1", "extension": [mark]})
    row = lake.row("patient")
    assert (row["birth_year"], row["age_90_plus"]) == (None, True)


def test_encounter(lake: Lake) -> None:
    lake.build(
        {
            "resourceType": "Encounter",
            "id": "e1",
            "status": "finished",
            "class": {"code": "IMP"},
            "type": [concept((SNOMED, "32485007"))],
            "subject": SUBJECT,
            "period": {"start": "2024-01-01T10:00:00-05:00", "end": "2024-01-03T10:00:00Z"},
            "reasonCode": [concept((SNOMED, "233604007"))],
            "hospitalization": {
                "admitSource": concept(("http://x", "emd")),
                "dischargeDisposition": concept(("http://x", "home")),
            },
        }
    )
    assert lake.row("encounter") == {
        "subject_id": "p1",
        "encounter_id": "e1",
        "status": "finished",
        "class_code": "IMP",
        "type_system": SNOMED,
        "type_code": "32485007",
        "start_time": "2024-01-01T15:00:00+00:00",
        "end_time": "2024-01-03T10:00:00+00:00",
        "admit_source": "emd",
        "discharge_disposition": "home",
        "reason_system": SNOMED,
        "reason_code": "233604007",
        "available_time": "2024-01-01T15:00:00+00:00",
        **CURRENT,
    }


def test_condition_is_one_row_with_all_codings(lake: Lake) -> None:
    lake.build(
        condition(
            ("http://local", "DM2"),
            (SNOMED, "44054006"),
            (ICD10CM, "E11.9"),
            category=[concept(("http://x", "encounter-diagnosis"))],
            encounter={"reference": "Encounter/e1"},
            clinicalStatus=concept(("http://x", "active")),
            verificationStatus=concept(("http://x", "confirmed")),
            onsetDateTime="2020-01-01",
            recordedDate="2020-02-01T00:00:00Z",
        )
    )
    row = lake.row("condition")
    concepts = row.pop("concepts")
    assert {"diabetes", "type2_diabetes"} <= set(concepts)
    assert len(concepts) == len(set(concepts))
    assert row == {
        "subject_id": "p1",
        "condition_id": "c1",
        "encounter_id": "e1",
        "category": "encounter-diagnosis",
        "system": SNOMED,  # the first coding that gives a concept
        "code": "44054006",
        "codings": [coding("http://local", "DM2"), coding(SNOMED, "44054006"), coding(ICD10CM, "E11.9")],
        "clinical_status": "active",
        "verification_status": "confirmed",
        "onset_time": "2020-01-01T00:00:00+00:00",
        "abatement_time": None,
        "recorded_time": "2020-02-01T00:00:00+00:00",
        "available_time": "2020-02-01T00:00:00+00:00",
        **CURRENT,
    }


def test_one_code_under_two_concepts_gives_both(lake: Lake) -> None:
    lake.build(condition((ICD10CM, "I11.0"), recordedDate="2020-02-01"))
    assert {"heart_failure", "hypertension"} <= set(lake.row("condition")["concepts"])


def test_a_condition_without_a_code_is_kept(lake: Lake) -> None:
    lake.build(condition(recordedDate="2020-02-01"))
    row = lake.row("condition")
    assert (row["system"], row["code"], row["codings"], row["concepts"]) == (None, None, [], [])


def test_the_first_coding_stands_for_a_fact_without_concepts(lake: Lake) -> None:
    lake.build(condition(("http://local", "A"), ("http://local", "B")))
    assert (lake.row("condition")["code"], lake.row("condition")["concepts"]) == ("A", [])


def test_observation(lake: Lake) -> None:
    lake.build(
        observation(
            "2345-7",
            category=[concept(("http://x", "laboratory"))],
            encounter={"reference": "Encounter/e1"},
            issued="2024-01-10T09:30:00Z",
            valueQuantity=quantity(99, "mg/dL"),
            referenceRange=[{"low": {"value": 70}, "high": {"value": 100}}],
            interpretation=[concept(("http://x", "N"))],
        )
    )
    assert lake.row("observation") == {
        "subject_id": "p1",
        "observation_id": "o1",
        "component": -1,
        "encounter_id": "e1",
        "status": "final",
        "category": "laboratory",
        "system": LOINC,
        "code": "2345-7",
        "codings": [coding(LOINC, "2345-7")],
        "concept": "glucose",
        "effective_time": "2024-01-10T08:00:00+00:00",
        "available_time": "2024-01-10T09:30:00+00:00",
        "value_type": "Quantity",
        "numeric_value": 99.0,
        "comparator": None,
        "unit": "mg/dL",
        "canonical_value": 99.0,
        "canonical_unit": "mg/dL",
        "value_system": None,
        "value_code": None,
        "value_boolean": None,
        "value_time": None,
        "reference_low": 70.0,
        "reference_high": 100.0,
        "interpretation": "N",
        "data_absent_reason": None,
        **CURRENT,
    }


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"valueQuantity": {"value": 3}}, {"value_type": "Quantity", "numeric_value": 3.0, "unit": None}),
        ({"valueInteger": 4}, {"value_type": "integer", "numeric_value": 4.0}),
        ({"valueBoolean": False}, {"value_type": "boolean", "value_boolean": False}),
        (
            {"valueCodeableConcept": concept((SNOMED, "266919005"))},
            {"value_type": "CodeableConcept", "value_system": SNOMED, "value_code": "266919005"},
        ),
        (
            {"valueDateTime": "2024-01-02"},
            {"value_type": "dateTime", "value_time": "2024-01-02T00:00:00+00:00"},
        ),
        ({"valueRange": {"low": quantity(1, "mg")}}, {"value_type": "Range", "numeric_value": None}),
        ({"valueRatio": {"numerator": quantity(1, "mg")}}, {"value_type": "Ratio"}),
        ({"valuePeriod": {"start": "2024"}}, {"value_type": "Period"}),
        ({"valueTime": "10:00:00"}, {"value_type": "time"}),
        (
            {"dataAbsentReason": concept(("http://x", "unknown"))},
            {"value_type": None, "data_absent_reason": "unknown"},
        ),
    ],
)
def test_every_kind_of_value(lake: Lake, members: dict[str, Any], expected: dict[str, Any]) -> None:
    lake.build(observation("1-1", **members))
    row = lake.row("observation")
    assert {name: row[name] for name in expected} == expected
    assert row["canonical_value"] is None


@pytest.mark.parametrize("panel", ["85354-9", "55284-4"])
def test_blood_pressure_comes_out_of_components(lake: Lake, panel: str) -> None:
    parts = [("8480-6", 120.0), ("8462-4", 80.0)]
    components = [
        {"code": concept((LOINC, code)), "valueQuantity": quantity(value, "mm[Hg]")} for code, value in parts
    ]
    lake.build(observation(panel, component=components))
    assert [(r["component"], r["concept"], r["canonical_value"]) for r in lake.rows("observation")] == [
        (0, "systolic_bp", 120.0),
        (1, "diastolic_bp", 80.0),
    ]


def test_a_component_has_its_own_range_interpretation_and_reason(lake: Lake) -> None:
    component = {
        "code": concept((LOINC, "8480-6")),
        "referenceRange": [{"high": {"value": 140}}],
        "interpretation": [concept(("http://x", "H"))],
        "dataAbsentReason": concept(("http://x", "error")),
    }
    lake.build(observation("85354-9", component=[component]))
    row = lake.row("observation")
    assert (row["component"], row["reference_high"], row["interpretation"], row["data_absent_reason"]) == (
        0,
        140.0,
        "H",
        "error",
    )


def test_a_panel_with_a_value_of_its_own_keeps_both(lake: Lake) -> None:
    component = {"code": concept((LOINC, "8480-6")), "valueQuantity": quantity(120, "mm[Hg]")}
    lake.build(observation("85354-9", valueCodeableConcept=concept((SNOMED, "1")), component=[component]))
    assert [(r["component"], r["value_code"]) for r in lake.rows("observation")] == [(-1, "1"), (0, None)]


def test_units_of_one_measurement_meet(lake: Lake) -> None:
    pairs = {
        "2345-7": ((99.0, "mg/dL"), (5.495, "mmol/L")),
        "2160-0": ((1.0, "mg/dL"), (88.4, "umol/L")),
        "8310-5": ((37.0, "Cel"), (98.6, "[degF]")),
        "29463-7": ((70.3, "kg"), (155.0, "[lb_av]")),
        "33914-3": ((61.5, "mL/min/{1.73_m2}"), (61.5, "mL/min")),
        "6690-2": ((7.2, "10*3/uL"), (7200.0, "/uL")),
    }
    for code, pair in pairs.items():
        lake.write(
            *(observation(code, id=f"{code}-{n}", valueQuantity=quantity(*q)) for n, q in enumerate(pair))
        )
    lake.build()
    rows = {row["observation_id"]: row for row in lake.rows("observation")}
    for code, (one, other) in pairs.items():
        first, second = rows[f"{code}-0"], rows[f"{code}-1"]
        assert first["canonical_value"] == second["canonical_value"] == one[0]
        assert first["canonical_unit"] == second["canonical_unit"] == one[1]
        assert (second["numeric_value"], second["unit"]) == other


def test_the_printed_unit_serves_when_the_coded_one_is_unknown(lake: Lake) -> None:
    lake.build(observation("2345-7", valueQuantity={"value": 99, "unit": "mg/dL", "code": "local"}))
    row = lake.row("observation")
    assert (row["canonical_value"], row["unit"]) == (99.0, "local")


def test_several_codes_of_one_result_are_one_measurement(lake: Lake) -> None:
    lake.build(observation("1-1", "2345-7", "2339-0", valueQuantity=quantity(99, "mg/dL")))
    row = lake.row("observation")
    assert (row["code"], row["concept"], row["canonical_value"]) == ("2345-7", "glucose", 99.0)
    assert [c["code"] for c in row["codings"]] == ["1-1", "2345-7", "2339-0"]


def test_a_coded_answer_counts_what_its_concept_says(lake: Lake) -> None:
    lake.build(observation("72166-2", valueCodeableConcept=concept((SNOMED, "266919005"))))
    row = lake.row("observation")
    assert (row["concept"], row["canonical_value"], row["numeric_value"]) == ("smoking_status", 0.0, None)


def test_entered_in_error_stays_with_its_status(lake: Lake) -> None:
    lake.build(observation("2345-7", status="entered-in-error", valueQuantity=quantity(99, "mg/dL")))
    assert lake.row("observation")["status"] == "entered-in-error"


def test_a_result_is_available_when_issued_and_not_before_it_held(lake: Lake) -> None:
    period = {"effectiveDateTime": None, "effectivePeriod": {"start": "2024-01-10", "end": "2024-01-11"}}
    cases: list[tuple[dict[str, Any], str, str]] = [
        ({"issued": "2024-01-12T00:00:00Z"}, "2024-01-10T08", "2024-01-12T00"),
        ({}, "2024-01-10T08", "2024-01-10T08"),
        ({"issued": "2024-01-09T00:00:00Z"}, "2024-01-10T08", "2024-01-10T08"),
        (period, "2024-01-10T00", "2024-01-11T00"),
        (
            {"effectiveDateTime": None, "effectiveInstant": "2024-01-10T08:00:00Z"},
            "2024-01-10T08",
            "2024-01-10T08",
        ),
    ]
    lake.build(*(observation("2345-7", id=f"o{n}", **members) for n, (members, _, _) in enumerate(cases)))
    rows = {row["observation_id"]: row for row in lake.rows("observation")}
    for n, (_, effective, available) in enumerate(cases):
        assert rows[f"o{n}"]["effective_time"].startswith(effective)
        assert rows[f"o{n}"]["available_time"].startswith(available)


def test_a_value_that_cannot_be_used_is_kept_without_canonical_value_and_quarantined(lake: Lake) -> None:
    cases: list[tuple[dict[str, Any], str]] = [
        (quantity(99000, "mg/dL"), "implausible_value"),
        (quantity(-1, "mg/dL"), "implausible_value"),
        (quantity(5, "mm[Hg]"), "other_dimension"),
        (quantity(5, "foo"), "unknown_unit"),
        ({"value": 99}, "no_unit"),
        ({**quantity(60, "mg/dL"), "comparator": ">"}, "censored_value"),
    ]
    values = [observation("2345-7", id=f"o{n}", valueQuantity=value) for n, (value, _) in enumerate(cases)]
    _, report = lake.build(*values)
    for row, (value, _) in zip(lake.rows("observation"), cases, strict=True):
        assert row["numeric_value"] == value["value"]
        assert row["comparator"] == value.get("comparator")
        assert row["canonical_value"] is row["canonical_unit"] is None
    assert lake.quarantine() == sorted(
        ("observation", reason, f"o{n}", 1, -1) for n, (_, reason) in enumerate(cases)
    )
    assert report.quarantined == {reason: 2 if reason == "implausible_value" else 1 for _, reason in cases}
    assert report.unusable == {"observation": report.quarantined}


def test_an_unusable_component_is_located(lake: Lake) -> None:
    component = {"code": concept((LOINC, "8480-6")), "valueQuantity": quantity(9999, "mm[Hg]")}
    lake.build(observation("85354-9", component=[component, component]))
    assert [(where, place) for _, where, _, _, place in lake.quarantine()] == [
        ("implausible_value", 0),
        ("implausible_value", 1),
    ]


def test_times_that_are_none_are_counted_once_a_resource(lake: Lake) -> None:
    component = {"code": concept((LOINC, "8480-6"))}
    lake.build(observation("85354-9", effectiveDateTime="2024-01", component=[component, component]))
    assert {row["effective_time"] for row in lake.rows("observation")} == {None}
    assert lake.quarantine() == [("observation", "partial_time", "o1", 1, None)]


def test_the_four_medication_resources_share_a_table(lake: Lake) -> None:
    period = {"start": "2024-02-01", "end": "2024-03-01"}
    _, report = lake.build(
        medication(
            "MedicationRequest",
            (RXNORM, "860975"),
            intent="order",
            authoredOn="2024-01-01T00:00:00Z",
            dispenseRequest={
                "validityPeriod": {"end": "2024-03-31"},
                "numberOfRepeatsAllowed": 2,
                "quantity": quantity(60, "{tbl}"),
                "expectedSupplyDuration": quantity(2, "wk"),
            },
        ),
        medication(
            "MedicationStatement",
            (RXNORM, "6809"),
            id="m2",
            effectivePeriod=period,
            dateAsserted="2024-02-05",
        ),
        medication(
            "MedicationDispense",
            (RXNORM, "6809"),
            id="m3",
            whenPrepared="2024-02-06",
            whenHandedOver="2024-02-07",
            daysSupply={"value": 30},
            quantity={"value": 90, "unit": "tablet"},
        ),
        medication(
            "MedicationAdministration",
            (RXNORM, "6809"),
            id="m4",
            effectivePeriod=period,
            dosage={"dose": quantity(500, "mg")},
        ),
    )
    columns = (
        "resource_type",
        "start_time",
        "end_time",
        "available_time",
        "days_supply",
        "quantity",
        "quantity_unit",
    )
    found = [tuple(str(row[name])[:10] for name in columns) for row in lake.rows("medication")]
    assert found == [
        ("Medication", "2024-01-01", "2024-03-31", "2024-01-01", "14.0", "60.0", "{tbl}"),
        ("Medication", "2024-02-01", "2024-03-01", "2024-02-05", "None", "None", "None"),
        ("Medication", "2024-02-01", "2024-03-01", "2024-03-01", "None", "500.0", "mg"),
        ("Medication", "2024-02-07", "None", "2024-02-07", "30.0", "90.0", "tablet"),
    ]
    rows = lake.rows("medication")
    assert [row["resource_type"] for row in rows] == [
        "MedicationRequest",
        "MedicationStatement",
        "MedicationAdministration",
        "MedicationDispense",
    ]
    assert (rows[0]["refills"], rows[0]["intent"], rows[0]["authored_time"][:4]) == (2, "order", "2024")
    assert all("metformin" in row["concepts"] for row in rows)
    assert report.quarantined == {}


def test_a_medication_by_reference_has_the_codings_of_its_medication(lake: Lake) -> None:
    ingredient = {"itemCodeableConcept": concept((RXNORM, "6809"))}
    _, report = lake.build(
        {"resourceType": "Medication", "id": "coded", "code": concept((RXNORM, "860975"))},
        {"resourceType": "Medication", "id": "mixed", "ingredient": [ingredient]},
        medication("MedicationRequest", id="m1", medicationReference={"reference": "Medication/coded"}),
        medication("MedicationRequest", id="m2", medicationReference={"reference": "Medication/mixed"}),
        medication("MedicationRequest", id="m3", medicationReference={"reference": "Medication/none"}),
    )
    rows = {row["medication_id"]: row for row in lake.rows("medication")}
    assert {id: row["code"] for id, row in rows.items()} == {"m1": "860975", "m2": "6809", "m3": None}
    assert "metformin" in rows["m1"]["concepts"] and "metformin" in rows["m2"]["concepts"]
    assert report.quarantined == {"medication_by_reference": 1}
    assert report.only_in_bronze == ()


def test_a_contained_medication_is_found(lake: Lake) -> None:
    contained = {"resourceType": "Medication", "id": "x", "code": concept((RXNORM, "860975"))}
    _, report = lake.build(
        medication("MedicationRequest", contained=[contained], medicationReference={"reference": "#x"})
    )
    assert lake.row("medication")["code"] == "860975"
    assert report.quarantined == {}


def test_an_order_not_to_give_is_no_medication(lake: Lake) -> None:
    _, report = lake.build(medication("MedicationRequest", (RXNORM, "860975"), doNotPerform=True))
    assert lake.rows("medication") == []
    assert report.quarantined == {"prohibited": 1}


@pytest.mark.parametrize(
    ("performed", "start", "end", "available"),
    [
        ({"performedDateTime": "2024-01-01"}, "2024-01-01", None, "2024-01-01"),
        (
            {"performedPeriod": {"start": "2024-01-01", "end": "2024-01-02"}},
            "2024-01-01",
            "2024-01-02",
            "2024-01-02",
        ),
    ],
)
def test_procedure(
    lake: Lake, performed: dict[str, Any], start: str, end: str | None, available: str
) -> None:
    midnight = "T00:00:00+00:00"
    lake.build(
        {
            "resourceType": "Procedure",
            "id": "x1",
            "status": "completed",
            "subject": SUBJECT,
            "code": concept((SNOMED, "265764009")),
            **performed,
        }
    )
    row = lake.row("procedure")
    assert (row["procedure_id"], row["status"], row["concepts"]) == ("x1", "completed", ["dialysis"])
    assert row["start_time"] == start + midnight
    assert row["end_time"] == (end + midnight if end else None)
    assert row["available_time"] == available + midnight


def test_immunization(lake: Lake) -> None:
    lake.build(
        {
            "resourceType": "Immunization",
            "id": "i1",
            "status": "completed",
            "vaccineCode": concept((CVX, "140")),
            "patient": SUBJECT,
            "encounter": {"reference": "Encounter/e1"},
            "occurrenceDateTime": "2024-01-01T10:00:00Z",
            "recorded": "2024-01-02",
        }
    )
    assert lake.row("immunization") == {
        "subject_id": "p1",
        "immunization_id": "i1",
        "encounter_id": "e1",
        "status": "completed",
        "system": CVX,
        "code": "140",
        "codings": [coding(CVX, "140")],
        "concepts": ["influenza_vaccine"],
        "occurrence_time": "2024-01-01T10:00:00+00:00",
        "recorded_time": "2024-01-02T00:00:00+00:00",
        "available_time": "2024-01-02T00:00:00+00:00",
        **CURRENT,
    }


def test_allergy(lake: Lake) -> None:
    lake.build(
        {
            "resourceType": "AllergyIntolerance",
            "id": "a1",
            "clinicalStatus": concept(("http://x", "active")),
            "verificationStatus": concept(("http://x", "confirmed")),
            "type": "allergy",
            "category": ["medication", "food"],
            "criticality": "high",
            "code": concept((RXNORM, "7980")),
            "patient": SUBJECT,
            "onsetDateTime": "2019-01-01",
            "recordedDate": "2018-01-01",
        }
    )
    row = lake.row("allergy")
    assert "penicillin_allergy" in row.pop("concepts")
    assert row == {
        "subject_id": "p1",
        "allergy_id": "a1",
        "clinical_status": "active",
        "verification_status": "confirmed",
        "type": "allergy",
        "category": ["medication", "food"],
        "criticality": "high",
        "system": RXNORM,
        "code": "7980",
        "codings": [coding(RXNORM, "7980")],
        "onset_time": "2019-01-01T00:00:00+00:00",
        "recorded_time": "2018-01-01T00:00:00+00:00",
        "available_time": "2019-01-01T00:00:00+00:00",
        **CURRENT,
    }


def test_diagnostic_report(lake: Lake) -> None:
    lake.build(
        {
            "resourceType": "DiagnosticReport",
            "id": "r1",
            "status": "final",
            "category": [concept(("http://x", "LAB"))],
            "code": concept((LOINC, "58410-2")),
            "subject": SUBJECT,
            "encounter": {"reference": "Encounter/e1"},
            "effectivePeriod": {"start": "2024-01-01", "end": "2024-01-02"},
            "issued": "2024-01-03T00:00:00Z",
            "result": [{"reference": "Observation/o1"}, {"reference": "x"}, {"reference": "Observation/o2"}],
        }
    )
    assert lake.row("diagnostic_report") == {
        "subject_id": "p1",
        "report_id": "r1",
        "encounter_id": "e1",
        "status": "final",
        "category": "LAB",
        "system": LOINC,
        "code": "58410-2",
        "codings": [coding(LOINC, "58410-2")],
        "concepts": [],
        "effective_time": "2024-01-01T00:00:00+00:00",
        "issued_time": "2024-01-03T00:00:00+00:00",
        "result_ids": ["o1", "o2"],
        "available_time": "2024-01-03T00:00:00+00:00",
        **CURRENT,
    }


def test_a_row_without_a_subject_is_quarantined(lake: Lake) -> None:
    resource = observation("2345-7", subject=None)
    group = observation("2345-7", id="o2", subject={"reference": "Group/g1"})
    _, report = lake.build(resource, group)
    assert lake.rows("observation") == []
    assert lake.quarantine() == [("observation", "no_subject", id, 1, None) for id in ("o1", "o2")]
    assert report.quarantined == {"no_subject": 2}


def test_unmapped_codes_are_reported_by_frequency_with_their_share(lake: Lake) -> None:
    codes = ["1-1", "2-2", "2-2", "2345-7"]
    _, report = lake.build(*(observation(code, id=f"o{n}") for n, code in enumerate(codes)))
    assert [(u.table, u.system, u.code, u.rows, u.share) for u in report.unmapped] == [
        ("observation", LOINC, "2-2", 2, 0.5),
        ("observation", LOINC, "1-1", 1, 0.25),
    ]
    assert report.concepts == {"glucose": 1}
    assert report.unmapped_text(most=1).splitlines()[1:] == [
        f"observation                 2  50.0%  {LOINC}|2-2"
    ]


def test_rows_are_sorted_and_every_table_is_there(lake: Lake) -> None:
    subjects = ["b", "a", "c"]
    lake.build(
        *(
            observation(
                "2345-7",
                id=f"{subject}{hour}",
                subject={"reference": f"Patient/{subject}"},
                effectiveDateTime=f"2024-01-01T{hour:02}:00:00Z",
            )
            for hour in (9, 8)
            for subject in subjects
        )
    )
    assert [row["observation_id"] for row in lake.rows("observation")] == ["a8", "a9", "b8", "b9", "c8", "c9"]
    assert {name: lake.table(name).num_rows for name in SILVER_SCHEMAS} == {
        name: 6 if name == "observation" else 0 for name in SILVER_SCHEMAS
    }


def test_text_in_bronze_that_is_no_resource_is_quarantined(lake: Lake) -> None:
    good, broken = observation("2345-7"), observation("2345-7", id="o2")
    lake.load(good, broken)
    [file] = delta_files(lake.bronze / "Observation")
    table = pq.ParquetFile(file).read()
    place = table.schema.get_field_index("resource")
    texts = [text if "o1" in text else text[:-1] for text in table.column("resource").to_pylist()]
    pq.write_table(table.set_column(place, table.schema.field(place), pa.array(texts)), file)
    report = lake.refine()
    assert lake.row("observation")["observation_id"] == "o1"
    assert lake.quarantine() == [("observation", "not_json", "o2", 1, None)]
    assert report.quarantined == {"not_json": 1}


def test_a_corrupt_bronze_file_is_named(lake: Lake) -> None:
    lake.load(observation("2345-7"))
    file = delta_files(lake.bronze / "Observation")[0]
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(IntegrityError, match="cannot be read") as caught:
        lake.refine()
    assert caught.value.fields == {"file": file}


def test_a_folder_without_bronze_is_refused(lake: Lake) -> None:
    with pytest.raises(UsageError, match="no bronze tables"):
        build_silver(lake.bronze, lake.silver)


@pytest.mark.parametrize("broken", [b"{", b"[]", b'{"resourceType": "Patient"}', b'{"id": "1"}', b"\xff"])
def test_a_broken_resource_in_memory_is_located(broken: bytes) -> None:
    good = b'{"resourceType": "Observation", "id": "o1"}'
    with pytest.raises(DataError) as caught:
        silver_from_resources([good, broken])
    assert caught.value.fields == {"position": 2}


def test_no_resources_give_empty_tables() -> None:
    tables = silver_from_resources([])
    assert {name: table.schema for name, table in tables.items()} == dict(SILVER_SCHEMAS)
    assert not any(pc.any(pc.is_valid(table.column(0))).as_py() for table in tables.values())
