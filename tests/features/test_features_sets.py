"""Feature sets: what the default one has, and what a set may not say."""

from __future__ import annotations

from pathlib import Path

import pytest

from medcairn.core.canonical import JSON
from medcairn.core.errors import SettingsError
from medcairn.core.silver import SILVER_SCHEMAS
from medcairn.features.feature_set import (
    Aggregate,
    FeatureSet,
    Source,
    feature_set_from_spec,
    load_feature_set,
)
from medcairn.features.plan import columns_of, plan_of, streams_of, tables_of
from medcairn.features.streams import Carries, Stream

CORE = load_feature_set("clinical_core")

VERSION_1 = {
    "age_years",
    "female",
    "hba1c_last_365d",
    "egfr_last_365d",
    "creatinine_slope_730d",
    "creatinine_max_30d",
    "spo2_min_30d",
    "systolic_bp_sd_365d",
    "weight_slope_730d",
    "diabetes_any_ever",
    "conditions_distinct_ever",
    "statin_any_365d",
    "medications_count_30d",
    "dialysis_any_ever",
    "prior_stay_count_180d",
    "prior_stay_sum_365d",
    "emergency_visit_days_since_730d",
    "outpatient_visit_count_30d",
    "index_stay_length_days",
    "index_stay_to_facility",
}


def test_the_default_set_has_at_least_250_features_of_every_source() -> None:
    assert CORE.version == 2
    assert len(CORE.features) >= 250
    assert {feature.source for feature in CORE.features} == set(Source)
    assert {Aggregate.PDC, Aggregate.MISSING, Aggregate.SD, Aggregate.SLOPE} <= {
        f.aggregate for f in CORE.features
    }


def test_names_of_version_1_are_still_there() -> None:
    assert set(CORE.names) >= VERSION_1


def test_no_window_of_the_default_set_reaches_further_than_two_years() -> None:
    assert max(feature.window_days or 0 for feature in CORE.features) <= 730


def test_a_spec_keeps_every_feature() -> None:
    rows: list[JSON] = [feature.as_json() for feature in CORE.features]
    spec: dict[str, JSON] = {"feature_set": CORE.about(), "features": rows}
    assert feature_set_from_spec(spec) == CORE


GROUP = "name: mine\nversion: 1\ngroups:\n  - {%s}\n"


def refused(tmp_path: Path, group: str) -> str:
    file = tmp_path / "mine.yaml"
    file.write_text(GROUP % group)
    with pytest.raises(SettingsError) as caught:
        load_feature_set(file)
    return str(caught.value)


@pytest.mark.parametrize(
    ("group", "message"),
    [
        ("source: measurement, concepts: [sugar], aggregates: [last]", "concept=sugar"),
        ("source: condition, concepts: [glucose], aggregates: [any]", "concept=glucose"),
        ("source: score, concepts: [apache]", "concept=apache"),
        ("source: measurement, concepts: [glucose], aggregates: [sum]", "sum of measurements"),
        ("source: measurement, concepts: [glucose], aggregates: [median]", "aggregates"),
        ("source: measurement, concepts: [glucose], aggregates: [pdc], window_days: [90]", "aggregate=pdc"),
        ("source: measurement, concepts: [measurements], aggregates: [mean]", "no common value"),
        ("source: measurement, concepts: [measurement_times], aggregates: [last]", "no common value"),
        ("source: condition, concepts: [diabetes], aggregates: [mean]", "aggregate=mean"),
        ("source: score, concepts: [charlson], aggregates: [last]", "aggregate=last"),
        ("source: medication, concepts: [statin], aggregates: [pdc]", "needs a window"),
        ("source: medication, concepts: [ingredients], aggregates: [count]", "Use distinct"),
        ("source: encounter, concepts: [visit], aggregates: [sum]", "Only a prior stay"),
        ("source: measurement, concepts: [glucose], aggregates: [last], window_days: [0]", "window_days"),
        ("source: measurement, concepts: [glucose], aggregates: [last], window_days: [-7]", "window_days"),
        ("source: measurement, concepts: [glucose], aggregates: [last], window_days: [soon]", "window_days"),
        ("source: measurement, concepts: [], aggregates: [last]", "concepts"),
        ("source: measurement, concepts: [glucose, glucose], aggregates: [last]", "same name"),
        ("source: measurement, concepts: [glucose], aggregates: [last], windows: [7]", "windows"),
        ("source: notes, concepts: [glucose]", "source"),
    ],
)
def test_what_a_set_may_not_say(tmp_path: Path, group: str, message: str) -> None:
    assert message in refused(tmp_path, group)


def test_a_set_without_a_group_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("name: mine\nversion: 1\ngroups: []\n")
    with pytest.raises(SettingsError, match="groups"):
        load_feature_set(file)
    with pytest.raises(SettingsError, match="no feature"):
        FeatureSet("none", 1, ())


def test_a_set_without_a_concept_loses_the_scores_that_count_it() -> None:
    less = CORE.without(concepts=("charlson_dementia", "creatinine"))
    gone = set(CORE.names) - set(less.names)
    assert {"charlson_ever", "lace_ever", "egfr_ckd_epi_2021_365d", "creatinine_last_365d"} <= gone
    assert "elixhauser_ever" in less.names and "egfr_last_365d" in less.names


def test_a_set_without_the_index_stay_loses_the_scores_that_read_it() -> None:
    less = CORE.without(sources=(Source.INDEX_STAY,))
    assert not [name for name in less.names if name.startswith(("index_stay", "lace", "hospital"))]
    assert "charlson_ever" in less.names


def test_streams_say_which_tables_and_columns_they_need() -> None:
    streams = streams_of(CORE)
    assert set(tables_of(streams)) == set(SILVER_SCHEMAS) - {"diagnostic_report"}
    for table in tables_of(streams):
        assert set(columns_of(table, streams)) <= set(SILVER_SCHEMAS[table].names)
    assert "observation_id" not in columns_of("observation", streams)  # as many texts as rows
    assert columns_of("observation", [Stream(Source.MEASUREMENT, "measurement_times")]) == (
        "subject_id",
        "available_time",
        "superseded_time",
        "status",
        "effective_time",
    )


def test_equal_cells_and_inputs_of_scores_are_computed_once() -> None:
    plan = plan_of(CORE)
    assert len(set(plan.streams)) == len(plan.streams)
    assert len({tuple(slot) for slot in plan.slots.tolist()}) == len(plan.slots)
    dementia = plan.streams.index(Stream(Source.CONDITION, "charlson_dementia", Carries.VALUE))
    assert plan.cells_of[dementia + 1] - plan.cells_of[dementia] == 2  # of all scores: ever, and 365 days
