"""Aggregates recomputed by the textbook's formulas in exact arithmetic; inputs are not changed."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from fractions import Fraction

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings

from medcairn.features import features_at, load_feature_set
from medcairn.features.feature_set import Aggregate, Feature, FeatureSet, Source

from .records import NOW, Record, records
from .silver_rows import Silver, index_of, table_of

FEW = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
Points = Sequence[tuple[datetime, Fraction]]


def spread(of: Sequence[Fraction]) -> float | None:
    if len(of) < 2:
        return None
    mean = sum(of, Fraction(0)) / len(of)
    return math.sqrt(sum(((v - mean) ** 2 for v in of), Fraction(0)) / (len(of) - 1))


def slope(points: Points) -> float | None:
    """Least squares by the textbook's centred sums, in exact arithmetic."""
    ages = [Fraction(math.ceil((when - NOW) / timedelta(seconds=1))) / 86_400 for when, _ in points]
    if len(set(ages)) < 2:
        return None
    middle = sum(ages, Fraction(0)) / len(ages)
    level = sum((v for _, v in points), Fraction(0)) / len(points)
    top = sum(((a - middle) * (v - level) for a, (_, v) in zip(ages, points, strict=True)), Fraction(0))
    return float(top / sum(((a - middle) ** 2 for a in ages), Fraction(0)))


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
def test_values_equal_those_of_the_textbook(record: Record) -> None:
    windows = (30, 365, None)
    features = [
        Feature(f"{a.value}_{w}", Source.MEASUREMENT, "glucose", a, w) for a in PLAIN for w in windows
    ]
    tables = {name: table_of(name, rows) for name, rows in record.items()}
    row = features_at(tables, index_of(("ann", "2020-03-01T12:00")), FeatureSet("t", 1, tuple(features)))
    for one in features:
        points = glucose(record, one.window_days)
        expected = PLAIN[one.aggregate](points) if points else None
        found = row.column(one.name)[0].as_py()
        if expected is None:
            assert found is None, one
        else:
            assert found == pytest.approx(expected, rel=1e-12, abs=1e-15), one


def glucose(record: Record, window_days: int | None) -> list[tuple[datetime, Fraction]]:
    """Ann's different glucose values in a window, by reading the rows one by one."""
    found: set[tuple[datetime, Fraction]] = set()
    for row in record["observation"]:
        known, until, value = row["available_time"], row["superseded_time"], row["canonical_value"]
        when = row["effective_time"] or known
        mine = row["subject_id"] == "ann" and row["concept"] == "glucose"
        if not mine or row["status"] == "entered-in-error" or not isinstance(value, float):
            continue
        if not isinstance(known, datetime) or not isinstance(when, datetime):
            continue
        ended = isinstance(until, datetime) and until <= NOW
        early = window_days is not None and when <= NOW - timedelta(days=window_days)
        if when <= NOW and known <= NOW and not ended and not early:
            found.add((when, Fraction(round(value * 10_000), 10_000)))
    return sorted(found)


def test_inputs_are_not_changed() -> None:
    given_tables = (
        Silver().patient().lab("glucose", 90, "2020-02-01").stay("2020-02-01", "2020-02-03").tables()
    )
    before = {name: table.to_pylist() for name, table in given_tables.items()}
    index = index_of(("ann", "2020-03-01T12:00"))
    features_at(given_tables, index, load_feature_set("clinical_core"))
    assert {name: table.to_pylist() for name, table in given_tables.items()} == before
    assert isinstance(index, pa.Table)
