"""Features of chronic disease, rows in and rows out, the same suite on DuckDB and on Spark."""

from __future__ import annotations

from typing import Any

import pytest

from .gold_cases import Cases, Gold, Rows, columns, skip_without_spark
from .silver_by_hand import LOINC, time

CASES = Cases()
case = CASES.case


@pytest.fixture(scope="module", params=["duckdb", "spark"])
def gold(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Gold:
    """The rows of a case, on one engine."""
    if request.param == "spark":
        skip_without_spark()
    return CASES.built_by(request.param, tmp_path_factory.mktemp("gold"))


def reading(concept: str, when: str, value: float, **more: Any) -> dict[str, Any]:
    return {
        "concept": concept,
        "effective_time": when,
        "canonical_value": value,
        "canonical_unit": "u",
        **more,
    }


def glucose(when: str, value: float, **more: Any) -> dict[str, Any]:
    return reading("glucose", when, value, **{"system": LOINC, "code": "2345-7", **more})


DRUGS: list[dict[str, Any]] = [
    {"start_time": "2024-06-01", "system": "rx", "code": str(number), "concepts": ()} for number in range(5)
]


@case(
    "chronic_disease_features",
    patient=[{"gender": "male", "birth_year": 1950}],
    observation=[
        reading("systolic_bp", "2024-06-10", 150.0),
        reading("systolic_bp", "2024-06-20", 130.0),
        reading("systolic_bp", "2024-05-01", 300.0),
        glucose("2024-05-01", 100.0),
        glucose("2024-06-01", 160.0),
        glucose("2024-04-01", 999.0),
        reading("ldl", "2024-06-01", 100.0),
        reading("total_cholesterol", "2024-06-01", 240.0),
    ],
    condition=[
        {"onset_time": "2015-01-01", "concepts": ["diabetes", "type2_diabetes"]},
        {"onset_time": "2015-01-01", "concepts": ["ckd"], "verification_status": "refuted"},
        {"onset_time": "2024-08-01", "concepts": ["copd"], "available_time": "2024-08-01"},
        {"onset_time": "2015-01-01", "concepts": ["heart_failure"]},
    ],
    medication=[
        *DRUGS,
        {**DRUGS[0], "start_time": "2023-01-01"},
        {**DRUGS[0], "code": "6", "end_time": "2024-06-15"},
        {**DRUGS[0], "code": "7", "status": "stopped"},
    ],
    encounter=[
        {"start_time": "2024-06-01T00:00", "end_time": "2024-06-01T06:00", "class_code": "EMER"},
        {"start_time": "2024-06-02T00:00", "end_time": "2024-06-03T00:00", "class_code": "IMP"},
        {"start_time": "2024-06-30T00:00", "class_code": "AMB"},
        {"start_time": "2023-12-01T00:00", "end_time": "2023-12-02T00:00", "class_code": "IMP"},
    ],
)
def test_features_of_a_subject_at_a_day(rows: Rows) -> None:
    (found,) = rows
    assert (found["age_years"], found["gender"], found["is_deceased"]) == (74, "male", False)
    assert (found["systolic_bp_avg_30d"], found["systolic_bp_max_30d"]) == (140.0, 150.0)
    assert (found["glucose_avg_90d"], found["glucose_last_90d"], found["has_abnormal_glucose"]) == (
        130.0, 160.0, True,
    )  # fmt: skip
    assert found["hba1c_avg_90d"] is None and found["has_abnormal_hba1c"] is None
    assert found["abnormal_lab_count_90d"] == 2
    assert (found["active_medication_count"], found["medications_started_90d"]) == (5, 7)
    assert (found["polypharmacy_5"], found["polypharmacy_10"]) == (True, False)
    assert (found["encounter_count_180d"], found["emergency_count_180d"], found["inpatient_count_180d"]) == (
        3, 1, 1,
    )  # fmt: skip
    assert found["mean_encounter_hours_180d"] == 15.0
    assert found["diabetes_risk_flag"] is True
    assert (found["hypertension_risk_flag"], found["cvd_risk_flag"]) == (True, True)
    flags = ("has_diabetes", "has_hypertension", "has_ckd", "has_chf", "has_copd")
    assert columns([found], *flags) == [(True, False, False, True, False)]


PAST: dict[str, list[dict[str, Any]]] = {
    "patient": [{}],
    "observation": [glucose("2024-05-01", 100.0, observation_id="x")],
    "condition": [{"onset_time": "2015-01-01", "concepts": ["diabetes"], "condition_id": "c"}],
    "medication": [{**DRUGS[0], "start_time": "2024-04-20", "medication_id": "m"}],
    "encounter": [{"start_time": "2024-04-20", "end_time": "2024-04-21", "encounter_id": "e"}],
}
ENDED = {"superseded_time": "2024-05-11", "current": False}
LATER = {"available_time": "2024-05-11", "version": 2}
CHANGED: dict[str, list[dict[str, Any]]] = {
    "patient": [{**ENDED}, {**LATER, "gender": "male", "birth_year": 2000}],
    "observation": [
        {**PAST["observation"][0], **ENDED},
        {**PAST["observation"][0], **LATER, "canonical_value": 900.0},
        glucose("2024-05-02", 300.0, available_time="2024-05-12"),
        glucose("2024-05-20", 300.0),
    ],
    "condition": [
        {**PAST["condition"][0], **ENDED},
        {**PAST["condition"][0], **LATER, "verification_status": "entered-in-error"},
        {"onset_time": "2015-01-01", "concepts": ["ckd"], "available_time": "2024-05-12"},
    ],
    "medication": [{**PAST["medication"][0], **ENDED}, {**DRUGS[1], "start_time": "2024-05-20"}],
    "encounter": [{**PAST["encounter"][0], **ENDED}, {"start_time": "2024-06-01"}],
}


@case(
    "chronic_disease_features",
    index=[("changed", "2024-05-10"), ("unchanged", "2024-05-10")],
    **{
        table: [
            *({**row, "subject_id": "unchanged"} for row in PAST[table]),
            *({**row, "subject_id": "changed"} for row in CHANGED[table]),
        ]
        for table in PAST
    },
)
def test_nothing_that_became_known_after_the_index_changes_its_row(rows: Rows) -> None:
    changed, unchanged = rows
    assert changed == {**unchanged, "subject_id": "changed"}
    assert (changed["glucose_avg_90d"], changed["has_diabetes"], changed["age_years"]) == (100.0, True, 64)
    assert (changed["active_medication_count"], changed["encounter_count_180d"]) == (1, 1)


@case(
    "chronic_disease_features",
    patient=[{}, {"subject_id": "s2", "birth_year": None, "age_90_plus": True}],
    observation=[glucose("2024-05-01", 100.0), glucose("2024-06-01", 200.0)],
    index=[("s2", "2024-05-02"), ("s1", "2024-05-02"), ("s1", "2024-06-02"), ("s1", "2024-06-02")],
)
def test_a_row_for_each_index_row(rows: Rows) -> None:
    assert columns(rows, "subject_id", "feature_time", "age_years", "glucose_last_90d") == [
        ("s1", time("2024-05-02"), 64, 100.0),
        ("s1", time("2024-06-02"), 64, 200.0),
        ("s2", time("2024-05-02"), 90, None),
    ]
