"""Rows that state no fact: a dose not given is no exposure. Batch and single rows alike."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import pytest

from medcairn.core.silver import VOID
from medcairn.features import FeatureSet, SubjectFeatures, features_at
from medcairn.features.feature_set import Aggregate, Feature, Source

from .plain_features import micros
from .silver_rows import Silver, at, index_of

NOON = "2020-03-01T12:00"
LAST_MONTH = "2020-02-15"
MEDICATION = {
    "taken": ("statin", Aggregate.ANY),
    "times": ("statin", Aggregate.COUNT),
    "days_since": ("statin", Aggregate.DAYS_SINCE),
    "covered": ("statin", Aggregate.PDC),
    "medications": ("medications", Aggregate.COUNT),
    "ingredients": ("ingredients", Aggregate.DISTINCT),
    "classes": ("medication_classes", Aggregate.DISTINCT),
}
ANYTHING = {
    Source.MEASUREMENT: ("measurements", "measurement_times", "glucose"),
    Source.CONDITION: ("conditions", "diabetes"),
    Source.MEDICATION: ("medications", "statin"),
    Source.PROCEDURE: ("procedures", "dialysis"),
    Source.IMMUNIZATION: ("immunizations", "influenza_vaccine"),
    Source.ALLERGY: ("allergies", "penicillin_allergy"),
    Source.ENCOUNTER: ("visit", "prior_stay"),
}


def both_ways(silver: Silver, features: FeatureSet) -> Mapping[str, float | None]:
    """Ann's features at noon of 1 March 2020, which are the same of columns and of single rows."""
    (batch,) = features_at(silver.tables(), index_of(("ann", NOON)), features).to_pylist()
    rows = {
        table: [
            tuple(micros(cell) if isinstance(cell, datetime) else cell for cell in row.values())
            for row in some
        ]
        for table, some in silver.rows.items()
    }
    online = SubjectFeatures(features).features(rows, micros(at(NOON)) or 0)
    assert {name: batch[name] for name in features.names} == online
    return online


@pytest.mark.parametrize(
    ("resource_type", "status", "exposed"),
    [
        ("MedicationAdministration", "completed", True),
        ("MedicationAdministration", "in-progress", True),
        ("MedicationAdministration", "not-done", False),
        ("MedicationDispense", "completed", True),
        ("MedicationDispense", "declined", False),
        ("MedicationDispense", "preparation", False),
        ("MedicationStatement", "not-taken", False),
    ],
)
def test_what_was_not_given_is_no_exposure(resource_type: str, status: str, exposed: bool) -> None:
    features = FeatureSet(
        "exposure",
        1,
        tuple(Feature(name, Source.MEDICATION, *about, 365) for name, about in MEDICATION.items()),
    )
    silver = Silver().patient()
    silver.medication(
        ["atorvastatin", "statin"],
        LAST_MONTH,
        days_supply=30.0,
        status=status,
        resource_type=resource_type,
    )
    none = {"taken": 0.0, "times": 0.0, "days_since": None, "covered": None}
    taken = {"taken": 1.0, "times": 1.0, "days_since": 15.5, "covered": 1.0}
    counted = float(exposed)
    assert both_ways(silver, features) == {
        **(taken if exposed else none),
        **dict.fromkeys(("medications", "ingredients", "classes"), counted),
    }


@pytest.mark.parametrize(
    ("table", "status"), [(table, status) for table, (_, statuses) in VOID.items() for status in statuses]
)
def test_a_row_of_a_void_status_counts_nowhere(table: str, status: str) -> None:
    """Each row counts with the status that its table's builder gives, and not with a void one."""
    features = FeatureSet(
        "anything",
        1,
        tuple(
            Feature(f"{source}_{concept}", source, concept, Aggregate.COUNT, 365)
            for source, concepts in ANYTHING.items()
            for concept in concepts
        ),
    )
    silver = (
        Silver()
        .lab("glucose", 90, LAST_MONTH)
        .condition("diabetes", LAST_MONTH)
        .medication("statin", LAST_MONTH)
        .procedure(LAST_MONTH)
        .immunization(LAST_MONTH)
        .allergy(LAST_MONTH, "penicillin_allergy")
        .stay(LAST_MONTH, "2020-02-20")
    )
    alone = Silver({name: rows if name == table else [] for name, rows in silver.rows.items()})
    assert any(both_ways(alone, features).values())
    (row,) = alone.rows[table]
    row[VOID[table][0]] = status
    assert not any(both_ways(alone, features).values())
