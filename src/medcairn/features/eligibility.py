"""Whether a rule holds at each index row, by what was known then."""

from __future__ import annotations

import numpy as np
import pyarrow.compute as pc

from medcairn.features.events import SCALE
from medcairn.features.instants import holding
from medcairn.features.record import Record, Rows
from medcairn.features.silver_columns import Flags, Ints
from medcairn.features.task_rules import (
    AgeAtLeast,
    AgeBelow,
    DiedInStay,
    EncounterBefore,
    EverBefore,
    MeasuredAtLeast,
    MeasuredBelow,
    Rule,
    Sex,
)

_DAY = 86_400_000_000


def kept(rule: Rule, record: Record, rows: Rows, *, include: bool) -> Flags:
    """The rows that a rule of inclusion, or of exclusion, keeps. What cannot be said is kept by neither."""
    if isinstance(rule, (AgeBelow, AgeAtLeast)):
        age = record.subjects.age(rows.subject, rows.time)
        below = age < rule.years
        at_least = age >= rule.years  # both are false where the age is not known
        return np.asarray(below if isinstance(rule, AgeBelow) is include else at_least)
    if isinstance(rule, Sex):
        wanted = rule.is_ if include else {"female": "male", "male": "female"}[rule.is_]
        sex = pc.fill_null(pc.equal(record.subjects.gender, wanted), False)
        return np.asarray(sex.to_numpy(zero_copy_only=False))[rows.subject]
    holds = _holds(rule, record, rows)
    return holds if include else ~holds


def _holds(
    rule: DiedInStay | EverBefore | MeasuredAtLeast | MeasuredBelow | EncounterBefore,
    record: Record,
    rows: Rows,
) -> Flags:
    if isinstance(rule, DiedInStay):
        return record.episodes.expired[rows.episode] if len(rows) else np.zeros(0, np.bool_)
    if isinstance(rule, EncounterBefore):
        visits = record.encounters(rule.classes, current=False)
        return _any_known(rows, visits.subject, visits.start, visits.known, visits.until, rule.within_days)
    if isinstance(rule, EverBefore):
        facts = record.known(rule.concepts)
        return _any_known(rows, facts.subject, facts.time, facts.known, facts.until, rule.within_days)
    facts = record.known((rule.concept,))
    limit = round(rule.value * SCALE)
    good = facts.value >= limit if isinstance(rule, MeasuredAtLeast) else facts.value < limit
    return _any_known(
        rows,
        facts.subject[good],
        facts.time[good],
        facts.known[good],
        facts.until[good],
        rule.within_days,
        days_before=rule.days_before,
    )


def _any_known(
    rows: Rows,
    subject: Ints,
    time: Ints,
    known: Ints,
    until: Ints,
    within_days: int | None,
    *,
    days_before: int = 0,
) -> Flags:
    """Where a fact had held by the prediction time *t*, was known then, and was not yet superseded.

    It held in (t - within, t - days_before]; seen from the fact, that is an interval of *t*.
    """
    begin = np.maximum(time + days_before * _DAY, known)
    end = until if within_days is None else np.minimum(until, time + within_days * _DAY)
    return np.asarray(holding(subject, begin, end, rows.subject, rows.time) > 0)


__all__ = ["kept"]
