"""The gold tables, rows in and rows out, the same suite on DuckDB and on Spark."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from .gold_cases import AS_OF, Cases, Gold, Rows, columns, skip_without_spark
from .silver_by_hand import LOINC, Row, time

CASES = Cases()
case = CASES.case


@pytest.fixture(scope="module", params=["duckdb", "spark"])
def gold(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Gold:
    """The rows of a case, on one engine."""
    if request.param == "spark":
        skip_without_spark()
    return CASES.built_by(request.param, tmp_path_factory.mktemp("gold"))


def reading(concept: str, when: str, value: float, **more: Any) -> Row:
    return {
        "concept": concept,
        "effective_time": when,
        "canonical_value": value,
        "canonical_unit": "u",
        **more,
    }


def glucose(when: str, value: float, **more: Any) -> Row:
    return reading("glucose", when, value, **{"system": LOINC, "code": "2345-7", **more})


# patient_vital_trends


@case(
    "patient_vital_trends",
    observation=[
        reading("systolic_bp", "2024-06-01T08:00", 150.0),
        reading("systolic_bp", "2024-06-01T20:00", 129.0),
        reading("diastolic_bp", "2024-06-01T08:00", 90.0),
        reading("heart_rate", "2024-06-01T08:00", 100.0),
        reading("heart_rate", "2024-06-02T08:00", 100.0001),
        reading("spo2", "2024-06-02T08:00", 97.0),
        reading("spo2", "2024-06-02T09:00", 89.9),
        reading("glucose", "2024-06-02T09:00", 89.9),
    ],
)
def test_vitals_are_summed_up_by_day_and_flagged(rows: Rows) -> None:
    assert columns(rows, "observation_date", "readings") == [(date(2024, 6, 1), 4), (date(2024, 6, 2), 3)]
    assert columns(rows, "systolic_bp_avg", "systolic_bp_min", "systolic_bp_max", "systolic_bp_count")[0] == (
        139.5, 129.0, 150.0, 2,
    )  # fmt: skip
    assert columns(rows, "hypertension_flag", "tachycardia_flag", "hypoxia_flag") == [
        (True, False, None),
        (None, True, True),
    ]
    assert rows[0]["known_time"] == time("2024-06-02")


@case(
    "patient_vital_trends",
    observation=[
        reading("systolic_bp", "2024-06-01T08:00", 140.0),
        reading("systolic_bp", "2024-06-01T09:00", 139.9999),
        reading("diastolic_bp", "2024-06-01T09:00", 60.0),
    ],
)
def test_an_average_just_under_the_limit_is_no_hypertension(rows: Rows) -> None:
    assert columns(rows, "hypertension_flag") == [False]


@case(
    "patient_vital_trends",
    observation=[
        reading("heart_rate", "2024-06-01T08:00", 70.0),
        reading("heart_rate", "2024-06-01T09:00", 90.0, available_time="2024-06-03"),
        reading("heart_rate", "2024-06-01T10:00", 50.0, superseded_time="2024-06-01T12:00"),
        reading("heart_rate", "2024-06-01T11:00", 60.0, superseded_time="2024-06-09", current=False),
        reading("heart_rate", "2024-06-01T11:30", 999.0, status="entered-in-error"),
        reading("heart_rate", "2024-06-04T11:30", 71.0, available_time="2024-06-07"),
        reading("heart_rate", "2024-06-30T11:30", 71.0, available_time=None),
        reading("heart_rate", "2024-07-01T11:30", 72.0),
    ],
)
def test_a_day_is_as_it_was_known_when_it_ended(rows: Rows) -> None:
    assert columns(rows, "observation_date", "heart_rate_avg", "heart_rate_count", "late_readings") == [
        (date(2024, 6, 1), 65.0, 2, 1),
        (date(2024, 6, 4), None, 0, 1),
    ]


@case("patient_vital_trends", observation=[reading("heart_rate", "1969-12-31T23:59", 70.0)])
def test_days_before_1970_are_days_too(rows: Rows) -> None:
    assert columns(rows, "observation_date", "known_time") == [(date(1969, 12, 31), time("1970-01-01"))]


# lab_result_trends


@case(
    "lab_result_trends",
    observation=[glucose("2024-01-15", 5.0), glucose("2024-03-15", 6.0), glucose("2024-05-15", 10.0)],
)
def test_averages_end_at_the_rows_own_time(rows: Rows) -> None:
    assert columns(rows, "value_7d_avg") == [5.0, 6.0, 10.0]
    assert columns(rows, "value_30d_avg") == [5.0, 6.0, 10.0]
    assert columns(rows, "value_90d_avg", "value_90d_count") == [(5.0, 1), (5.5, 2), (8.0, 2)]
    assert columns(rows, "previous_value", "percent_change", "days_since_previous") == [
        (None, None, None),
        (5.0, 20.0, 60),
        (6.0, 66.66666666666667, 61),
    ]


@case(
    "lab_result_trends",
    observation=[
        glucose("2024-05-01T00:00", 100.0),
        glucose("2024-05-08T00:00", 110.0),
        glucose("2024-05-14T23:59", 120.0),
    ],
)
def test_a_window_leaves_its_far_end_out(rows: Rows) -> None:
    assert columns(rows, "value_7d_avg") == [100.0, 110.0, 115.0]


@case(
    "lab_result_trends",
    observation=[
        glucose(f"2024-05-0{day}", value, subject_id=f"from {before} to {now}")
        for before, now in (
            (100.0, 105.0),
            (100.0, 95.0),
            (100.0, 106.0),
            (100.0, 94.0),
            (0.0, 0.0),
            (0.0, 1.0),
        )
        for day, value in ((1, before), (2, now))
    ],
)
def test_direction_and_change_come_from_the_previous_result(rows: Rows) -> None:
    second = [row for row in rows if row["previous_value"] is not None]
    assert columns(second, "subject_id", "trend_direction", "percent_change") == [
        ("from 0.0 to 0.0", "stable", None),
        ("from 0.0 to 1.0", "increasing", None),
        ("from 100.0 to 105.0", "stable", 5.0),
        ("from 100.0 to 106.0", "increasing", 6.0),
        ("from 100.0 to 94.0", "decreasing", -6.0),
        ("from 100.0 to 95.0", "stable", -5.0),
    ]


@case(
    "lab_result_trends",
    observation=[
        glucose("2024-05-01", 100.0),
        glucose("2024-05-02", 110.0),
        glucose("2024-05-02", 130.0, code="2339-0"),
    ],
)
def test_results_of_one_instant_share_their_windows_and_their_previous_result(rows: Rows) -> None:
    assert columns(rows, "value", "value_7d_avg", "previous_value", "loinc_code") == [
        (100.0, 100.0, None, "2345-7"),
        (110.0, 340 / 3, 100.0, "2345-7"),
        (130.0, 340 / 3, 100.0, "2339-0"),
    ]


@case(
    "lab_result_trends",
    observation=[
        glucose("2024-05-01", 100.0),
        glucose("2024-05-02", 200.0, available_time="2024-05-10"),
        glucose("2024-05-03", 120.0),
    ],
)
def test_a_late_result_changes_no_row_that_was_known_before_it(rows: Rows) -> None:
    assert columns(rows, "value", "value_7d_avg", "previous_value") == [
        (100.0, 100.0, None),
        (200.0, 150.0, 100.0),
        (120.0, 110.0, 100.0),
    ]


@case(
    "lab_result_trends",
    observation=[
        glucose("2024-05-01", 500.0, observation_id="x", superseded_time="2024-05-05", current=False),
        glucose("2024-05-01", 50.0, observation_id="x", version=2, available_time="2024-05-05"),
        glucose("2024-05-03", 100.0),
        glucose("2024-05-06", 110.0),
    ],
)
def test_a_corrected_result_counts_as_it_was_known(rows: Rows) -> None:
    assert columns(rows, "value", "version", "value_7d_avg") == [
        (50.0, 2, 50.0),
        (100.0, 1, 300.0),
        (110.0, 1, 260 / 3),
    ]


@case(
    "lab_result_trends",
    observation=[
        glucose("2024-06-01", 100.0, observation_id="x", superseded_time="2024-07-02", current=False),
        glucose("2024-06-01", 90.0, observation_id="x", version=2, available_time="2024-07-02"),
        glucose("2024-06-02", 300.0, available_time="2024-07-01T00:01"),
        glucose("2024-06-03", 110.0, available_time=AS_OF),
        glucose("2024-06-04", 120.0, superseded_time=AS_OF, current=False),
    ],
)
def test_rows_are_the_versions_known_at_as_of(rows: Rows) -> None:
    assert columns(rows, "value", "version", "value_7d_avg") == [(100.0, 1, 100.0), (110.0, 1, 105.0)]


@case(
    "lab_result_trends",
    observation=[
        glucose("2024-05-01", 300.0, observation_id="x", superseded_time="2024-05-04", current=False),
        glucose(
            "2024-05-01",
            300.0,
            observation_id="x",
            version=2,
            status="entered-in-error",
            available_time="2024-05-04",
        ),
        glucose("2024-05-03", 100.0),
        glucose("2024-05-06", 110.0),
    ],
)
def test_a_withdrawn_result_counted_until_it_was_withdrawn(rows: Rows) -> None:
    assert columns(rows, "value", "value_7d_avg") == [(100.0, 200.0), (110.0, 105.0)]


@case(
    "lab_result_trends",
    patient=[{"gender": "male"}],
    observation=[
        glucose("2024-05-01", 139.9),
        glucose("2024-05-02", 140.0),
        glucose("2024-05-03", 139.9, interpretation="HH"),
        glucose("2024-05-04", 200.0, interpretation="N"),
        glucose("2024-05-05", 100.0, reference_high=99.0),
        glucose("2024-05-06", 500.0, reference_low=60.0, reference_high=99.0),
        glucose("2024-05-07", 150.0, reference_low=60.0),
        reading("haemoglobin", "2024-05-08", 13.0),
        reading("potassium", "2024-05-08", 6.3),
        reading("bicarbonate", "2024-05-08", 25.0),
    ],
)
def test_what_counts_as_abnormal_is_told_by_the_result_else_its_range_else_the_limits(rows: Rows) -> None:
    assert columns(rows, "concept", "abnormal_severity", "abnormal_basis") == [
        ("bicarbonate", "normal", "limits"),
        ("glucose", "normal", "limits"),
        ("glucose", "abnormal", "limits"),
        ("glucose", "critical", "interpretation"),
        ("glucose", "normal", "interpretation"),
        ("glucose", "abnormal", "reference_range"),
        ("glucose", "critical", "reference_range"),
        ("glucose", "normal", "reference_range"),
        ("haemoglobin", "abnormal", "limits"),
        ("potassium", "critical", "limits"),
    ]
    assert columns(rows, "days_since_abnormal")[1:8] == [None, 0, 0, 1, 0, 0, 1]


@case(
    "lab_result_trends",
    patient=[{"gender": "male"}, {"subject_id": "s2"}, {"subject_id": "s3", "gender": None}],
    observation=[
        reading("haemoglobin", "2024-05-08", 13.0, subject_id=subject) for subject in ("s1", "s2", "s3")
    ],
)
def test_limits_follow_the_subjects_sex(rows: Rows) -> None:
    assert columns(rows, "subject_id", "is_abnormal") == [("s1", True), ("s2", False), ("s3", False)]
