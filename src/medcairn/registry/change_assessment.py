"""A change of a model held against the plan that people signed: each clause, and what it found.

Compared are two versions by what the ledger says of them. The baseline is the version that people signed,
not the change before this one, so that many small steps do not add up to a long way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from medcairn.core.canonical import JSON
from medcairn.core.labels import Label
from medcairn.registry.change_control import (
    ChangeControlPlan,
    HyperparameterRules,
    PerformanceRule,
    PlannedMetric,
)
from medcairn.registry.change_record import ChangeAssessment, Clause, Estimated, Finding, ModelFacts

_ROUNDING = 1e-9
"""Differences below this are those of rounding in the record."""


@dataclass(frozen=True)
class _Case:
    plan: ChangeControlPlan
    baseline: ModelFacts
    candidate: ModelFacts
    changes_so_far: int
    at: datetime


def assess_change(
    plan: ChangeControlPlan,
    baseline: ModelFacts,
    candidate: ModelFacts,
    *,
    changes_so_far: int,
    at: datetime,
) -> ChangeAssessment:
    """Hold the step from ``baseline`` to ``candidate`` against ``plan``.

    ``baseline`` is the version that people signed last, ``changes_so_far`` how many were made under the plan
    before this one, ``at`` (aware) when this one is made.
    """
    case = _Case(plan, baseline, candidate, changes_so_far, at)
    findings = [rule(case) for rule in _RULES]
    return ChangeAssessment(
        plan.digest,
        baseline.version,
        candidate.version,
        changes_so_far,
        at,
        (*findings, *_performance(case)),
    )


def _finding(clause: Clause, inside: bool, allows: str, baseline: JSON, candidate: JSON) -> Finding:
    return Finding(Label(clause.value), inside, allows, baseline, candidate)


def _period(case: _Case) -> Finding:
    until, day = case.plan.until, case.at.astimezone(UTC).date()
    allows = f"changes until {until.isoformat()}" if until else "no change: it names no last day"
    return _finding(Clause.PERIOD, until is not None and day <= until, allows, None, day.isoformat())


def _number(case: _Case) -> Finding:
    most, present = case.plan.most_changes, case.changes_so_far + 1
    allows = f"at most {most} changes" if most else "no change"
    return _finding(Clause.NUMBER_OF_CHANGES, present <= most, allows, None, f"change {present}")


def _baseline_validated(case: _Case) -> Finding:
    allows = "a baseline that passed its validation"
    return _finding(Clause.BASELINE_VALIDATED, case.baseline.validated, allows, case.baseline.validated, None)


def _candidate_validated(case: _Case) -> Finding:
    allows = "only a candidate that passed its validation"
    passed = case.candidate.validated
    return _finding(Clause.CANDIDATE_VALIDATED, passed, allows, case.baseline.validated, passed)


def _unchanged(clause: Clause, before: JSON, after: JSON) -> Finding:
    """What no plan can allow to change, or this one does not mention."""
    return _finding(clause, before is not None and before == after, "no change", before, after)


def _criteria(case: _Case) -> Finding:
    return _unchanged(Clause.ACCEPTANCE_CRITERIA, case.baseline.criteria, case.candidate.criteria)


def _task(case: _Case) -> Finding:
    before, after = ({"task": f.task, "digest": f.task_digest} for f in (case.baseline, case.candidate))
    known = None not in before.values()
    inside = known and before == after and case.candidate.task == case.plan.task
    return _finding(Clause.TASK, inside, f"no change: {case.plan.task}", before, after)


def _features(case: _Case) -> Finding:
    before, after = (
        {"set": f.feature_set, "digest": f.feature_spec} for f in (case.baseline, case.candidate)
    )
    inside = before["digest"] is not None and before == after
    return _finding(Clause.FEATURES, inside, "no change", before, after)


def _retrain(case: _Case) -> Finding:
    before, after = case.baseline.model, case.candidate.model
    if not case.plan.changes.retrain:
        return _unchanged(Clause.RETRAIN, before, after)
    return _finding(Clause.RETRAIN, True, "a new fit", before, after)


def _data(case: _Case) -> Finding:
    before, after = case.baseline.dataset, case.candidate.dataset
    if case.plan.changes.data_refresh is None:
        return _unchanged(Clause.DATA_REFRESH, before, after)
    return _finding(Clause.DATA_REFRESH, after is not None, "other data of the same kind", before, after)


def _enough(clause: Clause, least: int | None, before: int | None, after: int | None) -> Finding:
    if least is None:
        return _unchanged(clause, before, after)
    return _finding(clause, after is not None and after >= least, f"at least {least:,}", before, after)


def _rows(case: _Case) -> Finding:
    refresh = case.plan.changes.data_refresh
    least = refresh.rows_at_least if refresh else None
    return _enough(Clause.TRAINING_ROWS, least, case.baseline.rows, case.candidate.rows)


def _positives(case: _Case) -> Finding:
    refresh = case.plan.changes.data_refresh
    least = refresh.positives_at_least if refresh else None
    return _enough(Clause.TRAINING_POSITIVES, least, case.baseline.positives, case.candidate.positives)


def _algorithm(case: _Case) -> Finding:
    before, after, listed = case.baseline.algorithm, case.candidate.algorithm, case.plan.changes.algorithms
    if not listed:
        return _unchanged(Clause.ALGORITHM, before, after)
    inside = after is not None and after in (*listed, before)
    return _finding(Clause.ALGORITHM, inside, "one of " + ", ".join(listed), before, after)


def _hyperparameters(case: _Case) -> Finding:
    before, after = case.baseline.hyperparameters, case.candidate.hyperparameters
    same_algorithm = case.baseline.algorithm == case.candidate.algorithm
    rules = case.plan.changes.hyperparameters.get(str(case.candidate.algorithm), HyperparameterRules())
    if rules.free:
        return _finding(Clause.HYPERPARAMETERS, after is not None, "any settings", before, after)
    said = [f"{name} {bounds.words}" for name, bounds in sorted(rules.within.items())]
    allows = "; ".join([*said, "the rest as it is"]) if said else "no change"
    # Another algorithm has other settings: none of them is as it was, so each must be named.
    kept = before if same_algorithm and before is not None else {}
    inside = after is not None and set(kept) <= set(after) and all(
        _setting_holds(name, value, rules, kept) for name, value in after.items()
    )  # fmt: skip
    return _finding(Clause.HYPERPARAMETERS, inside, allows, before, after)


def _setting_holds(name: str, value: JSON, rules: HyperparameterRules, kept: Mapping[str, JSON]) -> bool:
    bounds, number = rules.within.get(name), not isinstance(value, bool)
    if bounds is None:
        return name in kept and kept[name] == value and isinstance(kept[name], bool) != number
    return number and isinstance(value, int | float) and bounds.hold(value)


def _threshold(case: _Case) -> Finding:
    bounds, before, after = case.plan.changes.threshold, case.baseline.threshold, case.candidate.threshold
    if bounds is None:
        return _unchanged(Clause.THRESHOLD, before, after)
    return _finding(Clause.THRESHOLD, after is not None and bounds.hold(after), bounds.words, before, after)


_RULES: tuple[Callable[[_Case], Finding], ...] = (
    _period, _number, _baseline_validated, _candidate_validated, _criteria, _task, _features, _retrain,
    _data, _rows, _positives, _algorithm, _hyperparameters, _threshold,
)  # fmt: skip


def _performance(case: _Case) -> Iterator[Finding]:
    if not case.plan.performance:
        yield _finding(Clause.PERFORMANCE, False, "nothing: no performance is asked for", None, None)
    for metric in (metric for metric in PlannedMetric if metric in case.plan.performance):
        rule = case.plan.performance[metric]
        before = case.baseline.estimates.get(metric.value)
        after = case.candidate.estimates.get(metric.value)
        yield Finding(
            Label(f"{Clause.PERFORMANCE.value}.{metric.value}"),
            after is not None and _performs(metric, rule, before, after),
            rule.words,
            before.as_json() if before else None,
            after.as_json() if after else None,
        )


def _performs(
    metric: PlannedMetric, rule: PerformanceRule, before: Estimated | None, after: Estimated
) -> bool:
    held = {"estimate": after.value, "low": after.low, "high": after.high}[rule.bound]
    if rule.limits is not None and not rule.limits.hold(held):
        return False
    if rule.worse_by_at_most is None:
        return True
    if before is None:
        return False
    worse = _badness(metric, after.value) - _badness(metric, before.value)
    return worse <= rule.worse_by_at_most + _ROUNDING


_IDEAL = {PlannedMetric.CALIBRATION_SLOPE: 1.0, PlannedMetric.CALIBRATION_INTERCEPT: 0.0}
_LOWER_IS_BETTER = frozenset({PlannedMetric.BRIER, PlannedMetric.SUBGROUP_AUROC_GAP})


def _badness(metric: PlannedMetric, value: float) -> float:
    """Higher is worse."""
    if metric in _IDEAL:
        return abs(value - _IDEAL[metric])
    return value if metric in _LOWER_IS_BETTER else -value


__all__ = ["assess_change"]
