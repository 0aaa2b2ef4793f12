"""The interval time axis and ages over 89."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medcairn.deid.axis import Axis, Span, axis_of, followed_until, read_moment
from medcairn.deid.passage import Passage

from .clinic import AS_OF, Clinic, observation, patient


def span(*days: str, birth: str | None = None, died: str | None = None, as_of: date = date.min) -> Span:
    """A span of records."""
    found = Span(as_of)
    for day in days:
        found.note(day)
    if birth:
        found.born(birth)
    if died:
        found.death(died)
    return found


def moved(text: str, shift: int) -> str | None:
    """A date as it leaves, twice: worked out and remembered."""
    passage = Passage()
    passage.enter(Axis(shift, 1, None, False))
    found = passage.move(text)
    assert passage.moved.get(text) == found
    return None if found is None else str(json.loads(found))


def test_the_first_record_becomes_new_year_of_its_year_and_intervals_stay(clinic: Clinic) -> None:
    clinic.add(
        patient(),
        observation("later", "2021-02-03T08:15:30.500-05:00", issued="2021-02-04T00:00:00Z"),
        observation("first", "2020-03-01T23:30:00-05:00"),  # the 2nd in UTC
    )
    later, first = clinic.release().resources("Observation")
    assert first["effectiveDateTime"] == "2020-01-01T04:30:00Z"
    assert later["effectiveDateTime"] == "2020-12-04T13:15:30Z"
    assert later["issued"] == "2020-12-05T00:00:00Z"


def test_the_first_record_is_sought_in_all_types_and_files(clinic: Clinic) -> None:
    condition = {"resourceType": "Condition", "id": "c", "subject": {"reference": "Patient/p1"},
                 "onsetDateTime": "2018-06-30"}  # fmt: skip
    out = clinic.add(patient(), observation("o", "2018-07-02"), condition).release()
    assert out.resources("Condition")[0]["onsetDateTime"] == "2018-01-01"
    assert out.resources("Observation")[0]["effectiveDateTime"] == "2018-01-03"


def test_each_subject_has_an_axis_of_their_own(clinic: Clinic) -> None:
    clinic.add(patient("p1"), patient("p2"), observation("o1", "2018-06-30"))
    found = clinic.add(observation("o2", "2019-09-09", subject="p2")).release().resources("Observation")
    assert [each["effectiveDateTime"] for each in found] == ["2018-01-01", "2019-01-01"]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("2020-07-01", "2020-07-01"),
        ("2020-07", "2020"),
        ("2020", "2020"),
        ("2020-07-01T12:00:00", "2020-07-01T12:00:00Z"),
        ("2020-07-01T23:59:59+05:30", "2020-07-01T18:29:59Z"),
        ("2020-07-01T12:00:00.123456-05:00", "2020-07-01T17:00:00Z"),
        ("2020-13-01", None),
        ("2020-07-01T25:00:00Z", None),
        ("2020-07-01T10:99:00Z", None),
        ("2020-W27-1", None),
        ("20200701", None),
        ("last Tuesday", None),
        ("2020-07-01T10:Jane:00Z", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("", None),
    ],
)
def test_dates_in_every_precision(written: str, expected: str | None) -> None:
    assert moved(written, 0) == expected


@given(
    day=st.dates(date(1900, 1, 1), date(2100, 1, 1)),
    clock=st.times(),
    offset=st.integers(-14 * 4, 14 * 4),
    shift=st.integers(-365, 0),
    milliseconds=st.booleans(),
)
def test_a_moved_instant_is_the_instant_plus_whole_days(
    day: date, clock: time, offset: int, shift: int, milliseconds: bool
) -> None:
    local = f"{day.isoformat()}T{clock:%H:%M:%S}"
    sign, minutes = ("-" if offset < 0 else "+"), abs(offset) * 15
    text = f"{local}{'.125' if milliseconds else ''}{sign}{minutes // 60:02d}:{minutes % 60:02d}"
    expected = datetime.fromisoformat(text).astimezone(UTC) + timedelta(days=shift)
    assert moved(text, shift) == expected.strftime("%Y-%m-%dT%H:%M:%SZ")


@given(days=st.lists(st.dates(date(1930, 1, 1), date(2024, 12, 31)), min_size=1, max_size=30))
def test_a_span_holds_the_first_and_last_day(days: list[date]) -> None:
    found = span(*(day.isoformat() for day in days))
    assert (found.first, found.last) == (min(days).toordinal(), max(days).toordinal())
    axis = axis_of(found, date(2025, 1, 1))
    assert date.fromordinal(min(days).toordinal() + axis.shift) == date(min(days).year, 1, 1)


@given(
    one=st.lists(st.dates(date(1930, 1, 1), date(2024, 12, 31))),
    two=st.lists(st.dates(date(1930, 1, 1), date(2024, 12, 31))),
)
def test_merged_spans_are_the_span_of_all(one: list[date], two: list[date]) -> None:
    merged = span(*(day.isoformat() for day in one))
    merged.merge(span(*(day.isoformat() for day in two)))
    whole = span(*(day.isoformat() for day in one + two))
    assert (merged.first, merged.last) == (whole.first, whole.last)


@pytest.mark.parametrize(
    ("found", "as_of", "over_89", "birth_year"),
    [
        (span("2020-01-01", birth="1935-07-01"), "2025-06-30", False, 1935),
        (span("2020-01-01", birth="1935-06-30"), "2025-06-30", True, 1935),
        (span("2020-01-01", birth="1920-01-01"), "2025-06-30", True, 1935),
        (span("2020-12-31", birth="1960-06-01"), "2025-06-30", False, 1959),
        (span("1990-01-01", birth="1900-01-01", died="1995-01-01"), "2025-06-30", True, 1905),
        (span("1950-01-01", birth="1890-01-01", died="1960-01-01"), "2025-06-30", False, 1890),
        (span("2024-01-01", "2026-01-01", birth="1935-09-01"), "2025-06-30", True, 1935),
        (span("1930-01-01", "2021-01-01"), "2021-06-30", True, None),
        (span("2000-01-01"), "2021-06-30", False, None),
        (Span(date.min), "2021-06-30", False, None),
    ],
)
def test_ages_over_89(found: Span, as_of: str, over_89: bool, birth_year: int | None) -> None:
    axis = axis_of(found, date.fromisoformat(as_of))
    assert (axis.over_89, axis.birth_year) == (over_89, birth_year)


def test_a_subject_over_89_is_marked_and_telling_years_are_withheld(clinic: Clinic) -> None:
    clinic.add(patient(birthDate="1920-05-05"))
    clinic.add(observation("old", "1930-05-06"), observation("new", "2020-05-06", issued="1934-12-01"))
    out = clinic.release()
    (subject,) = out.resources("Patient")
    assert subject["birthDate"] == "1935"
    assert {"url": "urn:medcairn:age-90-plus", "valueBoolean": True} in subject["extension"]
    old, new = out.resources("Observation")
    assert "effectiveDateTime" not in old
    assert "issued" not in new
    assert new["effectiveDateTime"].startswith("2020")
    assert out.report.over_89 == 1
    assert out.report.withheld_dates == 2


def test_everybody_is_followed_up_to_the_same_day_whatever_their_shift(clinic: Clinic) -> None:
    """The day of the export, moved by a subject's own shift, would tell that shift."""
    for number, day in enumerate(("2020-01-01", "2020-07-01", "2020-12-31")):
        clinic.add(patient(f"p{number}"), observation(f"o{number}", day, subject=f"p{number}"))
    told = [each["extension"] for each in clinic.release().resources("Patient")]
    day = followed_until(AS_OF).isoformat()
    assert told == [[{"url": "urn:medcairn:follow-up-end", "valueDate": day}]] * 3


def test_no_follow_up_ends_before_the_day_that_is_told() -> None:
    for leap_day in range(366):
        first = date(2020, 1, 1) + timedelta(days=leap_day)
        shift = axis_of(span(first.isoformat()), AS_OF).shift
        assert AS_OF + timedelta(days=shift) >= followed_until(AS_OF)


def test_dates_without_a_subject_are_withheld_and_counted(clinic: Clinic) -> None:
    lonely = observation("o", "2020-01-01")
    del lonely["subject"]
    grouped = observation("g", "2020-01-01") | {"subject": {"reference": "Group/g1"}}
    out = clinic.add(patient(), lonely, grouped).release()
    found: list[Any] = out.resources("Observation")
    assert all("effectiveDateTime" not in each for each in found)
    assert out.report.facts()["withheld_dates"] == 2


@given(st.text())
def test_any_text_is_a_date_or_none(text: str) -> None:
    read_moment(text)
    found = moved(text, -10)
    assert found is None or found.strip("0123456789-:TZ") == ""
