"""The predetermined change control plan: what it allows, clause by clause, and that all else is outside."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from medcairn.core.canonical import JSON, canonical_json
from medcairn.core.digests import digest_json
from medcairn.core.errors import IntegrityError, SettingsError
from medcairn.core.labels import Label
from medcairn.registry import ChangeControlPlan, Estimated, ModelFacts, assess_change
from medcairn.registry.change_control import (
    BUILT_IN,
    PlannedMetric,
    parse_change_control_plan,
    read_change_control_plan,
)
from medcairn.validation import Metric

PLAN = """
name: upkeep
version: "1"
task: readmission_30d
until: 2026-06-30
most_changes: 2
changes:
  retrain: true
  data_refresh: {rows_at_least: 400, positives_at_least: 80}
  algorithms: [logistic_regression, gradient_boosting]
  hyperparameters:
    logistic_regression: {within: {C: {at_least: 0.001, at_most: 0.1}}}
    gradient_boosting: {free: true}
  threshold: {at_least: 0.1, at_most: 0.4}
performance:
  auroc: {bound: low, at_least: 0.65, worse_by_at_most: 0.02}
  calibration_slope: {at_least: 0.7, at_most: 1.4, worse_by_at_most: 0.2}
  brier: {worse_by_at_most: 0.01}
"""
EMPTY = "{name: nothing, version: '1', task: readmission_30d}"
AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
ESTIMATES = {
    "auroc": Estimated(0.72, 0.68, 0.76),
    "calibration_slope": Estimated(1.05, 0.8, 1.3),
    "brier": Estimated(0.15, 0.13, 0.17),
}
BASELINE = ModelFacts(
    version=Label("1"),
    model=digest_json("model 1"),
    dataset=digest_json("data 1"),
    task="readmission_30d",
    task_digest=digest_json("task"),
    feature_set="clinical_core",
    feature_spec=digest_json("features"),
    algorithm="logistic_regression",
    hyperparameters={"C": 0.005, "max_iter": 2000, "warm": False},
    threshold=0.25,
    rows=600,
    positives=120,
    estimates=ESTIMATES,
    criteria=digest_json("criteria"),
    validated=True,
)
RETRAINED = replace(
    BASELINE, version=Label("2"), model=digest_json("model 2"), dataset=digest_json("data 2"), rows=700
)


def outside(
    candidate: ModelFacts,
    plan: str = PLAN,
    *,
    baseline: ModelFacts = BASELINE,
    changes_so_far: int = 0,
    at: datetime = AT,
) -> tuple[str, ...]:
    """The clauses that the step from the baseline to ``candidate`` does not keep to."""
    said = parse_change_control_plan(plan)
    return assess_change(said, baseline, candidate, changes_so_far=changes_so_far, at=at).outside


def with_settings(**settings: JSON) -> ModelFacts:
    return replace(RETRAINED, hyperparameters=settings)


def with_estimate(name: str, value: float, low: float | None = None) -> ModelFacts:
    one = Estimated(value, value - 0.05 if low is None else low, value + 0.05)
    return replace(RETRAINED, estimates={**ESTIMATES, name: one})


def test_a_retrained_model_on_newer_data_is_inside() -> None:
    assessment = assess_change(parse_change_control_plan(PLAN), BASELINE, RETRAINED, changes_so_far=0, at=AT)
    assert assessment.inside
    assert assessment.outside == ()
    assert len(assessment.findings) == 17  # fourteen that are always asked, three of performance


OTHER = digest_json("other")
BOOSTED = replace(RETRAINED, algorithm="gradient_boosting", hyperparameters={"max_iter": 7})


@pytest.mark.parametrize(
    ("candidate", "clauses"),
    [
        (replace(RETRAINED, validated=False), ["candidate_validated"]),
        (replace(RETRAINED, criteria=OTHER), ["acceptance_criteria"]),
        (replace(RETRAINED, criteria=None), ["acceptance_criteria"]),
        (replace(RETRAINED, task="mortality"), ["task"]),
        (replace(RETRAINED, task_digest=OTHER), ["task"]),
        (replace(RETRAINED, feature_spec=OTHER), ["features"]),
        (replace(RETRAINED, feature_set="vitals"), ["features"]),
        (replace(RETRAINED, feature_spec=None), ["features"]),
        (replace(RETRAINED, dataset=None), ["data_refresh"]),
        (replace(RETRAINED, rows=400), []),
        (replace(RETRAINED, rows=399), ["training_rows"]),
        (replace(RETRAINED, rows=None), ["training_rows"]),
        (replace(RETRAINED, positives=79), ["training_positives"]),
        (BOOSTED, []),
        (replace(RETRAINED, algorithm="random_forest"), ["algorithm", "hyperparameters"]),
        (replace(RETRAINED, algorithm=None), ["algorithm", "hyperparameters"]),
        (with_settings(C=0.1, max_iter=2000, warm=False), []),
        (with_settings(C=0.2, max_iter=2000, warm=False), ["hyperparameters"]),
        (with_settings(C=True, max_iter=2000, warm=False), ["hyperparameters"]),
        (with_settings(C=0.005, max_iter=2001, warm=False), ["hyperparameters"]),
        (with_settings(C=0.005, max_iter=2000, warm=0), ["hyperparameters"]),
        (with_settings(C=0.005, max_iter=2000), ["hyperparameters"]),
        (with_settings(C=0.005, max_iter=2000, warm=False, tol=1), ["hyperparameters"]),
        (replace(RETRAINED, hyperparameters=None), ["hyperparameters"]),
        (replace(RETRAINED, threshold=0.4), []),
        (replace(RETRAINED, threshold=0.41), ["threshold"]),
        (replace(RETRAINED, threshold=None), ["threshold"]),
        (with_estimate("auroc", 0.70, low=0.66), []),
        (with_estimate("auroc", 0.80, low=0.64), ["performance.auroc"]),
        (with_estimate("auroc", 0.69, low=0.66), ["performance.auroc"]),
        (with_estimate("calibration_slope", 1.25), []),
        (with_estimate("calibration_slope", 1.26), ["performance.calibration_slope"]),
        (with_estimate("calibration_slope", 0.75), []),  # as far below 1 as 1.25 is above
        (with_estimate("calibration_slope", 0.74), ["performance.calibration_slope"]),
        (with_estimate("brier", 0.16), []),
        (with_estimate("brier", 0.17), ["performance.brier"]),
        (with_estimate("brier", 0.02), []),
        (
            replace(RETRAINED, estimates={}),
            ["performance.auroc", "performance.brier", "performance.calibration_slope"],
        ),
        (
            replace(RETRAINED, validated=False, threshold=0.9, feature_spec=OTHER),
            ["candidate_validated", "features", "threshold"],
        ),
    ],
)  # fmt: skip
def test_a_change_outside_the_envelope_is_named_by_clause(candidate: ModelFacts, clauses: list[str]) -> None:
    assert list(outside(candidate)) == clauses


@pytest.mark.parametrize(
    ("so_far", "at", "clauses"),
    [
        (1, AT, []),
        (2, AT, ["number_of_changes"]),
        (0, datetime(2026, 6, 30, 23, 59, tzinfo=UTC), []),
        (0, datetime(2026, 7, 1, tzinfo=UTC), ["period"]),
        (5, datetime(2027, 1, 1, tzinfo=UTC), ["period", "number_of_changes"]),
    ],
)
def test_a_plan_ends(so_far: int, at: datetime, clauses: list[str]) -> None:
    assert list(outside(RETRAINED, changes_so_far=so_far, at=at)) == clauses


def test_nothing_can_be_compared_with_a_baseline_that_failed() -> None:
    assert outside(RETRAINED, baseline=replace(BASELINE, validated=False)) == ("baseline_validated",)


def test_a_margin_needs_the_baseline_s_estimate() -> None:
    assert outside(RETRAINED, baseline=replace(BASELINE, estimates={})) == (
        "performance.auroc",
        "performance.brier",
        "performance.calibration_slope",
    )


def test_an_empty_plan_denies_everything() -> None:
    assert "period" in outside(BASELINE, EMPTY)
    assert set(outside(RETRAINED, EMPTY)) >= {
        "period", "number_of_changes", "retrain", "data_refresh", "training_rows", "performance",
    }  # fmt: skip


def without(*keys: str) -> str:
    """The plan without one of its keys."""
    value = yaml.safe_load(PLAN)
    inner = value
    for key in keys[:-1]:
        inner = inner[key]
    del inner[keys[-1]]
    return yaml.safe_dump(value)


@pytest.mark.parametrize(
    ("keys", "candidate", "clauses"),
    [
        (("until",), RETRAINED, ["period"]),
        (("most_changes",), RETRAINED, ["number_of_changes"]),
        (("changes", "retrain"), RETRAINED, ["retrain"]),
        (("changes", "data_refresh"), RETRAINED, ["data_refresh", "training_rows"]),
        (("changes", "algorithms"), BOOSTED, ["algorithm"]),
        (
            ("changes", "hyperparameters"),
            with_settings(C=0.01, max_iter=2000, warm=False),
            ["hyperparameters"],
        ),
        (("changes", "hyperparameters"), BOOSTED, ["hyperparameters"]),
        (("changes", "threshold"), replace(RETRAINED, threshold=0.26), ["threshold"]),
        (("performance",), RETRAINED, ["performance"]),
    ],
)
def test_what_a_plan_does_not_mention_may_not_change(
    keys: tuple[str, ...], candidate: ModelFacts, clauses: list[str]
) -> None:
    assert list(outside(candidate, without(*keys))) == clauses


@given(
    st.sampled_from(["task", "task_digest", "feature_set", "feature_spec", "algorithm", "criteria"]),
    st.text(min_size=1, max_size=8),
)
def test_no_other_value_of_a_fact_slips_through(field: str, value: str) -> None:
    changed = replace(RETRAINED, **{field: value})  # type: ignore[arg-type]
    assert outside(changed), "a value that the plan does not know is outside"


def test_a_finding_tells_what_is_allowed_and_what_there_is() -> None:
    assessment = assess_change(
        parse_change_control_plan(PLAN), BASELINE, replace(RETRAINED, threshold=0.9), changes_so_far=1, at=AT
    )
    told = assessment.as_json()
    canonical_json(told)
    assert told["outside"] == ["threshold"]
    assert (told["baseline"], told["candidate"], told["changes_so_far"]) == ("1", "2", 1)
    finding = next(one.as_json() for one in assessment.findings if not one.inside)
    assert finding == {
        "clause": "threshold",
        "inside": False,
        "allows": "at least 0.1 and at most 0.4",
        "baseline": 0.25,
        "candidate": 0.9,
    }


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (PLAN + "surprise: 1\n", "surprise"),
        (PLAN.replace("retrain", "retrian"), "changes.retrian"),
        (PLAN.replace("rows_at_least: 400", "rows_at_least: 0"), "changes.data_refresh.rows_at_least"),
        (PLAN.replace("threshold: {at_least: 0.1", "threshold: {at_least: 0.5"), "changes.threshold"),
        (PLAN.replace("{worse_by_at_most: 0.01}", "{}"), "performance.brier"),
        (PLAN.replace("{worse_by_at_most: 0.01}", "{at_least: .nan}"), "performance.brier.at_least"),
        (PLAN.replace("brier:", "breir:"), "performance.breir.[key]"),
        (PLAN.replace("task: readmission_30d", ""), "task"),
        (PLAN.replace("most_changes: 2", "most_changes: John Smith"), "most_changes"),
    ],
)
def test_a_plan_that_cannot_be_used_is_refused_by_the_name_of_its_key(text: str, key: str) -> None:
    with pytest.raises(SettingsError) as failure:
        parse_change_control_plan(text)
    assert failure.value.fields["key"] == key
    assert "Smith" not in str(failure.value)


@pytest.mark.parametrize("text", ["", "- a list", "{", "name: 2026-99-99"])
def test_what_is_no_plan_at_all_is_refused(text: str) -> None:
    with pytest.raises(SettingsError):
        parse_change_control_plan(text)


def test_the_digest_is_of_what_a_plan_says_and_not_of_its_layout() -> None:
    plan = parse_change_control_plan(PLAN)
    assert parse_change_control_plan("# a comment\n" + PLAN.replace("0.4}", "0.40}")).digest == plan.digest
    assert parse_change_control_plan(PLAN.replace("0.4}", "0.41}")).digest != plan.digest
    assert plan.digest == digest_json(plan.as_json())


def test_a_signed_record_gives_the_same_plan_back() -> None:
    plan = parse_change_control_plan(PLAN)
    assert plan.as_json()["form"] == "medcairn-change-control-1"
    assert ChangeControlPlan.from_json(plan.as_json()) == plan
    for broken in ({}, {"form": "medcairn-approval-1"}, {**plan.as_json(), "surprise": 1}):
        with pytest.raises(IntegrityError):
            ChangeControlPlan.from_json(broken)


@pytest.mark.parametrize("name", BUILT_IN)
def test_the_plan_that_ships_can_be_read_and_allows_what_it_says(name: str, tmp_path: Path) -> None:
    plan = read_change_control_plan(name)
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(plan.model_dump(mode="json", exclude_none=True)))
    assert read_change_control_plan(tmp_path / "own.yaml").digest == plan.digest
    estimates = {
        **ESTIMATES,
        "positives": Estimated(90, 90, 90),
        "calibration_intercept": Estimated(0.1, -0.2, 0.3),
        "subgroup_auroc_gap": Estimated(0.05, -0.1, 0.2),
    }
    baseline = replace(BASELINE, estimates=estimates)
    candidate = replace(RETRAINED, estimates=estimates)
    assert assess_change(plan, baseline, candidate, changes_so_far=3, at=AT).inside
    assert not assess_change(plan, baseline, candidate, changes_so_far=4, at=AT).inside


def test_a_plan_that_is_not_there_is_refused(tmp_path: Path) -> None:
    for missing in ("nothing", tmp_path / "nothing.yaml"):
        with pytest.raises(SettingsError):
            read_change_control_plan(missing)


def test_a_plan_speaks_of_the_metrics_that_validation_has() -> None:
    """Stages do not import each other, so the names stand in both."""
    assert {metric.value for metric in PlannedMetric} == {metric.value for metric in Metric}
