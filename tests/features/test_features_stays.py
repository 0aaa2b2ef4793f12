"""Use of care and the index stay: rows in, feature values out."""

from __future__ import annotations

import pytest

from .silver_rows import Silver
from .test_features_values import NOON, value

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
        ("encounter", "visit", "count", 365, 4.0),
        ("encounter", "visit", "days_since", 365, 5.0),
        ("index_stay", "stays_before", "value", None, 2.0),
        ("index_stay", "emergency_visits_before", "value", None, 0.0),
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
    ("disposition", "onward"), [("home", 0.0), ("snf", 1.0), ("01", 0.0), ("03", 1.0), (None, None)]
)
def test_where_a_stay_led_by_either_list_of_codes(disposition: str | None, onward: float | None) -> None:
    """HL7's discharge dispositions, and NUBC's as US Core servers send them."""
    silver = Silver().patient().stay("2020-02-25", NOON, disposition=disposition)
    assert value(silver, "index_stay", "to_facility") == onward


def test_of_stays_that_cover_the_index_the_one_that_ends_then_counts() -> None:
    silver = (
        Silver()
        .patient()
        .stay("2020-02-20T12:00", NOON, disposition="snf")
        .stay("2020-02-28T12:00", "2020-03-05", disposition="home")
    )
    assert value(silver, "index_stay", "length_days") == 10.0
    assert value(silver, "index_stay", "to_facility") == 1.0
