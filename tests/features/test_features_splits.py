"""Splits by subject and by time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medcairn.core.errors import DataError
from medcairn.features.splits import split_cohort

from .silver_rows import index_of

START = datetime(2020, 1, 1, tzinfo=UTC)

rows = st.lists(
    st.tuples(st.sampled_from([f"s{n}" for n in range(12)]), st.integers(0, 40)),
    min_size=2,
    max_size=60,
    unique=True,
).filter(lambda found: len({subject for subject, _ in found}) > 1)


def cohort_of(found: list[tuple[str, int]]) -> pa.Table:
    return index_of(*((subject, (START + timedelta(days=day)).isoformat()[:10]) for subject, day in found))


@settings(max_examples=100, deadline=None)
@given(found=rows, held_out=st.floats(0.05, 0.8), tuning=st.floats(0, 0.4))
def test_a_subject_is_in_one_split_and_training_ends_before_the_held_out_begin(
    found: list[tuple[str, int]], held_out: float, tuning: float
) -> None:
    try:
        split = split_cohort(
            cohort_of(found), held_out_fraction=held_out, tuning_fraction=tuning, later_fraction=0.4
        )
    except DataError:
        return  # too small for these fractions; what is too small is a test of its own
    names = split.names.to_pylist()
    of_subject: dict[str, set[str]] = {}
    for (subject, _), name in zip(found, names, strict=True):
        of_subject.setdefault(subject, set()).add(name)
    assert all(len(splits) == 1 for splits in of_subject.values())
    days: dict[bool, list[int]] = {True: [], False: []}
    for (_, day), name, kept in zip(found, names, split.kept, strict=True):
        if kept:
            days[name == "held_out"].append(day)
    assert max(days[False]) < min(days[True])


@settings(max_examples=25, deadline=None)
@given(found=rows, data=st.data())
def test_the_split_of_a_subject_does_not_depend_on_the_order_of_rows(
    found: list[tuple[str, int]], data: st.DataObject
) -> None:
    def by_row(order: list[tuple[str, int]]) -> dict[tuple[str, int], str]:
        names = split_cohort(
            cohort_of(order), held_out_fraction=0.5, tuning_fraction=0.2, later_fraction=0.5
        ).names
        return dict(zip(order, names.to_pylist(), strict=True))

    shuffled = data.draw(st.permutations(found))
    try:
        expected = by_row(found)
    except DataError:
        with pytest.raises(DataError):
            by_row(shuffled)
    else:
        assert by_row(shuffled) == expected


def test_shares_are_of_subjects_and_the_cut_is_a_share_of_dates() -> None:
    found = [(f"s{n}", day) for n in range(40) for day in range(10)]
    split = split_cohort(cohort_of(found), held_out_fraction=0.25, tuning_fraction=0.1, later_fraction=0.4)
    names = split.names.to_pylist()
    assert (names.count("held_out"), names.count("tuning")) == (100, 40)
    for (_, day), name, kept in zip(found, names, split.kept, strict=True):
        assert kept == (day >= 6 if name == "held_out" else day < 6)
    assert split.rows_left_out == 10 * 6 + 30 * 4


def test_belonging_to_a_split_says_nothing_of_when_a_subject_came() -> None:
    found = [(f"s{n}", day) for n in range(400) for day in (n // 10, 50)]
    split = split_cohort(cohort_of(found), held_out_fraction=0.5, tuning_fraction=0, later_fraction=0.5)
    arrivals = [
        day for (_, day), name in zip(found, split.names.to_pylist(), strict=True) if name == "held_out"
    ]
    assert 18 < sum(day for day in arrivals if day < 50) / 200 < 21  # the mean over all subjects is 19.5


@pytest.mark.parametrize("found", [[("s0", 1), ("s0", 2)], [("s0", 1), ("s1", 1)], []])
def test_a_cohort_that_is_too_small_is_refused(found: list[tuple[str, int]]) -> None:
    with pytest.raises(DataError, match="too small"):
        split_cohort(cohort_of(found), held_out_fraction=0.5, tuning_fraction=0, later_fraction=0.4)
