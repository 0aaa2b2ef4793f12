"""Who is in a cohort depends on what was known at the index date, and on nothing that came after."""

from __future__ import annotations

from datetime import date, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from medcairn.features.task_definition import Task

from .silver_rows import Silver
from .test_features_cohort import cohort

TASK = Task.model_validate(
    {
        "name": "replay",
        "version": 1,
        "index": {"event": "outpatient_visit", "which": "every"},
        "lookback_days": 365,
        "horizon_days": 1,
        "outcome": {"event": "death"},
        "inclusions": [{"rule": "measured_below", "concept": "egfr", "value": 60, "within_days": 40}],
        "exclusions": [
            {"rule": "ever_before", "concepts": ["stroke"], "within_days": 20},
            {"rule": "measured_at_least", "concept": "egfr", "value": 58, "days_before": 5},
        ],
    }
)
START = date(2024, 1, 1)
DAYS = 60

facts = st.lists(
    st.tuples(
        st.sampled_from(["stroke", "egfr"]),
        st.integers(0, DAYS),  # the day on which it held
        st.integers(0, 15),  # how much later it was known
        st.none() | st.integers(0, 30),  # how long it stood, until it was superseded or withdrawn
        st.integers(50, 65),
    ),
    max_size=12,
)


def day(number: int) -> str:
    return (START + timedelta(days=number)).isoformat()


def as_of(today: int, rows: list[tuple[str, int, int, int | None, int]], visits: list[int]) -> Silver:
    """The record as it stood at the end of a day."""
    silver = Silver().patient()
    for visit in visits:
        if visit <= today:
            silver.visit(day(visit))
    for concept, held, late, stood, value in rows:
        known = held + late
        until = None if stood is None else known + stood
        if known > today:
            continue
        gone = None if until is None or until > today else day(until)
        if concept == "stroke":
            silver.condition("stroke", day(held), available=day(known), superseded=gone)
        else:
            silver.lab("egfr", value, day(held), available=day(known), superseded=gone)
    return silver


@settings(max_examples=60, deadline=None)
@given(rows=facts, visits=st.lists(st.integers(0, DAYS), min_size=1, max_size=6), today=st.integers(0, DAYS))
def test_what_came_later_changes_nobody_who_was_in(
    rows: list[tuple[str, int, int, int | None, int]], visits: list[int], today: int
) -> None:
    def who(silver: Silver) -> list[str]:
        times = cohort(silver, TASK, end="2030-01-01").table.column("prediction_time").to_pylist()
        return sorted(time.date().isoformat() for time in times if time.date().isoformat() <= day(today))

    assert who(as_of(today, rows, visits)) == who(as_of(10 * DAYS, rows, visits))
