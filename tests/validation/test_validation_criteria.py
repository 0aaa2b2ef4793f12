"""Criteria files: what is refused, what the digest covers, and how a demand is judged."""

from __future__ import annotations

from pathlib import Path

import pytest

from medcairn.core.errors import SettingsError
from medcairn.validation import (
    CEILING_CHECK,
    Bound,
    Criteria,
    Criterion,
    Estimate,
    Measured,
    Metric,
    Unavailable,
    load_criteria,
    parse_criteria,
)
from medcairn.validation.checks import all_passed, run_checks

SMALL = b"""
name: small
version: "1"
task: readmission_30d
summary: A test.
specificity: 0.8
criteria:
  - {id: discrimination, metric: auroc, bound: low, at_least: 0.65, rationale: Because.}
"""


@pytest.mark.parametrize("name", ["readmission_30d", "diabetes_onset_1y"])
def test_built_in_criteria_load_and_are_honest(name: str) -> None:
    criteria = load_criteria(name)
    assert (criteria.name, criteria.task) == (name, name)
    assert len(criteria.criteria) >= 5
    assert all(item.rationale.strip() for item in criteria.criteria)
    discrimination = next(item for item in criteria.criteria if item.metric is Metric.AUROC)
    assert discrimination.bound is Bound.LOW
    assert discrimination.at_least is not None
    assert 0.6 <= discrimination.at_least <= 0.75


def test_a_file_of_the_study_goes_before_the_built_in_one(tmp_path: Path) -> None:
    (tmp_path / "readmission_30d.yaml").write_bytes(SMALL)
    assert load_criteria("readmission_30d", tmp_path).name == "small"
    assert load_criteria("diabetes_onset_1y", tmp_path).name == "diabetes_onset_1y"


def test_the_digest_covers_every_value_and_no_layout() -> None:
    digest = parse_criteria(SMALL).digest
    assert parse_criteria(b"# a comment\n" + SMALL).digest == digest
    assert parse_criteria(SMALL.replace(b"0.65", b"0.64")).digest != digest
    assert parse_criteria(SMALL.replace(b"0.8", b"0.9")).digest != digest
    assert parse_criteria(SMALL.replace(b"Because", b"Perhaps")).digest != digest


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"rationale: Because.", b"rationale: Because., secret_key: 1"),
        (b"metric: auroc", b"metric: secret_metric"),
        (b"at_least: 0.65, ", b""),
        (b"at_least: 0.65", b"at_least: .inf"),
        (b"at_least: 0.65", b"at_least: 0.65, at_most: 0.1"),
        (b"bound: low", b"bound: interval"),
        (b"specificity: 0.8", b"specificity: 1.8"),
        (b"id: discrimination", b"id: secret words here"),
        (b"summary: A test.", b"summary: [unclosed secret"),
        (SMALL, b"\xff\xfe"),
        (SMALL, b"just secret text"),
    ],
)
def test_a_file_that_makes_no_sense_is_refused_without_quoting_it(old: bytes, new: bytes) -> None:
    assert old in SMALL
    with pytest.raises(SettingsError) as caught:
        parse_criteria(SMALL.replace(old, new))
    assert "secret" not in str(caught.value)
    assert caught.value.__context__ is None


@pytest.mark.parametrize("name", ["nothing_of_the_kind", "../escape", "two words", ""])
def test_an_unknown_name_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError):
        load_criteria(name, tmp_path)


def judged(
    bound: Bound, observed: Measured, *, at_least: float | None = None, at_most: float | None = None
) -> bool:
    item = Criterion("one", Metric.AUROC, bound, "Because.", at_least, at_most)
    criteria = Criteria("c", "1", "t", "s", 0.8, (item,)).checked()
    return all_passed(criteria, run_checks(criteria, {Metric.AUROC: observed}, ceiling=None))


@pytest.mark.parametrize(
    ("bound", "at_least", "at_most", "passes"),
    [
        (Bound.ESTIMATE, 0.70, None, True),
        (Bound.ESTIMATE, 0.71, None, False),
        (Bound.LOW, 0.65, None, True),
        (Bound.LOW, 0.66, None, False),
        (Bound.HIGH, None, 0.75, True),
        (Bound.HIGH, None, 0.74, False),
        (Bound.INTERVAL, 0.65, 0.75, True),
        (Bound.INTERVAL, 0.66, 0.75, False),
        (Bound.INTERVAL, 0.65, 0.74, False),
    ],
)
def test_a_limit_holds_for_the_part_that_it_names(
    bound: Bound, at_least: float | None, at_most: float | None, passes: bool
) -> None:
    observed = Estimate(0.70, 0.65, 0.75, "made up")
    assert judged(bound, observed, at_least=at_least, at_most=at_most) is passes


def test_what_cannot_be_computed_fails() -> None:
    assert not judged(Bound.ESTIMATE, Unavailable("the rows hold only one outcome class"), at_least=0.0)


def test_an_empty_list_denies() -> None:
    empty = parse_criteria(SMALL.split(b"criteria:")[0] + b"criteria: []\n")
    checks = run_checks(empty, {Metric.AUROC: Estimate(0.7, 0.6, 0.79, "")}, ceiling=0.8)
    assert all(check.passed for check in checks)
    assert not all_passed(empty, checks)


@pytest.mark.parametrize(
    ("low", "value", "passes"), [(0.70, 0.75, True), (0.78, 0.83, True), (0.81, 0.85, False)]
)
def test_better_than_the_best_reachable_is_evidence_of_leakage(
    low: float, value: float, passes: bool
) -> None:
    criteria = parse_criteria(SMALL)
    checks = run_checks(criteria, {Metric.AUROC: Estimate(value, low, 0.9, "")}, ceiling=0.80)
    ceiling = next(check for check in checks if check.id == CEILING_CHECK)
    assert ceiling.passed is passes
    assert passes or "leakage" in ceiling.reason
