"""Point in time: what happens, is found out, corrected or withdrawn after the index changes no feature."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medcairn.features import features_at, load_feature_set
from medcairn.features.feature_set import FeatureSet

from .records import NOW, Record, records
from .silver_rows import Row, Silver, at, feature, index_of, table_of
from .test_features_exact import EVERYTHING

FEW = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
SETS = {"clinical_core": load_feature_set("clinical_core"), "everything": EVERYTHING}
INDEX = index_of(("ann", "2020-03-01T12:00"), ("bob", "2020-03-01T12:00"))
HELD = {
    "observation": "effective_time",
    "condition": "onset_time",
    "medication": "start_time",
    "procedure": "start_time",
    "immunization": "occurrence_time",
    "allergy": "onset_time",
    "encounter": "start_time",
}


def is_later(table: str, row: Row) -> bool:
    """Whether the row held, or could be known, only after the index."""
    held = row.get(HELD[table]) if table in HELD else None
    known = row.get("available_time")
    return any(isinstance(time, datetime) and time > NOW for time in (held, known))


@st.composite
def futures(draw: st.DrawFn, record: Record, other: Record) -> Record:
    """The record with another future: what is later is deleted, changed or taken from another record, and
    what is known by now is corrected, withdrawn or left alone later on."""
    changed: Record = {}
    later = st.integers(1, 400).map(lambda hours: NOW + timedelta(hours=hours))
    for table, rows in record.items():
        kept = [dict(row) for row in rows if not is_later(table, row)]
        for row in kept:
            until = row.get("superseded_time")
            if until is None or (isinstance(until, datetime) and until > NOW):
                row["superseded_time"] = draw(st.one_of(st.none(), later))
                row["current"] = draw(st.booleans())
            end = row.get("end_time")
            if table == "encounter" and (end is None or (isinstance(end, datetime) and end > NOW)):
                row["end_time"] = draw(st.one_of(st.none(), later))
                row["discharge_disposition"] = draw(st.sampled_from(["home", "snf", "exp", None]))
            if table == "medication" and isinstance(end, datetime) and end > NOW:
                row["end_time"] = draw(later)
        survivors = [dict(row) for row in rows if is_later(table, row) and draw(st.booleans())]
        news = [row for row in other[table] if is_later(table, row)] if table != "patient" else []
        changed[table] = kept + survivors + news
    return changed


def tables(record: Record) -> Mapping[str, pa.Table]:
    return {name: table_of(name, rows) for name, rows in record.items()}


def hexes(table: pa.Table, names: FeatureSet) -> list[list[str | None]]:
    return [
        [None if v is None else float(v).hex() for v in table.column(name).to_pylist()]
        for name in names.names
    ]


@FEW
@given(record=records(), other=records(), data=st.data())
@pytest.mark.parametrize("name", sorted(SETS))
def test_another_future_changes_no_feature(
    name: str, record: Record, other: Record, data: st.DataObject
) -> None:
    features = SETS[name]
    now = features_at(tables(record), INDEX, features)
    then = features_at(tables(data.draw(futures(record, other))), INDEX, features)
    assert hexes(now, features) == hexes(then, features)


@FEW
@given(record=records(), data=st.data())
def test_features_of_an_earlier_time_do_not_change_as_the_record_grows(
    record: Record, data: st.DataObject
) -> None:
    """What was known by a cut, as it was at the cut (nothing superseded yet), gives what the whole gives."""
    cut = NOW - timedelta(days=data.draw(st.integers(0, 400)))
    index = index_of(("ann", cut.replace(tzinfo=None).isoformat()))
    as_it_was: Record = {}
    for table, rows in record.items():
        as_it_was[table] = [
            {**row, "superseded_time": until if isinstance(until, datetime) and until <= cut else None}
            for row in rows
            for known, until in [(row.get("available_time"), row.get("superseded_time"))]
            if known is None or (isinstance(known, datetime) and known <= cut)
        ]
    whole = features_at(tables(record), index, EVERYTHING)
    assert hexes(features_at(tables(as_it_was), index, EVERYTHING), EVERYTHING) == hexes(whole, EVERYTHING)


def value(silver: Silver, when: str, aggregate: str = "last", days: int = 30) -> object:
    one = feature("measurement", "potassium", aggregate, days)
    return features_at(silver.tables(), index_of(("ann", when)), one).column("x")[0].as_py()


CORRECTED = (
    Silver()
    .patient()
    .lab("potassium", 7.9, "2020-02-01", rid="k", version=1, superseded="2020-02-03")
    .lab("potassium", 4.1, "2020-02-01", rid="k", version=2, available="2020-02-03", status="corrected")
)
WITHDRAWN = (
    Silver()
    .patient()
    .lab("potassium", 7.9, "2020-02-01", rid="k", version=1, superseded="2020-02-03")
    .lab(
        "potassium", 7.9, "2020-02-01", rid="k", version=2, available="2020-02-03", status="entered-in-error"
    )
)
DELETED = Silver().patient().lab("potassium", 7.9, "2020-02-01", rid="k", superseded="2020-02-03")


@pytest.mark.parametrize(
    ("silver", "before", "after"),
    [(CORRECTED, 7.9, 4.1), (WITHDRAWN, 7.9, None), (DELETED, 7.9, None)],
    ids=["corrected", "withdrawn", "deleted"],
)
def test_a_result_counts_as_it_was_then(silver: Silver, before: float, after: float | None) -> None:
    assert value(silver, "2020-02-02") == before
    assert value(silver, "2020-02-02T23:59") == before
    assert value(silver, "2020-02-03") == after
    assert value(silver, "2020-02-20") == after
    assert value(silver, "2020-02-20", "count") == (0.0 if after is None else 1.0)


def test_a_correction_without_a_time_replaces_what_was_before() -> None:
    silver = (
        Silver()
        .patient()
        .lab("potassium", 7.9, "2020-02-01", rid="k", superseded="2020-02-01", current=False)
        .lab("potassium", 4.1, "2020-02-01", rid="k", version=2, status="corrected")
    )
    assert value(silver, "2020-02-01") == 4.1


def test_a_result_that_was_never_available_never_counts() -> None:
    assert value(Silver().patient().lab("potassium", 4.0, "2020-02-01", available=None), "2020-02-20") is None


def test_a_patient_counts_from_the_beginning_unless_it_says_otherwise() -> None:
    one = feature("demographics", "female")
    silver = (
        Silver()
        .patient(gender="male", version=1, superseded="2020-01-10", current=False)
        .patient(gender="female", version=2, available="2020-01-10")
    )
    table = features_at(silver.tables(), index_of(("ann", "2020-01-09"), ("ann", "2020-01-10")), one)
    assert table.column("x").to_pylist() == [0.0, 1.0]


@pytest.mark.parametrize(
    ("when", "mean"), [("2020-01-15", 5.0), ("2020-03-15", 6.0), ("2020-05-15", 10.0), ("2020-05-23", None)]
)
def test_averages_of_seven_days_are_those_of_seven_days(when: str, mean: float | None) -> None:
    """Values 5, 6 and 10 across five months: a window that orders time as text averages all of them."""
    silver = Silver().patient()
    for day, level in (("2020-01-14", 5.0), ("2020-03-14", 6.0), ("2020-05-14", 10.0)):
        silver.lab("potassium", level, day)
    assert value(silver, when, "mean", 7) == mean
    assert value(silver, when, "max", 7) == mean


def test_a_result_that_was_taken_before_and_came_after_the_index_does_not_count() -> None:
    silver = Silver().patient().lab("potassium", 4.0, "2020-02-01", available="2020-02-10")
    assert value(silver, "2020-02-09") is None
    assert value(silver, "2020-02-10") == 4.0


def test_times_are_instants_and_not_days() -> None:
    silver = (
        Silver().patient().lab("potassium", 4.0, "2020-02-01T00:00").lab("potassium", 5.0, "2020-01-31T23:59")
    )
    assert value(silver, "2020-02-01") == 4.0
    assert at("2020-02-01") - at("2020-01-31T23:59") == timedelta(minutes=1)
