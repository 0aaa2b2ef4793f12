"""Proportion of days covered, rows in and rows out, the same suite on DuckDB and on Spark."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from .gold_cases import Cases, Gold, Rows, columns, skip_without_spark
from .silver_by_hand import Row

CASES = Cases()
case = CASES.case


@pytest.fixture(scope="module", params=["duckdb", "spark"])
def gold(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Gold:
    """The rows of a case, on one engine."""
    if request.param == "spark":
        skip_without_spark()
    return CASES.built_by(request.param, tmp_path_factory.mktemp("gold"))


def fill(when: str, days: float | None, **more: Any) -> Row:
    given: dict[str, Any] = {
        "resource_type": "MedicationDispense",
        "status": "completed",
        "start_time": when,
        "days_supply": days,
        "concepts": ["atorvastatin", "statin"],
        "system": "rx",
        "code": "1",
    }
    return {**given, **more}


def of(rows: Rows, subject: str = "s1", days: int = 90) -> dict[str, Any]:
    """The row of one subject's statins in the period of so many days."""
    (found,) = [
        row
        for row in rows
        if (row["subject_id"], row["medication_class"], row["period_days"]) == (subject, "statin", days)
    ]
    return found


@case("medication_adherence", medication=[fill("2024-05-02", 30.0), fill("2024-06-11", 30.0)])
def test_days_are_counted_from_the_first_fill_to_the_end_of_the_period(rows: Rows) -> None:
    found = of(rows)
    assert (found["period_start"], found["period_end"]) == (date(2024, 4, 2), date(2024, 6, 30))
    assert (found["first_fill_date"], found["days_observed"]) == (date(2024, 5, 2), 60)
    assert (found["days_covered"], found["pdc"], found["is_adherent"]) == (50, 50 / 60, True)
    assert (found["evidence"], found["fills"], found["is_eligible"]) == ("dispensed", 2, False)


@case(
    "medication_adherence",
    medication=[
        fill("2023-09-23", 90.0),
        fill("2024-01-03", 90.0),
        fill("2024-03-25", 90.0, code="another strength"),
    ],
)
def test_what_is_left_of_the_same_ingredient_is_carried_forward(rows: Rows) -> None:
    """Fills in the manner of PQA's examples: the third is used from 2 April, when the second is used up."""
    found = of(rows, days=365)
    assert (found["days_observed"], found["days_covered"]) == (282, 270)
    assert (found["is_adherent"], found["is_eligible"]) == (True, True)


@case(
    "medication_adherence",
    medication=[
        fill("2024-05-02", 30.0),
        fill("2024-05-12", 30.0, concepts=["simvastatin", "statin"], code="2"),
    ],
)
def test_overlapping_fills_of_different_ingredients_count_once(rows: Rows) -> None:
    assert (of(rows)["days_covered"], of(rows)["fills"]) == (40, 2)


@case("medication_adherence", medication=[fill("2024-06-21", 90.0)])
def test_supply_beyond_the_end_of_the_period_does_not_count(rows: Rows) -> None:
    assert columns([of(rows)], "days_observed", "days_covered", "pdc") == [(10, 10, 1.0)]


@case(
    "medication_adherence",
    patient=[
        {"subject_id": "died", "deceased_time": "2024-06-10T15:00"},
        {"subject_id": "left", "follow_up_end": "2024-06-05"},
    ],
    medication=[fill("2024-06-01", 30.0, subject_id=subject) for subject in ("died", "left")],
)
def test_days_end_with_death_and_with_follow_up(rows: Rows) -> None:
    assert columns([of(rows, "died"), of(rows, "left")], "days_observed", "days_covered") == [
        (10, 10),
        (5, 5),
    ]


ORDER = {"resource_type": "MedicationRequest", "status": "active"}


@case(
    "medication_adherence",
    medication=[
        fill("2024-05-01", 90.0, **ORDER, subject_id="ordered"),
        fill("2024-05-01", 90.0, **ORDER, subject_id="both"),
        fill("2024-06-01", 15.0, subject_id="both"),
        fill("2024-06-01", None, **ORDER, subject_id="until", end_time="2024-06-10"),
    ],
)
def test_dispensing_is_better_evidence_than_an_order(rows: Rows) -> None:
    found = [of(rows, "ordered"), of(rows, "both"), of(rows, "until")]
    assert columns(found, "evidence", "fills", "days_covered") == [
        ("ordered", 1, 61),
        ("dispensed", 1, 15),
        ("ordered", 1, 10),
    ]


@case("medication_adherence", medication=[fill("2024-06-01", None)])
def test_fills_that_do_not_say_how_long_they_last_give_no_proportion(rows: Rows) -> None:
    assert columns([of(rows)], "fills", "fills_without_supply", "pdc", "evidence") == [(0, 1, None, None)]


@case(
    "medication_adherence",
    medication=[
        fill("2024-06-01", 30.0, status="entered-in-error"),
        fill("2024-06-02", 30.0, available_time="2024-07-02"),
        fill("2024-06-02", 30.0, superseded_time="2024-06-20", current=False),
        fill("2024-06-03", 30.0, resource_type="MedicationAdministration"),
        fill("2024-06-03", 30.0, concepts=["ibuprofen"]),
    ],
)
def test_void_and_unknown_fills_and_single_doses_are_left_out(rows: Rows) -> None:
    assert rows == []
