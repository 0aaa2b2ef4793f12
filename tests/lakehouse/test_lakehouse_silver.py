"""Silver tables: resources in, rows out."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from medcairn.core.delta import delta_files
from medcairn.core.errors import DataError, IntegrityError, UsageError
from medcairn.lakehouse import SILVER_TABLES, build_bronze, build_silver, silver_from_resources
from medcairn.lakehouse.bronze import SCHEMA as BRONZE
from medcairn.lakehouse.commit import commit_table

from .lake import Lake

LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"
ICD10CM = "http://hl7.org/fhir/sid/icd-10-cm"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
US_CORE = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-"


def concept(*codings: tuple[str, str]) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code} for system, code in codings]}


def observation(*codes: str, id: str = "o1", **members: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": id,
        "status": "final",
        "subject": {"reference": "Patient/p1"},
        "code": concept(*((LOINC, code) for code in codes)),
        "effectiveDateTime": "2024-01-10T08:00:00Z",
        **members,
    }


def quantity(value: float, unit: str) -> dict[str, Any]:
    return {"value": value, "unit": unit, "system": "http://unitsofmeasure.org", "code": unit}


def condition(*codings: tuple[str, str], **members: Any) -> dict[str, Any]:
    return {
        "resourceType": "Condition",
        "id": "c1",
        "subject": {"reference": "Patient/p1"},
        "code": concept(*codings),
        **members,
    }


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
            "subject": {"reference": "Patient/p1"},
            "period": {"start": "2024-01-01T10:00:00-05:00", "end": "2024-01-03T10:00:00Z"},
            "reasonCode": [concept((SNOMED, "233604007"))],
            "hospitalization": {"dischargeDisposition": concept(("http://x", "home"))},
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
        "discharge_disposition": "home",
        "reason_system": SNOMED,
        "reason_code": "233604007",
        "available_time": "2024-01-01T15:00:00+00:00",
    }


def test_condition_has_a_row_for_each_coding_and_one_id(lake: Lake) -> None:
    lake.build(
        condition(
            (SNOMED, "44054006"),
            (ICD10CM, "E11.9"),
            ("http://local", "DM2"),
            encounter={"reference": "Encounter/e1"},
            clinicalStatus=concept(("http://x", "active")),
            verificationStatus=concept(("http://x", "confirmed")),
            onsetDateTime="2020-01-01",
            recordedDate="2020-02-01T00:00:00Z",
        )
    )
    rows = lake.rows("condition")
    assert {row["condition_id"] for row in rows} == {"c1"}
    assert [(row["code"], row["concept"]) for row in rows] == [
        ("44054006", "diabetes"),
        ("E11.9", None),  # the same fact under a second code of the same concept counts once
        ("DM2", None),
    ]
    assert rows[0] | {"code": "", "system": ""} == {
        "subject_id": "p1",
        "condition_id": "c1",
        "encounter_id": "e1",
        "system": "",
        "code": "",
        "concept": "diabetes",
        "clinical_status": "active",
        "verification_status": "confirmed",
        "onset_time": "2020-01-01T00:00:00+00:00",
        "abatement_time": None,
        "recorded_time": "2020-02-01T00:00:00+00:00",
        "available_time": "2020-02-01T00:00:00+00:00",
    }


def test_one_code_under_two_condition_concepts_gives_two_rows(lake: Lake) -> None:
    lake.build(condition((ICD10CM, "I11.0"), recordedDate="2020-02-01"))
    assert sorted(row["concept"] for row in lake.rows("condition")) == ["heart_failure", "hypertension"]


def test_a_condition_without_a_code_is_kept(lake: Lake) -> None:
    lake.build({k: v for k, v in condition(recordedDate="2020-02-01").items() if k != "code"})
    assert lake.row("condition")["code"] is None


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
        "concept": "glucose",
        "effective_time": "2024-01-10T08:00:00+00:00",
        "available_time": "2024-01-10T09:30:00+00:00",
        "numeric_value": 99.0,
        "unit": "mg/dL",
        "canonical_value": 99.0,
        "canonical_unit": "mg/dL",
        "value_system": None,
        "value_code": None,
        "reference_low": 70.0,
        "reference_high": 100.0,
        "interpretation": "N",
    }


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


def test_a_panel_with_a_value_of_its_own_keeps_both(lake: Lake) -> None:
    component = {"code": concept((LOINC, "8480-6")), "valueQuantity": quantity(120, "mm[Hg]")}
    lake.build(observation("85354-9", valueCodeableConcept=concept((SNOMED, "1")), component=[component]))
    assert [(r["component"], r["value_code"]) for r in lake.rows("observation")] == [(-1, "1"), (0, None)]


def test_units_of_one_measurement_meet(lake: Lake) -> None:
    pairs = {
        "2345-7": ((99.0858, "mg/dL"), (5.5, "mmol/L")),
        "2160-0": ((1.0, "mg/dL"), (88.42, "umol/L")),
        "8310-5": ((37.0, "Cel"), (98.6, "[degF]")),
        "29463-7": ((69.853225, "kg"), (154.0, "[lb_av]")),
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
    assert lake.row("observation")["canonical_value"] == 99.0


def test_several_codes_of_one_result_are_one_measurement(lake: Lake) -> None:
    lake.build(observation("2345-7", "2339-0", valueQuantity=quantity(99, "mg/dL")))
    rows = lake.rows("observation")
    assert [(r["code"], r["concept"], r["canonical_value"]) for r in rows] == [
        ("2345-7", "glucose", 99.0),
        ("2339-0", None, None),
    ]


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
    ]
    for n, (members, _, _) in enumerate(cases):
        resource = observation("2345-7", id=f"o{n}", **members)
        lake.write({name: value for name, value in resource.items() if value is not None})
    lake.build()
    rows = {row["observation_id"]: row for row in lake.rows("observation")}
    for n, (_, effective, available) in enumerate(cases):
        assert rows[f"o{n}"]["effective_time"].startswith(effective)
        assert rows[f"o{n}"]["available_time"].startswith(available)


def test_a_value_that_cannot_be_used_is_kept_without_canonical_value_and_quarantined(lake: Lake) -> None:
    cases: list[tuple[dict[str, Any], str]] = [
        (quantity(99000, "mg/dL"), "implausible_value"),
        (quantity(-1, "mg/dL"), "implausible_value"),
        (quantity(5, "mg/g{creat}"), "unknown_unit"),
        ({"value": 99}, "unknown_unit"),
        ({**quantity(60, "mg/dL"), "comparator": ">"}, "censored_value"),
    ]
    values = [observation("2345-7", id=f"o{n}", valueQuantity=value) for n, (value, _) in enumerate(cases)]
    _, report = lake.build(*values)
    for row, (value, _) in zip(lake.rows("observation"), cases, strict=True):
        assert row["numeric_value"] == value["value"]
        assert row["canonical_value"] is row["canonical_unit"] is None
    file = "Observation.000.ndjson"
    assert lake.quarantine() == [
        ("observation", reason, file, n) for n, (_, reason) in enumerate(cases, start=1)
    ]
    assert report.quarantined == {"censored_value": 1, "implausible_value": 2, "unknown_unit": 2}


def test_times(lake: Lake) -> None:
    cases: list[tuple[str, str | None, str | None]] = [
        ("2024-01-10T08:00:00+02:00", "2024-01-10T06:00:00+00:00", None),
        ("2024-01-10T08:00:00.250Z", "2024-01-10T08:00:00.250000+00:00", None),
        ("2024-01-10", "2024-01-10T00:00:00+00:00", None),
        ("2024-01", None, "partial_time"),
        ("2024", None, "partial_time"),
        ("2024-02-30", None, "invalid_time"),
        ("2024-01-10T08:00:00", None, "invalid_time"),
        ("99999-01-10", None, "invalid_time"),
    ]
    lake.build(*(observation("1-1", id=f"o{n}", effectiveDateTime=t) for n, (t, _, _) in enumerate(cases)))
    rows = {row["observation_id"]: row["effective_time"] for row in lake.rows("observation")}
    assert [rows[f"o{n}"] for n in range(len(cases))] == [time for _, time, _ in cases]
    expected = [(reason, n) for n, (_, _, reason) in enumerate(cases, start=1) if reason]
    assert [(reason, line) for _, reason, _, line in lake.quarantine()] == expected


def test_medication_request_and_statement_share_a_table(lake: Lake) -> None:
    request = {
        "resourceType": "MedicationRequest",
        "id": "m1",
        "status": "active",
        "subject": {"reference": "Patient/p1"},
        "authoredOn": "2024-01-01T00:00:00Z",
        "medicationCodeableConcept": concept((RXNORM, "860975")),
        "dispenseRequest": {"validityPeriod": {"end": "2024-03-31"}},
    }
    statement = {
        "resourceType": "MedicationStatement",
        "id": "m2",
        "status": "active",
        "subject": {"reference": "Patient/p1"},
        "effectivePeriod": {"start": "2024-02-01"},
        "dateAsserted": "2024-02-05",
        "medicationCodeableConcept": concept((RXNORM, "746030")),
    }
    lake.build(request, statement)
    rows = lake.rows("medication")
    assert [(r["medication_id"], r["resource_type"], r["concept"]) for r in rows] == [
        ("m1", "MedicationRequest", "metformin"),
        ("m2", "MedicationStatement", "beta_blocker"),
        ("m2", "MedicationStatement", "diuretic"),
    ]
    assert rows[0]["end_time"] == "2024-03-31T00:00:00+00:00"
    assert rows[0]["available_time"] == "2024-01-01T00:00:00+00:00"
    assert rows[1]["start_time"] == "2024-02-01T00:00:00+00:00"
    assert rows[1]["available_time"] == "2024-02-05T00:00:00+00:00"


def test_a_medication_by_reference_is_kept_and_counted(lake: Lake) -> None:
    _, report = lake.build(
        {
            "resourceType": "MedicationRequest",
            "id": "m1",
            "subject": {"reference": "Patient/p1"},
            "authoredOn": "2024-01-01",
            "medicationReference": {"reference": "Medication/x"},
        }
    )
    assert lake.row("medication")["code"] is None
    assert report.quarantined == {"medication_by_reference": 1}


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
            "subject": {"reference": "Patient/p1"},
            "code": concept((SNOMED, "265764009")),
            **performed,
        }
    )
    row = lake.row("procedure")
    assert (row["procedure_id"], row["concept"]) == ("x1", "dialysis")
    assert row["start_time"] == start + midnight
    assert row["end_time"] == (end + midnight if end else None)
    assert row["available_time"] == available + midnight


def test_a_row_without_a_subject_is_quarantined(lake: Lake) -> None:
    resource = observation("2345-7")
    del resource["subject"]
    group = observation("2345-7", id="o2", subject={"reference": "Group/g1"})
    _, report = lake.build(resource, group)
    assert lake.rows("observation") == []
    assert report.quarantined == {"no_subject": 2}


@pytest.mark.parametrize(
    ("metas", "kept"),
    [
        ([{"versionId": "2"}, {"versionId": "1"}], 0),
        ([{"versionId": "10"}, {"versionId": "9"}], 0),
        ([{"lastUpdated": "2024-01-02T00:00:00Z"}, {"lastUpdated": "2024-01-01T00:00:00Z"}], 0),
        ([{}, {}], 1),
    ],
)
def test_the_newest_version_wins(lake: Lake, metas: list[dict[str, str]], kept: int) -> None:
    versions = [
        observation("2345-7", meta=meta, valueQuantity=quantity(100 + n, "mg/dL"))
        for n, meta in enumerate(metas)
    ]
    _, report = lake.build(*versions)
    assert lake.row("observation")["numeric_value"] == 100 + kept
    assert report.quarantined == {"superseded": 1}
    assert lake.quarantine() == [("observation", "superseded", "Observation.000.ndjson", 2 - kept)]


def test_unmapped_codes_are_reported_by_frequency(lake: Lake) -> None:
    _, report = lake.build(*(observation(code, id=f"o{n}") for n, code in enumerate(["1-1", "2-2", "2-2"])))
    assert [(u.code, u.rows) for u in report.unmapped] == [("2-2", 2), ("1-1", 1)]
    assert report.concepts == {}


def test_text_in_bronze_that_the_engine_refuses_is_quarantined(lake: Lake) -> None:
    good = observation("2345-7", valueQuantity=quantity(99, "mg/dL"))
    rows = [("o1", json.dumps(good)), ("o2", '{"resourceType": "Observation", "id": "o2"')]
    columns = {
        "id": [id for id, _ in rows],
        "version_id": [None, None],
        "last_updated": [None, None],
        "resource": [text for _, text in rows],
        "content_hash": [b"", b""],
        "source_file": ["x.ndjson", "x.ndjson"],
        "source_line": [1, 2],
    }
    folder = lake.bronze / "Observation"
    folder.mkdir()
    pq.write_table(pa.table(columns, schema=BRONZE), folder / "part-00000.parquet")
    commit_table(folder, BRONZE, [folder / "part-00000.parquet"])
    report = build_silver(lake.bronze, lake.silver)
    assert lake.row("observation")["observation_id"] == "o1"
    assert lake.quarantine() == [("observation", "not_json", "x.ndjson", 2)]
    assert report.quarantined == {"not_json": 1}


def test_a_corrupt_bronze_file_is_named(lake: Lake) -> None:
    lake.write(observation("2345-7"))
    build_bronze(lake.source, lake.bronze)
    file = delta_files(lake.bronze / "Observation")[0]
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(IntegrityError, match="cannot be read") as caught:
        build_silver(lake.bronze, lake.silver)
    assert caught.value.fields == {"file": file}


def test_a_folder_without_bronze_is_refused(lake: Lake) -> None:
    with pytest.raises(UsageError, match="no bronze tables"):
        build_silver(lake.bronze, lake.silver)


@pytest.mark.parametrize("broken", [b"{", b"[]", b'{"resourceType": "Patient"}', b'{"id": "1"}', b"\xff"])
def test_a_broken_resource_in_memory_is_located(broken: bytes) -> None:
    good = json.dumps(observation("2345-7")).encode()
    with pytest.raises(DataError) as caught:
        silver_from_resources([good, broken])
    assert caught.value.fields == {"position": 2}


def test_no_resources_give_empty_tables() -> None:
    tables = silver_from_resources([])
    assert {name: table.schema for name, table in tables.items()} == {
        name: table.schema for name, table in SILVER_TABLES.items()
    }
