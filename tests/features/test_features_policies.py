"""Feature sets, tasks, and what is refused when they do not fit."""

from __future__ import annotations

from pathlib import Path

import pytest

from medcairn.core.errors import PolicyError, SettingsError
from medcairn.features import (
    Feature,
    FeatureSet,
    check_no_leakage,
    feature_set_from_spec,
    feature_spec,
    inputs_for,
    load_feature_set,
    load_task,
)
from medcairn.features.feature_set import Aggregate, Source, concepts_behind
from medcairn.features.leakage import shared_concept
from medcairn.features.task import Task

READMISSION = load_task("readmission_30d")
ONSET = load_task("diabetes_onset_1y")
CORE = load_feature_set("clinical_core")

GROUP = """
name: mine
version: 1
groups:
  - source: measurement
    concepts: [glucose]
    aggregates: [last, mean]
    window_days: [30, ever]
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_core_set_has_more_than_a_hundred_features_with_names_of_their_own() -> None:
    assert len(CORE.features) >= 120
    assert len(set(CORE.names)) == len(CORE.names)
    assert "race" not in " ".join(CORE.names)


def test_a_group_is_every_concept_aggregate_and_window(tmp_path: Path) -> None:
    assert load_feature_set(written(tmp_path, GROUP)).names == (
        "glucose_last_30d",
        "glucose_last_ever",
        "glucose_mean_30d",
        "glucose_mean_ever",
    )


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (("glucose", "glucoze"), "key=groups.0, concept=glucoze"),
        (("[30, ever]", "[0]"), "key=groups.0.window_days.0"),
        (("[30, ever]", "[-7]"), "key=groups.0.window_days.0"),
        (("last, mean", "last, last"), "feature=glucose_last_30d"),
        (("last, mean", "median"), "key=groups.0.aggregates.0"),
        (("last, mean", "distinct"), "aggregate=distinct"),
        (("last, mean", "sum"), "sum of measurements"),
        (("measurement", "condition"), "concept=glucose"),
        (("[glucose]", "[measurements]"), "no common value"),
        (("version: 1", "versoin: 1"), "key=version"),
        (("version: 1", "version: 1\ncolour: red"), "key=colour"),
        (("version: 1", "version: 1\nversion: 2"), "line="),
        (("groups:", "groups: ["), "line="),
        ((GROUP, "[]"), "no mapping"),
    ],
)
def test_a_set_that_cannot_be_used_is_refused_by_key(
    tmp_path: Path, change: tuple[str, str], place: str
) -> None:
    path = written(tmp_path, GROUP.replace(*change))
    with pytest.raises(SettingsError) as caught:
        load_feature_set(path)
    assert place in str(caught.value)


def test_errors_name_keys_and_not_values(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        load_feature_set(written(tmp_path, GROUP.replace("version: 1", "version: Jane Doe")))
    assert "Jane" not in str(caught.value)


@pytest.mark.parametrize("name", ["nothing_such", "../sets/clinical_core", "Jane Doe", "gone.yaml"])
def test_an_unknown_policy_is_refused(name: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_feature_set(name)
    assert "Jane" not in str(caught.value)


def test_the_digest_follows_the_content(tmp_path: Path) -> None:
    one = load_feature_set(written(tmp_path, GROUP)).digest
    assert load_feature_set(written(tmp_path, "# a comment" + GROUP)).digest == one
    assert load_feature_set(written(tmp_path, GROUP.replace("30", "31"))).digest != one


def test_a_spec_gives_back_its_feature_set() -> None:
    spec = feature_spec(READMISSION, CORE)
    assert feature_set_from_spec(spec) == CORE
    with pytest.raises(SettingsError):
        feature_set_from_spec({"features": []})


TASK = """
name: mine
version: 1
index: {event: inpatient_discharge}
lookback_days: 365
horizon_days: 30
outcome: {event: inpatient_admission}
death_in_horizon: negative
"""


@pytest.mark.parametrize(
    ("change", "key"),
    [
        (("horizon_days: 30", "horizon_days: 0"), "horizon_days"),
        (("horizon_days: 30", "horizon_days: 30\ngap_days: -1"), "gap_days"),
        (("lookback_days: 365", "lookback_days: 0"), "lookback_days"),
        (("outcome: {event: inpatient_admission}", ""), "outcome"),
        (("inpatient_admission", "first_condition"), "outcome"),
        (
            ("{event: inpatient_admission}", "{event: first_condition, concepts: [glucose]}"),
            "outcome.concepts",
        ),
        (("{event: inpatient_admission}", "{event: first_condition, concepts: []}"), "outcome"),
        (("inpatient_discharge", "birthday"), "index"),
        (("version: 1", "version: 1\nexclusions: [{rule: age_below}]"), "exclusions.0"),
        (
            ("version: 1", "version: 1\nexclusions: [{rule: ever_before, concepts: [flu]}]"),
            "exclusions.0.concepts",
        ),
    ],
)
def test_a_task_that_cannot_be_used_is_refused_by_key(
    tmp_path: Path, change: tuple[str, str], key: str
) -> None:
    path = written(tmp_path, TASK.replace(*change))
    with pytest.raises(SettingsError) as caught:
        load_task(path)
    assert f"key={key}" in str(caught.value)


def test_only_a_stay_can_end_with_death(tmp_path: Path) -> None:
    text = TASK.replace("inpatient_discharge", "outpatient_visit") + "exclusions: [{rule: died_in_stay}]\n"
    with pytest.raises(SettingsError, match=r"exclusions\.0"):
        load_task(written(tmp_path, text))


def test_readmission_may_look_at_earlier_stays() -> None:
    assert inputs_for(READMISSION, CORE) == CORE


def test_onset_takes_the_core_set_less_what_the_task_makes_constant() -> None:
    inputs = inputs_for(ONSET, CORE)
    dropped = set(CORE.names) - set(inputs.names)
    assert {"diabetes_any_ever", "metformin_any_365d", "insulin_any_365d"} < dropped
    for feature in CORE.features:
        shares = shared_concept(concepts_behind(feature), ONSET.without_concepts) is not None
        of_stay = feature.source is Source.INDEX_STAY or feature.concept in ("lace", "hospital")
        assert (feature.name in dropped) is (shares or of_stay)
    assert "hba1c_last_365d" in inputs.names


def one(source: Source, concept: str, window_days: int | None = None) -> FeatureSet:
    return FeatureSet("leaky", 1, (Feature("x", source, concept, Aggregate.ANY, window_days),))


def renamed(update: dict[str, object]) -> Task:
    return ONSET.model_copy(update=update)


@pytest.mark.parametrize(
    ("task", "feature_set"),
    [
        (ONSET, one(Source.CONDITION, "diabetes")),
        (ONSET, one(Source.CONDITION, "diabetes", 30)),
        (ONSET, one(Source.MEDICATION, "metformin", 365)),
        (ONSET, CORE),
        (renamed({"outcome": ONSET.outcome.model_copy(update={"concepts": ("hypertension",)})}),
         one(Source.CONDITION, "heart_failure")),
        (ONSET, one(Source.CONDITION, "copd", 731)),
    ],
    ids=["outcome", "outcome, lately", "an exclusion", "the whole set", "shared codes", "beyond lookback"],
)  # fmt: skip
def test_a_leaky_pair_is_refused(task: Task, feature_set: FeatureSet) -> None:
    with pytest.raises(PolicyError) as caught:
        check_no_leakage(task, feature_set)
    assert "task=diabetes_onset_1y" in str(caught.value)


def test_an_onset_task_that_forgets_to_leave_its_outcome_out_is_refused() -> None:
    forgetful = renamed({"without_concepts": ()})
    with pytest.raises(PolicyError, match="diabetes_any_ever"):
        inputs_for(forgetful, CORE)
