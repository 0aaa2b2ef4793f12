"""The four normalized tables, on DuckDB and on Spark, and as views of one's own."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import duckdb
import pytest

from medcairn.core.errors import UsageError
from medcairn.lakehouse.gold import DUCKDB, NORMALIZED_TABLES, SPARK, normalized_view

from .gold_cases import AS_OF, Cases, Gold, Rows, columns, skip_without_spark
from .silver_by_hand import LOINC, time, write_silver

CASES = Cases()
case = CASES.case
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"


@pytest.fixture(scope="module", params=["duckdb", "spark"])
def gold(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Gold:
    """The rows of a case, on one engine."""
    if request.param == "spark":
        skip_without_spark()
    return CASES.built_by(request.param, tmp_path_factory.mktemp("normalized"))


@case(
    "observations_normalized",
    patient=[{}],
    observation=[
        {
            "effective_time": "2024-05-01T23:30",
            "category": "laboratory",
            "system": "urn:local",
            "code": "GLU",
            "codings": [{"system": "urn:local", "code": "GLU"}, {"system": LOINC, "code": "2345-7"}],
            "concept": "glucose",
            "numeric_value": 27.0,
            "unit": "mmol/L",
            "canonical_value": 486.4,
            "canonical_unit": "mg/dL",
            "reference_low": 3.9,
            "reference_high": 5.6,
        },
        {"effective_time": "2024-05-02", "value_type": "CodeableConcept", "value_code": "260385009"},
        {"effective_time": "2024-05-03", "numeric_value": 4.0, "reference_low": 3.5, "reference_high": 5.0},
        {"effective_time": "2024-05-04", "numeric_value": 4.0, "interpretation": "LL"},
        {"effective_time": "2024-05-05", "status": "entered-in-error"},
        {"effective_time": "2024-05-06", "current": False, "superseded_time": "2024-05-07"},
        {"effective_time": None, "value_type": "boolean", "value_boolean": True},
    ],
)
def test_observations_keep_what_came_and_say_what_is_abnormal(rows: Rows) -> None:
    assert columns(rows, "observation_date", "abnormal_severity", "is_abnormal", "abnormal_basis") == [
        (date(2024, 5, 1), "critical", True, "reference_range"),
        (date(2024, 5, 2), None, None, None),
        (date(2024, 5, 3), "normal", False, "reference_range"),
        (date(2024, 5, 4), "critical", True, "interpretation"),
        (None, None, None, None),
    ]
    assert columns(rows, "loinc_code", "code_system", "code", "value_numeric", "value_unit")[0] == (
        "2345-7", "urn:local", "GLU", 27.0, "mmol/L",
    )  # fmt: skip
    assert columns(rows, "canonical_value", "canonical_unit", "value_code")[:2] == [
        (486.4, "mg/dL", None),
        (None, None, "260385009"),
    ]
    assert columns(rows, "value_boolean")[4] is True
    assert rows[0]["patient_id"].endswith(rows[0]["subject_id"])


@case(
    "medications_normalized",
    medication=[
        {"start_time": "2024-05-01", "system": RXNORM, "code": "83367",
         "concepts": ["atorvastatin", "statin"]},
        {"start_time": "2024-05-02T22:00", "end_time": "2024-05-12T01:00", "refills": 2},
        {"start_time": "2024-05-03", "end_time": "2024-08-01"},
        {"start_time": "2024-05-04", "status": "stopped"},
        {"start_time": "2024-05-05", "status": "completed", "resource_type": "MedicationDispense",
         "days_supply": 90.0, "quantity": 90.0, "quantity_unit": "{tbl}"},
        {"start_time": "2024-05-06", "status": "completed", "resource_type": "MedicationDispense",
         "days_supply": 30.0},
        {"start_time": "2024-08-05"},
        {"start_time": "2024-08-06", "status": "not-taken"},
        {"start_time": "2024-08-07", "current": False},
    ],
)  # fmt: skip
def test_medications_say_how_long_they_last_and_whether_they_are_taken(rows: Rows) -> None:
    assert columns(rows, "start_date", "duration_days", "is_active") == [
        (date(2024, 5, 1), None, True),
        (date(2024, 5, 2), 10, False),
        (date(2024, 5, 3), 90, True),
        (date(2024, 5, 4), None, False),
        (date(2024, 5, 5), None, True),
        (date(2024, 5, 6), None, False),
        (date(2024, 8, 5), None, False),
    ]
    assert columns(rows, "rxnorm_code", "medication_concepts")[:2] == [
        ("83367", ["atorvastatin", "statin"]),
        (None, []),
    ]


@case(
    "patients_normalized",
    patient=[
        {"subject_id": "a", "birth_year": 2007},
        {"subject_id": "b", "birth_year": 2006, "gender": "male", "race": "2106-3"},
        {"subject_id": "c", "birth_year": 1934},
        {"subject_id": "d", "birth_year": None, "age_90_plus": True, "deceased_time": "2024-01-01"},
        {"subject_id": "e", "birth_year": None, "deceased_time": "2025-01-01"},
        {"subject_id": "f", "current": False, "superseded_time": "2024-01-01"},
    ],
)
def test_patients_have_an_age_in_years_and_in_decades(rows: Rows) -> None:
    assert columns(rows, "subject_id", "age_years", "age_bucket", "is_deceased") == [
        ("a", 17, "0-17", False),
        ("b", 18, "18-29", False),
        ("c", 90, "90+", False),
        ("d", 90, "90+", True),
        ("e", None, None, False),
    ]
    assert columns(rows, "gender", "race")[1] == ("male", "2106-3")


@case(
    "encounters_normalized",
    encounter=[
        {"start_time": "2024-05-01T20:00", "end_time": "2024-05-02T07:20", "class_code": "IMP"},
        {"start_time": "2024-05-03", "end_time": "2024-05-02", "class_code": "EMER"},
        {"start_time": "2024-05-04", "class_code": None, "type_code": "185347001"},
        {"start_time": "2024-05-05", "status": "cancelled"},
    ],
)
def test_encounters_have_a_class_and_a_length(rows: Rows) -> None:
    names = ("encounter_class", "duration_hours", "is_inpatient", "is_emergency", "is_outpatient")
    assert columns(rows, *names) == [
        ("IMP", 11 + 1 / 3, True, False, False),
        ("EMER", None, False, True, False),
        (None, None, False, False, False),
    ]
    assert columns(rows, "encounter_date", "encounter_type")[2] == (date(2024, 5, 4), "185347001")


@pytest.mark.parametrize("name", list(NORMALIZED_TABLES))
def test_a_view_of_ones_own_gives_the_columns(name: str, tmp_path: Path) -> None:
    silver = write_silver(tmp_path, patient=[{}], encounter=[{"start_time": "2024-05-01"}])
    connection = duckdb.connect()
    for table in NORMALIZED_TABLES[name].silver:
        file = silver / table / "part-00000.parquet"
        connection.execute(f"CREATE VIEW {DUCKDB.silver(table)} AS FROM '{file}'")
    connection.execute(f"CREATE VIEW mine AS {normalized_view(name, as_of=time(AS_OF))}")
    described = connection.execute("DESCRIBE mine").fetchall()
    columns_due = [item.split(":")[0] for item in NORMALIZED_TABLES[name].columns(None).split()]  # type: ignore[arg-type]
    assert [row[0] for row in described] == columns_due
    assert "unix_micros" in normalized_view("encounters_normalized", as_of=time(AS_OF), dialect=SPARK)


def test_an_unknown_view_is_refused_with_the_names_that_there_are() -> None:
    with pytest.raises(UsageError, match="patients_normalized"):
        normalized_view("lab_result_trends", as_of=time(AS_OF))
