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
    observation,
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
