"""Criteria held against what was measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from medcairn.core.canonical import JSON
from medcairn.validation.criteria import Bound, Criteria, Criterion, Metric
from medcairn.validation.estimate import Measured, Unavailable, shown_number

CEILING_CHECK = "auroc_not_above_ceiling"


@dataclass(frozen=True)
class Check:
    """One criterion's outcome. ``reason`` says in a sentence why it passed or failed."""

    id: str
    rule: str
    observed: Measured
    passed: bool
    reason: str
    rationale: str

    def as_json(self) -> dict[str, JSON]:
        return {
            "id": self.id,
            "rule": self.rule,
            "observed": self.observed.as_json(),
            "passed": self.passed,
            "reason": self.reason,
            "rationale": self.rationale,
        }


def run_checks(
    criteria: Criteria, metrics: Mapping[Metric, Measured], *, ceiling: float | None
) -> tuple[Check, ...]:
    """Every criterion in order, and the ceiling when one is known."""
    checks = [
        _check(item, metrics.get(item.metric, Unavailable("not measured"))) for item in criteria.criteria
    ]
    if ceiling is not None:
        checks.append(_ceiling_check(metrics[Metric.AUROC], ceiling))
    return tuple(checks)


def all_passed(criteria: Criteria, checks: tuple[Check, ...]) -> bool:
    """True when there is at least one criterion and every check passed. An empty list denies."""
    return len(criteria.criteria) > 0 and all(check.passed for check in checks)


def _check(item: Criterion, observed: Measured) -> Check:
    if isinstance(observed, Unavailable):
        reason = f"Not computed: {observed.reason}."
        return Check(item.id, item.rule, observed, False, reason, item.rationale)
    low, high = {
        Bound.ESTIMATE: (observed.value, observed.value),
        Bound.LOW: (observed.low, observed.low),
        Bound.HIGH: (observed.high, observed.high),
        Bound.INTERVAL: (observed.low, observed.high),
    }[item.bound]
    reason = "Met."
    passed = True
    if item.at_least is not None and low < item.at_least:
        passed, reason = False, f"{shown_number(low, '.4g')} is below {shown_number(item.at_least, 'g')}."
    elif item.at_most is not None and high > item.at_most:
        passed, reason = False, f"{shown_number(high, '.4g')} is above {shown_number(item.at_most, 'g')}."
    return Check(item.id, item.rule, observed, passed, reason, item.rationale)


def _ceiling_check(observed: Measured, ceiling: float) -> Check:
    rule = f"lower 95% bound of AUROC ≤ {ceiling:.3g}, the best reachable"
    rationale = (
        "The outcome's own mechanism leaves room for no more than this. A model that does better has seen "
        "something that it could not have known: evidence of leakage."
    )
    if isinstance(observed, Unavailable):
        reason = f"Not computed: {observed.reason}."
        return Check(CEILING_CHECK, rule, observed, False, reason, rationale)
    passed, reason = True, "Met."
    if observed.low > ceiling:
        passed, reason = False, f"{observed.low:.4g} is above {ceiling:.4g}: evidence of leakage."
    elif observed.value > ceiling:
        reason = "Met: the estimate is above the ceiling, but no further than chance explains."
    return Check(CEILING_CHECK, rule, observed, passed, reason, rationale)


__all__ = ["CEILING_CHECK", "Check", "all_passed", "run_checks"]
