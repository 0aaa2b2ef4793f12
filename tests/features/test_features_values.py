"""Rows in, feature values out."""

from __future__ import annotations

import math

import pyarrow as pa
import pytest

from medcairn.core.errors import DataError
from medcairn.features import features_at, load_feature_set

from .silver_rows import Silver, feature, index_of

NOON = "2020-03-01T12:00"


def value(
    silver: Silver, source: str, concept: str, aggregate: str = "value", days: int | None = None
) -> object:
    """One feature of Ann at noon of 1 March 2020."""
    table = features_at(silver.tables(), index_of(("ann", NOON)), feature(source, concept, aggregate, days))
    return table.column("x")[0].as_py()


CREATININE = (
    Silver()
    .patient()
    .lab("creatinine", 0.9, "2019-03-01T12:00")
    .lab("creatinine", 1.0, "2020-02-20T12:00")
    .lab("creatinine", 1.6, "2020-02-25T12:00")
    .lab("creatinine", 1.3, "2020-02-28T12:00")
)


@pytest.mark.parametrize(
    ("aggregate", "days", "expected"),
    [
        ("last", 365, 1.3),
        ("first", 365, 1.0),
        ("first", None, 0.9),
        ("min", 365, 1.0),
        ("max", 365, 1.6),
        ("range", 365, 0.6),
        ("mean", 365, 1.3),
        ("mean", None, 1.2),
        ("count", 365, 3.0),
        ("count", None, 4.0),
        ("count", 1, 0.0),
        ("any", 5, 1.0),
        ("any", 1, 0.0),
        ("sd", 365, 0.3),
        ("days_since", 365, 2.0),
        ("days_since_first", 365, 10.0),
        ("last", 1, None),
        ("sd", 2, None),
        ("slope", 2, None),
    ],
)
def test_measurements(aggregate: str, days: int | None, expected: float | None) -> None:
    assert value(CREATININE, "measurement", "creatinine", aggregate, days) == expected


def test_a_slope_is_per_day() -> None:
    silver = Silver().patient()
    for day, weight in ((1, 80.0), (2, 80.5), (3, 81.0)):
        silver.lab("weight", weight, f"2020-02-0{day}")
    assert value(silver, "measurement", "weight", "slope", 365) == 0.5


def test_a_slope_of_values_at_one_instant_is_missing() -> None:
    silver = Silver().patient().lab("weight", 80, "2020-02-01").lab("weight", 81, "2020-02-01")
    assert value(silver, "measurement", "weight", "slope", 365) is None


@pytest.mark.parametrize(("aggregate", "expected"), [("last", 7.0), ("first", 5.0)])
def test_of_two_values_at_one_instant_last_takes_the_larger_and_first_the_smaller(
    aggregate: str, expected: float
) -> None:
    silver = Silver().patient().lab("glucose", 7, "2020-02-01").lab("glucose", 5, "2020-02-01")
    assert value(silver, "measurement", "glucose", aggregate, 365) == expected


@pytest.mark.parametrize(
    ("when", "available", "seen"),
    [
        (NOON, NOON, True),
        ("2020-03-01T12:01", "2020-03-01T12:01", False),
        ("2020-02-28", "2020-03-01T12:01", False),
        ("2020-03-01T12:01", "2020-02-28", False),
        ("2020-01-31T12:00", "2020-01-31T12:00", False),
        ("2020-01-31T12:01", "2020-01-31T12:01", True),
    ],
    ids=[
        "at the time",
        "after",
        "result came later",
        "dated later",
        "30 days ago",
        "just less than 30 days ago",
    ],
)
def test_the_window_is_open_at_its_start_and_closed_at_the_prediction_time(
    when: str, available: str, seen: bool
) -> None:
    silver = Silver().patient().lab("glucose", 90, when, available=available)
    assert value(silver, "measurement", "glucose", "count", 30) == float(seen)


@pytest.mark.parametrize("status", ["entered-in-error", "cancelled"])
def test_what_was_entered_in_error_is_no_fact(status: str) -> None:
    silver = Silver().patient().lab("glucose", 90, "2020-02-01", status=status)
    assert value(silver, "measurement", "glucose", "last", 365) is None
    assert value(silver, "measurement", "measurements", "count", 365) == 0.0


def test_a_refuted_condition_is_no_fact() -> None:
    silver = Silver().patient().condition("diabetes", "2020-01-01", verification="refuted")
    assert value(silver, "condition", "diabetes", "any") == 0.0


def test_a_value_that_could_not_be_used_is_no_measurement_of_its_concept() -> None:
    silver = Silver().patient().lab("glucose", None, "2020-02-01")
    assert value(silver, "measurement", "glucose", "count", 365) == 0.0
    assert value(silver, "measurement", "measurements", "count", 365) == 1.0


@pytest.mark.parametrize(
    ("onset", "recorded", "flag"),
    [
        ("1990-01-01", None, 1.0),
        ("1990-01-01", "2020-03-02", 0.0),
        ("2020-03-01", "2020-03-01", 1.0),
        (None, "2020-01-01", 1.0),
    ],
    ids=["long ago", "written down later", "today", "no onset stated"],
)
def test_a_condition_counts_once_it_is_on_record(
    onset: str | None, recorded: str | None, flag: float
) -> None:
    silver = Silver().patient().condition("diabetes", onset, recorded=recorded)
    assert value(silver, "condition", "diabetes", "any") == flag


def test_two_codings_of_one_condition_are_one_condition() -> None:
    silver = (
        Silver()
        .patient()
        .condition("diabetes", "2019-01-01", condition_id="c1")
        .condition(
            "diabetes",
            "2019-01-01",
            condition_id="c1",
            code="E11.9",
            system="http://hl7.org/fhir/sid/icd-10-cm",
        )
        .condition("asthma", "2019-01-01", code="195967001")
        .condition("asthma", "2020-02-15", code="195967001")
    )
    assert value(silver, "condition", "diabetes", "count") == 1.0
    assert value(silver, "condition", "conditions", "count") == 3.0
    assert value(silver, "condition", "conditions", "distinct") == 2.0
    assert value(silver, "condition", "conditions", "distinct", 30) == 1.0


def test_medications_and_procedures() -> None:
    silver = (
        Silver()
        .patient()
        .medication("metformin", "2020-02-01", code="6809")
        .medication("metformin", "2020-02-15", code="6809")
        .medication(None, "2020-02-16", code="161")
        .procedure("2020-02-20")
    )
    assert value(silver, "medication", "metformin", "any", 365) == 1.0
    assert value(silver, "medication", "insulin", "any", 365) == 0.0
    assert value(silver, "medication", "medications", "distinct", 365) == 2.0
    assert value(silver, "medication", "medications", "count", 20) == 2.0
    assert value(silver, "procedure", "dialysis", "days_since") == pytest.approx(10.5)


STAYS = (
    Silver()
    .patient()
    .stay("2019-12-01", "2019-12-05")
    .stay("2020-01-10", "2020-01-20")
    .encounter("EMER", "2020-02-24T20:00", "2020-02-25T08:00")
    .stay("2020-02-25T12:00", NOON, disposition="snf")
    .procedure("2020-02-26")
    .procedure("2020-02-20")
    .visit("2020-03-05")
)


@pytest.mark.parametrize(
    ("source", "concept", "aggregate", "days", "expected"),
    [
        ("encounter", "prior_stay", "count", 365, 2.0),
        ("encounter", "prior_stay", "count", 60, 1.0),
        ("encounter", "prior_stay", "count", 30, 0.0),
        ("encounter", "prior_stay", "sum", 365, 14.0),
        ("encounter", "prior_stay", "sum", 30, 0.0),
        ("encounter", "prior_stay", "max", 365, 10.0),
        ("encounter", "prior_stay", "max", 30, None),
        ("encounter", "prior_stay", "days_since", 365, 41.5),
        ("encounter", "emergency_visit", "count", 30, 1.0),
        ("encounter", "outpatient_visit", "count", 365, 0.0),
        ("index_stay", "length_days", "value", None, 5.0),
        ("index_stay", "emergency", "value", None, 1.0),
        ("index_stay", "to_facility", "value", None, 1.0),
        ("index_stay", "procedures", "value", None, 1.0),
        ("index_stay", "medications", "value", None, 0.0),
    ],
)
def test_use_of_care(
    source: str, concept: str, aggregate: str, days: int | None, expected: float | None
) -> None:
    assert value(STAYS, source, concept, aggregate, days) == expected


@pytest.mark.parametrize("concept", ["length_days", "emergency", "to_facility", "procedures"])
def test_without_a_stay_the_index_stay_is_missing(concept: str) -> None:
    silver = Silver().patient().stay("2020-01-10", "2020-01-20").procedure("2020-01-11")
    assert value(silver, "index_stay", concept) is None


def test_a_stay_under_way_has_a_length_so_far_and_no_discharge() -> None:
    silver = Silver().patient().stay("2020-02-28T12:00", "2020-03-09", disposition="snf")
    assert value(silver, "index_stay", "length_days") == 2.0
    assert value(silver, "index_stay", "to_facility") is None
    assert value(silver, "index_stay", "emergency") == 0.0


@pytest.mark.parametrize(
    ("born", "over_89", "age"),
    [(1950, False, 70.0), (1920, True, 90.0), (None, True, 90.0), (None, False, None)],
)
def test_age_is_a_difference_of_years_and_at_most_90(
    born: int | None, over_89: bool, age: float | None
) -> None:
    assert value(Silver().patient(born=born, over_89=over_89), "demographics", "age_years") == age


@pytest.mark.parametrize(
    ("gender", "female"), [("female", 1.0), ("male", 0.0), ("other", None), (None, None)]
)
def test_sex(gender: str | None, female: float | None) -> None:
    assert value(Silver().patient(gender=gender), "demographics", "female") == female


def test_missing_is_null_and_only_counts_are_zero() -> None:
    features = load_feature_set("clinical_core")
    table = features_at({}, index_of(("nobody", NOON)), features)
    zero = {"count", "any", "distinct", "sum"}
    for one in features.features:
        expected = 0.0 if one.aggregate.value in zero else None
        assert table.column(one.name)[0].as_py() == expected, one.name


def test_twins_whose_labs_came_in_other_units_have_equal_features() -> None:
    """Canonical values of 5.5 mmol/L and 99.0858 mg/dL differ in their last bits, not in any feature."""
    grams, moles = Silver().patient(), Silver().patient()
    for day, millimoles in ((1, 5.5), (7, 6.1), (20, 5.9)):
        canonical = round(millimoles * 18.0156, 6)
        grams.lab("glucose", canonical, f"2020-02-{day:02d}")
        moles.lab("glucose", math.nextafter(canonical, 0.0), f"2020-02-{day:02d}")
    features = load_feature_set("clinical_core")
    index = index_of(("ann", NOON))
    assert features_at(grams.tables(), index, features).equals(features_at(moles.tables(), index, features))


def test_rows_come_back_in_the_order_of_the_index() -> None:
    silver = Silver().patient("ann").patient("bob", born=1960)
    table = features_at(
        silver.tables(),
        index_of(("bob", "2020-01-01"), ("ann", "2020-01-01"), ("bob", "2010-01-01")),
        feature("demographics", "age_years"),
    )
    assert table.column("subject_id").to_pylist() == ["bob", "ann", "bob"]
    assert table.column("x").to_pylist() == [60.0, 70.0, 50.0]


def test_an_index_without_rows_gives_a_table_without_rows() -> None:
    table = features_at(STAYS.tables(), index_of(), load_feature_set("clinical_core"))
    assert table.num_rows == 0
    assert table.num_columns == 2 + len(load_feature_set("clinical_core").features)


def test_a_table_without_a_needed_column_is_refused_by_name() -> None:
    tables = STAYS.tables()
    tables["observation"] = tables["observation"].drop_columns(["canonical_value"])
    with pytest.raises(DataError, match="column=canonical_value"):
        features_at(tables, index_of(("ann", NOON)), feature("measurement", "glucose", "last", 30))


def test_an_index_with_a_null_is_refused() -> None:
    index = pa.table(
        {"subject_id": pa.array([None], pa.string()), "prediction_time": index_of(("a", NOON))[1]}
    )
    with pytest.raises(DataError, match="index table"):
        features_at({}, index, feature("demographics", "age_years"))


def test_an_impossible_value_is_an_error_and_not_quoted() -> None:
    silver = Silver().patient().lab("glucose", 7.7e12, "2020-02-01")
    with pytest.raises(DataError) as caught:
        value(silver, "measurement", "glucose", "last", 365)
    assert "7.7" not in str(caught.value) and "77" not in str(caught.value)
