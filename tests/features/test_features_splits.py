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
def test_a_subject_is_in_one_split_and_training_ends_where_the_held_out_begin(
    found: list[tuple[str, int]], held_out: float, tuning: float
) -> None:
    split = split_cohort(cohort_of(found), held_out_fraction=held_out, tuning_fraction=tuning)
    names = split.names.to_pylist()
    of_subject: dict[str, set[str]] = {}
    for (subject, _), name in zip(found, names, strict=True):
        of_subject.setdefault(subject, set()).add(name)
    assert all(len(splits) == 1 for splits in of_subject.values())
    cut = min(day for (_, day), name in zip(found, names, strict=True) if name == "held_out")
    for (_, day), name, kept in zip(found, names, split.kept, strict=True):
        assert kept == (name == "held_out" or day <= cut)
    assert {"held_out"} < {name for name, kept in zip(names, split.kept, strict=True) if kept}
    assert "train" in names


@settings(max_examples=25, deadline=None)
@given(found=rows, data=st.data())
def test_the_split_of_a_subject_does_not_depend_on_the_order_of_rows(
    found: list[tuple[str, int]], data: st.DataObject
) -> None:
    def by_row(order: list[tuple[str, int]]) -> dict[tuple[str, int], str]:
        names = split_cohort(cohort_of(order), held_out_fraction=0.3, tuning_fraction=0.2).names
        return dict(zip(order, names.to_pylist(), strict=True))

    assert by_row(found) == by_row(data.draw(st.permutations(found)))


def test_shares_are_of_subjects_and_the_latest_are_held_out() -> None:
    found = [(f"s{n}", n) for n in range(20)] + [("s0", 18)]
    split = split_cohort(cohort_of(found), held_out_fraction=0.25, tuning_fraction=0.1)
    names = split.names.to_pylist()
    assert names[15:20] == ["held_out"] * 5
    assert names[:15].count("tuning") == 2
    assert split.rows_after_cut == 1
    assert not split.kept[20]


def test_one_subject_cannot_be_split() -> None:
    with pytest.raises(DataError, match="too few subjects"):
        split_cohort(cohort_of([("s0", 1), ("s0", 2)]), held_out_fraction=0.25, tuning_fraction=0)
