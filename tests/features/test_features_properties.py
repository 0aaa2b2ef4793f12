"""What must hold for any record: no future, no order, no company; and the values recomputed another way."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from fractions import Fraction

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medcairn.features import features_at, load_feature_set
from medcairn.features.feature_set import Aggregate, Feature, FeatureSet, Source

from .silver_rows import Row, Silver, at, index_of, table_of

NOW = at("2020-03-01T12:00")
INDEX = index_of(("ann", "2020-03-01T12:00"), ("bob", "2020-03-01T12:00"), ("ann", "2019-12-24"))
CORE = load_feature_set("clinical_core")
FEW = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])

subjects = st.sampled_from(["ann", "bob"])
offsets = st.integers(-900 * 1440, 60 * 1440).map(lambda minutes: NOW + timedelta(minutes=minutes))
days = st.integers(-900, 60).map(lambda n: NOW + timedelta(days=n))
times = st.one_of(offsets, days)
later = st.integers(0, 10 * 1440).map(lambda minutes: timedelta(minutes=minutes))
values = st.decimals(0, 500, places=2).map(float)


@st.composite
def lab_rows(draw: st.DrawFn) -> Row:
    when = draw(times)
    return {
        "subject_id": draw(subjects),
        "observation_id": draw(st.uuids(version=4)).hex,
        "component": draw(st.sampled_from([-1, 0, 1])),
        "status": "final",
        "concept": draw(st.sampled_from(["creatinine", "glucose", "spo2", "hba1c", None])),
        "effective_time": when,
        "available_time": when + draw(later),
        "canonical_value": draw(st.one_of(values, st.none())),
    }


@st.composite
def condition_rows(draw: st.DrawFn) -> Row:
    onset = draw(times)
    return {
        "subject_id": draw(subjects),
        "condition_id": draw(st.uuids(version=4)).hex,
        "system": "http://snomed.info/sct",
        "code": draw(st.sampled_from(["1", "2", "3"])),
        "concept": draw(st.sampled_from(["diabetes", "copd", None])),
        "verification_status": "confirmed",
        "onset_time": onset,
        "available_time": onset + draw(later),
    }


@st.composite
def encounter_rows(draw: st.DrawFn) -> Row:
    start = draw(times)
    return {
        "subject_id": draw(subjects),
        "encounter_id": draw(st.uuids(version=4)).hex,
        "status": "finished",
        "class_code": draw(st.sampled_from(["IMP", "EMER", "AMB"])),
        "type_code": draw(st.sampled_from(["183452005", None])),
        "start_time": start,
        "end_time": draw(st.one_of(st.none(), later.map(lambda more: start + more))),
        "discharge_disposition": draw(st.sampled_from(["home", "snf", None])),
        "available_time": start,
    }


@st.composite
def records(draw: st.DrawFn) -> dict[str, list[Row]]:
    return {
        "patient": Silver().patient("ann").patient("bob", born=1990).rows["patient"],
        "observation": draw(st.lists(lab_rows(), max_size=25)),
        "condition": draw(st.lists(condition_rows(), max_size=10)),
        "encounter": draw(st.lists(encounter_rows(), max_size=10)),
    }


def tables(record: dict[str, list[Row]]) -> dict[str, pa.Table]:
    return {name: table_of(name, rows) for name, rows in record.items()}


def same_bits(one: pa.Table, other: pa.Table) -> bool:
    """Equal to the last bit; Arrow's equality would call 0.0 and -0.0 equal."""
    return one.equals(other) and all(
        [None if v is None else float(v).hex() for v in one.column(name).to_pylist()]
        == [None if v is None else float(v).hex() for v in other.column(name).to_pylist()]
        for name in CORE.names
    )


@FEW
@given(record=records(), data=st.data())
def test_order_and_repetition_of_rows_change_no_bit(
    record: dict[str, list[Row]], data: st.DataObject
) -> None:
    shuffled = {
        name: data.draw(st.permutations(rows + rows[: len(rows) // 2])) if name != "patient" else rows
        for name, rows in record.items()
    }
    assert same_bits(features_at(tables(record), INDEX, CORE), features_at(tables(shuffled), INDEX, CORE))


@FEW
@given(record=records())
def test_one_subject_alone_has_the_features_it_has_in_company(record: dict[str, list[Row]]) -> None:
    together = features_at(tables(record), INDEX, CORE)
    for place in range(INDEX.num_rows):
        subject = INDEX.column("subject_id")[place].as_py()
        alone = {name: [r for r in rows if r["subject_id"] == subject] for name, rows in record.items()}
        one = features_at(tables(alone), INDEX.slice(place, 1), CORE)
        assert same_bits(one, together.slice(place, 1))


def known_at(table: str, row: Row, moment: datetime) -> bool:
    """Whether the row, or any part of it, held and was known by ``moment``."""
    names = {"observation": "effective_time", "condition": "onset_time", "encounter": "start_time"}
    held, known = row[names[table]], row["available_time"]
    assert isinstance(held, datetime) and isinstance(known, datetime)
    return held <= moment and known <= moment


@FEW
@given(record=records(), other=records(), data=st.data())
def test_nothing_that_comes_later_changes_a_feature(
    record: dict[str, list[Row]], other: dict[str, list[Row]], data: st.DataObject
) -> None:
    """Rows not known by then are deleted, changed or added; ends of stays that end later are moved."""
    mutated = {"patient": record["patient"]}
    for name in ("observation", "condition", "encounter"):
        known = [dict(row) for row in record[name] if known_at(name, row, NOW)]
        for row in known:
            end = row.get("end_time")
            if name == "encounter" and (end is None or (isinstance(end, datetime) and end > NOW)):
                row["end_time"] = data.draw(st.one_of(st.none(), st.just(NOW + timedelta(days=40))))
                row["discharge_disposition"] = data.draw(st.sampled_from(["home", "snf", "exp", None]))
        mutated[name] = known + [row for row in other[name] if not known_at(name, row, NOW)]
    index = INDEX.slice(0, 2)
    assert same_bits(features_at(tables(record), index, CORE), features_at(tables(mutated), index, CORE))


def exactly(value: float) -> Fraction:
    return Fraction(round(value * 10_000), 10_000)


def spread(of: Sequence[Fraction]) -> float | None:
    if len(of) < 2:
        return None
    mean = sum(of, Fraction(0)) / len(of)
    return math.sqrt(sum(((v - mean) ** 2 for v in of), Fraction(0)) / (len(of) - 1))


def slope(points: Sequence[tuple[datetime, Fraction]]) -> float | None:
    """Least squares by the textbook's centred sums, in exact arithmetic."""
    ages = [Fraction(math.ceil((when - NOW) / timedelta(seconds=1))) / 86_400 for when, _ in points]
    if len(set(ages)) < 2:
        return None
    middle = sum(ages, Fraction(0)) / len(ages)
    level = sum((v for _, v in points), Fraction(0)) / len(points)
    top = sum(((a - middle) * (v - level) for a, (_, v) in zip(ages, points, strict=True)), Fraction(0))
    return float(top / sum(((a - middle) ** 2 for a in ages), Fraction(0)))


Points = Sequence[tuple[datetime, Fraction]]
PLAIN: dict[Aggregate, Callable[[Points], float | None]] = {
    Aggregate.LAST: lambda p: float(max(p)[1]),
    Aggregate.FIRST: lambda p: float(min(p)[1]),
    Aggregate.MIN: lambda p: float(min(v for _, v in p)),
    Aggregate.MAX: lambda p: float(max(v for _, v in p)),
    Aggregate.RANGE: lambda p: float(max(v for _, v in p) - min(v for _, v in p)),
    Aggregate.MEAN: lambda p: float(sum((v for _, v in p), Fraction(0)) / len(p)),
    Aggregate.SD: lambda p: spread([v for _, v in p]),
    Aggregate.SLOPE: slope,
    Aggregate.DAYS_SINCE: lambda p: (NOW - max(p)[0]) / timedelta(days=1),
    Aggregate.DAYS_SINCE_FIRST: lambda p: (NOW - min(p)[0]) / timedelta(days=1),
}


@FEW
@given(record=records())
def test_values_equal_those_of_plain_exact_arithmetic(record: dict[str, list[Row]]) -> None:
    windows = (30, 365, None)
    features = [
        Feature(f"{a.value}_{w}", Source.MEASUREMENT, "glucose", a, w) for a in PLAIN for w in windows
    ]
    row = features_at(
        tables(record), index_of(("ann", "2020-03-01T12:00")), FeatureSet("t", 1, tuple(features))
    )
    for one in features:
        points = glucose(record, one.window_days)
        expected = PLAIN[one.aggregate](points) if points else None
        found = row.column(one.name)[0].as_py()
        if expected is None:
            assert found is None, one
        else:
            assert found == pytest.approx(expected, rel=1e-12, abs=1e-15), one


def glucose(record: dict[str, list[Row]], window_days: int | None) -> list[tuple[datetime, Fraction]]:
    """Ann's glucose values in a window, by reading the rows one by one."""
    found: list[tuple[datetime, Fraction]] = []
    for row in record["observation"]:
        when, value = row["effective_time"], row["canonical_value"]
        assert isinstance(when, datetime)
        early = window_days is not None and when <= NOW - timedelta(days=window_days)
        mine = row["subject_id"] == "ann" and row["concept"] == "glucose"
        if mine and isinstance(value, float) and not early and known_at("observation", row, NOW):
            found.append((when, exactly(value)))
    return found


def test_inputs_are_not_changed() -> None:
    given_tables = (
        Silver().patient().lab("glucose", 90, "2020-02-01").stay("2020-02-01", "2020-02-03").tables()
    )
    before = {name: table.to_pylist() for name, table in given_tables.items()}
    features_at(given_tables, INDEX, CORE)
    assert {name: table.to_pylist() for name, table in given_tables.items()} == before
