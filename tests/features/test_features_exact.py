"""Batch, events, single rows and plain Python arithmetic agree to the last bit, whatever the record."""

from __future__ import annotations

from datetime import datetime

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medcairn.core.errors import SettingsError
from medcairn.core.labels import Label
from medcairn.core.silver import SILVER_SCHEMAS
from medcairn.features import features_at
from medcairn.features.compute import features_of_events
from medcairn.features.events import events_of
from medcairn.features.feature import Aggregate, Feature, Source, check_feature, feature_name
from medcairn.features.feature_set import FeatureSet
from medcairn.features.plan import columns_of, streams_of, tables_of
from medcairn.features.subject_rows import SubjectFeatures

from .plain_features import Plain, micros
from .records import CONCEPTS, NOW, Record, records
from .silver_rows import Row, at, index_of, table_of

FEW = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
INDEX = index_of(("ann", "2020-03-01T12:00"), ("bob", "2020-03-01T12:00"), ("ann", "2019-12-24"))
WINDOWS = (1, 30, 365, None)


def _everything() -> FeatureSet:
    """Every source, concept of the records, aggregate and window that fit together."""
    names: dict[Source, tuple[str, ...]] = {
        Source.DEMOGRAPHICS: ("age_years", "female"),
        Source.MEASUREMENT: ("creatinine", "glucose", "measurements", "measurement_times"),
        Source.CONDITION: ("diabetes", "conditions"),
        Source.MEDICATION: ("statin", "medications", "ingredients", "medication_classes"),
        Source.PROCEDURE: (*CONCEPTS["procedure"], "procedures"),
        Source.IMMUNIZATION: (*CONCEPTS["immunization"], "immunizations"),
        Source.ALLERGY: (*CONCEPTS["allergy"], "allergies"),
        Source.ENCOUNTER: ("prior_stay", "emergency_visit", "outpatient_visit", "visit"),
        Source.INDEX_STAY: (
            "length_days",
            "emergency",
            "to_facility",
            "procedures",
            "conditions",
            "emergency_visits_before",
            "stays_before",
        ),
        Source.SCORE: ("charlson", "elixhauser", "lace", "hospital", "polypharmacy", "egfr_ckd_epi_2021"),
    }
    found: dict[str, Feature] = {}
    for source, concepts in names.items():
        for concept in concepts:
            for aggregate in Aggregate:
                for window in WINDOWS:
                    name = feature_name(source, concept, aggregate, window)
                    feature = Feature(name, source, concept, aggregate, window)
                    try:
                        check_feature(feature, Label("x"))
                    except SettingsError:
                        continue
                    found.setdefault(name, feature)
    return FeatureSet("everything", 1, tuple(found.values()))


EVERYTHING = _everything()
ONLINE = SubjectFeatures(EVERYTHING)
BACKWARDS = SubjectFeatures(EVERYTHING, {name: s.names[::-1] for name, s in SILVER_SCHEMAS.items()})
BITS = tuple(f for f in EVERYTHING.features if f.concept != "egfr_ckd_epi_2021")


def tables(record: Record) -> dict[str, pa.Table]:
    return {name: table_of(name, rows) for name, rows in record.items()}


def bits(table: pa.Table) -> list[dict[str, str | None]]:
    """Every value as its exact text: equality would take 0.0 for -0.0."""
    return [
        {name: None if row[name] is None else float(row[name]).hex() for name in EVERYTHING.names}
        for row in table.to_pylist()
    ]


def of_index() -> list[tuple[str, datetime]]:
    rows = INDEX.to_pylist()
    return [(row["subject_id"], row["prediction_time"]) for row in rows]


def test_the_set_has_every_aggregate() -> None:
    assert {feature.aggregate for feature in EVERYTHING.features} == set(Aggregate)
    assert {feature.source for feature in EVERYTHING.features} == set(Source)


@FEW
@given(record=records())
def test_values_are_those_of_plain_python_to_the_last_bit(record: Record) -> None:
    found = features_at(tables(record), INDEX, EVERYTHING)
    for row, (subject, when) in zip(found.to_pylist(), of_index(), strict=True):
        plain = Plain(record, subject, when)
        expected = {feature.name: plain.value(feature) for feature in EVERYTHING.features}
        exact = {f.name: expected[f.name] for f in BITS}
        assert {name: row[name] for name in exact} == exact
        for name in set(EVERYTHING.names) - set(exact):  # powers: the last bit is the library's
            assert row[name] == (None if expected[name] is None else pytest.approx(expected[name], rel=1e-13))


@FEW
@given(record=records(), data=st.data())
def test_order_repetition_and_batches_of_rows_change_no_bit(record: Record, data: st.DataObject) -> None:
    expected = bits(features_at(tables(record), INDEX, EVERYTHING))
    shuffled = {
        name: data.draw(st.permutations(rows + rows[: len(rows) // 2])) for name, rows in record.items()
    }
    assert bits(features_at(tables(shuffled), INDEX, EVERYTHING)) == expected
    streams = streams_of(EVERYTHING)
    events = [
        events_of(name, batch, streams)
        for name, table in tables(shuffled).items()
        for batch in table.to_batches(max_chunksize=7)
    ]
    together = pa.concat_tables(data.draw(st.permutations(events)))
    assert bits(features_of_events(together, INDEX, EVERYTHING)) == expected


@FEW
@given(record=records())
def test_one_subject_alone_has_the_features_it_has_in_company(record: Record) -> None:
    together = bits(features_at(tables(record), INDEX, EVERYTHING))
    for place, (subject, _) in enumerate(of_index()):
        alone = {name: [r for r in rows if r["subject_id"] == subject] for name, rows in record.items()}
        one = features_at(tables(alone), INDEX.slice(place, 1), EVERYTHING)
        assert bits(one) == [together[place]]


@FEW
@given(record=records())
def test_single_rows_give_the_same_bits_as_columns(record: Record) -> None:
    together = bits(features_at(tables(record), INDEX, EVERYTHING))
    for place, (subject, when) in enumerate(of_index()):
        rows = {
            name: [as_tuple(name, row) for row in rows if row["subject_id"] == subject]
            for name, rows in record.items()
        }
        found = ONLINE.features(rows, micros(when) or 0)
        assert {n: None if v is None else v.hex() for n, v in found.items()} == together[place]
        turned = {name: [row[::-1] for row in some] for name, some in rows.items()}
        assert BACKWARDS.features(turned, micros(when) or 0) == found


def as_tuple(name: str, row: Row) -> tuple[object, ...]:
    """A row as the online path has it: a tuple in silver's order, times as microseconds."""
    cells = [row.get(column) for column in SILVER_SCHEMAS[name].names]
    return tuple(micros(cell) if isinstance(cell, datetime) else cell for cell in cells)


@FEW
@given(record=records())
def test_dictionaries_and_needed_columns_alone_give_the_same_bits(record: Record) -> None:
    """As the batch reads silver: text in dictionaries, and no column that the streams do not need."""
    streams = streams_of(EVERYTHING)
    pruned = {}
    for name in tables_of(streams):
        table = table_of(name, record.get(name, [])).select(columns_of(name, streams))
        for place, column in enumerate(table.columns):
            if column.type == pa.string():
                table = table.set_column(place, table.column_names[place], column.dictionary_encode())
        pruned[name] = table
    assert bits(features_at(pruned, INDEX, EVERYTHING)) == bits(
        features_at(tables(record), INDEX, EVERYTHING)
    )


def test_index_rows_that_are_equal_have_equal_features() -> None:
    record: Record = {"observation": [lab(1.0, "2020-01-01"), lab(2.0, "2020-02-01")]}
    twice = pa.concat_tables([INDEX, INDEX])
    rows = bits(features_at(tables(record), twice, EVERYTHING))
    assert rows[: len(rows) // 2] == rows[len(rows) // 2 :]


def lab(value: float, when: str) -> Row:
    return {
        "subject_id": "ann",
        "observation_id": when,
        "component": -1,
        "status": "final",
        "concept": "creatinine",
        "effective_time": at(when),
        "available_time": at(when),
        "canonical_value": value,
    }


@pytest.mark.parametrize("size", [1e6, 99_999_999.9999, 12_345_678.9])
def test_moments_of_large_values_are_exact(size: float) -> None:
    """Sums of squares beyond 64 bits, over values that differ in their last digit."""
    rows = [lab(size - 0.0001 * (n % 7), f"{1970 + n % 50}-01-{1 + n % 28:02d}") for n in range(200)]
    record: Record = {"observation": [{**row, "observation_id": str(n)} for n, row in enumerate(rows)]}
    found = features_at(tables(record), INDEX.slice(0, 1), EVERYTHING).to_pylist()[0]
    plain = Plain(record, "ann", NOW)
    for feature in EVERYTHING.features:
        if feature.concept == "creatinine":
            assert found[feature.name] == plain.value(feature), feature.name
