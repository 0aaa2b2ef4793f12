"""Rows in, feature values out."""

from __future__ import annotations

import math

import pyarrow as pa
import pytest

from medcairn.core.concepts import canonical_value
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


def test_a_condition_of_two_concepts_counts_for_both_and_once_in_all() -> None:
    silver = (
        Silver()
        .patient()
        .condition(["type2_diabetes", "diabetes"], "2019-01-01")
        .condition("asthma", "2019-01-01", code="195967001")
        .condition("asthma", "2020-02-15", code="195967001")
        .condition(None, "2020-02-15", code="1")
    )
    assert value(silver, "condition", "diabetes", "count") == 1.0
    assert value(silver, "condition", "type2_diabetes", "any") == 1.0
    assert value(silver, "condition", "conditions", "count") == 4.0
    assert value(silver, "condition", "conditions", "distinct") == 3.0
    assert value(silver, "condition", "conditions", "distinct", 30) == 2.0


def test_two_conditions_that_began_together_are_two_and_one_row_twice_is_one() -> None:
    silver = (
        Silver()
        .patient()
        .condition("asthma", "2019-01-01", rid="a")
        .condition("asthma", "2019-01-01", rid="b")
        .condition("asthma", "2019-01-01", rid="b")
    )
    assert value(silver, "condition", "asthma", "count") == 2.0


def test_equal_results_of_one_instant_are_one_measurement() -> None:
    silver = Silver().patient().lab("glucose", 5, "2020-02-01").lab("glucose", 5, "2020-02-01")
    silver.lab("glucose", 7, "2020-02-01").lab(None, None, "2020-02-03")
    assert value(silver, "measurement", "glucose", "count", 365) == 2.0
    assert value(silver, "measurement", "measurements", "count", 365) == 4.0
    assert value(silver, "measurement", "measurement_times", "count", 365) == 2.0


@pytest.mark.parametrize(("days", "missing"), [(365, 0.0), (20, 1.0)])
def test_missing_says_that_nothing_was_measured(days: int, missing: float) -> None:
    silver = Silver().patient().lab("glucose", 90, "2020-02-01")
    assert value(silver, "measurement", "glucose", "missing", days) == missing


def test_medications_and_procedures() -> None:
    silver = (
        Silver()
        .patient()
        .medication("metformin", "2020-02-01", code="6809")
        .medication("metformin", "2020-02-15", code="6809")
        .medication(None, "2020-02-16", code="161")
        .medication(["atorvastatin", "statin", "lipid_drug"], "2020-02-16", code="83367")
        .procedure("2020-02-20")
    )
    assert value(silver, "medication", "metformin", "any", 365) == 1.0
    assert value(silver, "medication", "insulin", "any", 365) == 0.0
    assert value(silver, "medication", "statin", "any", 365) == 1.0
    assert value(silver, "medication", "medications", "distinct", 365) == 3.0
    assert value(silver, "medication", "medications", "count", 20) == 3.0
    assert value(silver, "medication", "ingredients", "distinct", 365) == 2.0
    assert value(silver, "medication", "medication_classes", "distinct", 365) == 2.0
    assert value(silver, "procedure", "dialysis", "days_since") == pytest.approx(10.5)


def test_immunizations_and_allergies() -> None:
    silver = (
        Silver()
        .patient()
        .immunization("2019-10-01")
        .immunization("2018-10-01", "influenza_vaccine", status="not-done")
        .immunization("2019-10-01", "tdap_td_vaccine", code="115")
        .allergy("2001-01-01", ["penicillin_allergy", "drug_allergy"])
        .allergy("2001-01-01", "nut_allergy", verification="refuted")
    )
    assert value(silver, "immunization", "influenza_vaccine", "count") == 1.0
    assert value(silver, "immunization", "immunizations", "count", 365) == 2.0
    assert value(silver, "allergy", "drug_allergy", "any") == 1.0
    assert value(silver, "allergy", "allergies", "count") == 1.0


SUPPLIES = (
    Silver()
    .patient()
    .medication("statin", "2019-12-02T12:00", days_supply=30.0, rid="first")
    .medication("statin", "2019-12-22T12:00", days_supply=30.0, rid="early refill")
    .medication("statin", "2020-02-20T12:00", end="2020-03-20", rid="under way")
    .medication("statin", "2020-02-25T12:00", rid="nothing stated")
)


@pytest.mark.parametrize(
    ("days", "expected"),
    [(90, (50 + 10) / 90), (60, (20 + 10) / 60), (30, 1.0), (5, 1.0)],
    ids=["from the first supply", "a supply from before the window", "starts in the window", "all"],
)
def test_the_proportion_of_days_covered(days: int, expected: float) -> None:
    """Supplied from 2 December for 50 days (one refill came 10 days early), then from 20 February on. The
    period begins with the first day covered in the window and ends at the prediction time."""
    assert value(SUPPLIES, "medication", "statin", "pdc", days) == expected


def test_without_a_supply_there_is_no_adherence() -> None:
    assert value(SUPPLIES, "medication", "insulin", "pdc", 90) is None
    assert (
        value(Silver().patient().medication("statin", "2020-02-01"), "medication", "statin", "pdc", 90)
        is None
    )


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
    zero = {"count": 0.0, "any": 0.0, "distinct": 0.0, "sum": 0.0, "missing": 1.0}
    counted = {"charlson", "charlson_quan_2011", "elixhauser", "polypharmacy", "hyperpolypharmacy"}
    for one in features.features:
        expected = 0.0 if one.concept in counted else zero.get(one.aggregate.value)
        assert table.column(one.name)[0].as_py() == expected, one.name


@pytest.mark.parametrize(
    ("concept", "unit", "twin_unit", "twin", "printed"),
    [
        ("glucose", "mg/dL", "mmol/L", [5.5, 6.11, 12.3], [99, 110, 222]),
        ("creatinine", "mg/dL", "umol/L", [88.4, 141.4, 79.6], [1.0, 1.6, 0.9]),
        ("ldl", "mg/dL", "mmol/L", [2.59, 4.01, 3.36], [100, 155, 130]),
        ("hba1c", "%", "mmol/mol", [42, 53, 75], [6.0, 7.0, 9.0]),
    ],
)
def test_twins_whose_labs_came_in_other_units_have_equal_features(
    concept: str, unit: str, twin_unit: str, twin: list[float], printed: list[float]
) -> None:
    """One laboratory prints mg/dL, the other mmol/L; both are the same three samples."""
    mass, molar = Silver().patient(), Silver().patient()
    for day, (one, other) in enumerate(zip(printed, twin, strict=True)):
        mass.lab(concept, canonical_value(concept, one, unit).value, f"2020-02-{2 * day + 1:02d}")
        molar.lab(concept, canonical_value(concept, other, twin_unit).value, f"2020-02-{2 * day + 1:02d}")
    features = load_feature_set("clinical_core")
    index = index_of(("ann", NOON))
    assert features_at(mass.tables(), index, features).equals(features_at(molar.tables(), index, features))


def test_a_value_that_differs_in_its_last_bit_gives_equal_features() -> None:
    one = Silver().patient().lab("glucose", 99.0858, "2020-02-01")
    other = Silver().patient().lab("glucose", math.nextafter(99.0858, 0.0), "2020-02-01")
    features = load_feature_set("clinical_core")
    index = index_of(("ann", NOON))
    assert features_at(one.tables(), index, features).equals(features_at(other.tables(), index, features))


@pytest.mark.parametrize(
    ("value_", "kept"),
    [(0.00005, 0.0), (0.00075, 0.0008), (0.00025, 0.0002), (1.23456, 1.2346)],
)
def test_values_are_kept_to_a_ten_thousandth_half_to_even(value_: float, kept: float) -> None:
    silver = Silver().patient().lab("creatinine", value_, "2020-02-01")
    assert value(silver, "measurement", "creatinine", "last", 365) == kept


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
    table = features_at(CREATININE.tables(), index_of(), load_feature_set("clinical_core"))
    assert table.num_rows == 0
    assert table.num_columns == 2 + len(load_feature_set("clinical_core").features)


def test_a_table_without_a_needed_column_is_refused_by_name() -> None:
    tables = CREATININE.tables()
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
