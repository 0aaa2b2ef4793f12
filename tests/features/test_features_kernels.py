"""The compiled arithmetic by itself, against Python's unlimited integers."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from medcairn.features import features_at, load_feature_set
from medcairn.features.compute import warm
from medcairn.features.event_rules import SCALE
from medcairn.features.kernels import finisher, moments
from medcairn.features.kernels.ordering import ordered
from medcairn.features.kernels.text_numbers import paired, text_numbers
from medcairn.features.subject_rows import SubjectFeatures

from .silver_rows import Silver, index_of

FEW = settings(max_examples=200, deadline=None)
int64 = st.integers(-(2**62), 2**62)
int128 = st.integers(-(2**125), 2**125)
_WORD = 1 << 64


def halves(number: int) -> tuple[np.int64, np.uint64]:
    return np.int64(number >> 64), np.uint64(number % _WORD)


def whole(wide: tuple[np.int64, np.uint64]) -> int:
    return (int(wide[0]) << 64) + int(wide[1])


@FEW
@given(one=int64, other=int64)
@example(one=-(2**62), other=2**62)
@example(one=-1, other=1 << 32)
def test_products_are_exact(one: int, other: int) -> None:
    assert whole(finisher._product(one, other)) == one * other


@FEW
@given(one=int128, other=int128)
def test_sums_and_differences_are_exact(one: int, other: int) -> None:
    assert whole(finisher._plus(*halves(one), *halves(other))) == one + other
    assert whole(finisher._minus(*halves(one), *halves(other))) == one - other


@FEW
@given(number=st.integers(-(2**105), 2**105), n=st.integers(0, 2**20))
def test_multiples_are_exact(number: int, n: int) -> None:
    assert whole(finisher._times(*halves(number), n)) == number * n


@FEW
@given(number=int128)
@example(number=0)
@example(number=-1)
@example(number=2**64)
@example(number=(1 << 100) + (1 << 47))
@example(number=(1 << 100) + (1 << 47) + 1)
@example(number=-((1 << 100) + 3 * (1 << 47)))
@example(number=(1 << 64) - 1)
def test_the_nearest_double_is_that_of_python(number: int) -> None:
    assert finisher._nearest(*halves(number)) == float(number)


@FEW
@given(high=st.integers(-(2**60), 2**60), middle=st.integers(-(2**61), 2**61), low=st.integers(0, 2**60))
def test_limbs_are_put_together(high: int, middle: int, low: int) -> None:
    assert whole(finisher._joined(high, middle, low)) == (high << 40) + (middle << 20) + low


@FEW
@given(moment=st.datetimes(timezones=st.just(UTC)))
@example(moment=datetime(1970, 1, 1, tzinfo=UTC))
@example(moment=datetime(2000, 2, 29, 23, 59, 59, 999_999, tzinfo=UTC))
@example(moment=datetime(1899, 12, 31, 23, tzinfo=UTC))
@example(moment=datetime(2100, 12, 31, tzinfo=UTC))
def test_the_year_of_an_instant(moment: datetime) -> None:
    micros = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    assert finisher._year(micros) == moment.year


def test_first_and_last_days_of_every_year() -> None:
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    for year in range(1800, 2201):
        begin = (datetime(year, 1, 1, tzinfo=UTC) - epoch) // timedelta(microseconds=1)
        assert finisher._year(begin) == year
        assert finisher._year(begin - 1) == year - 1


numbers = st.lists(
    st.tuples(
        st.integers(-1, 3), st.integers(-1, 2), st.integers(-3, 3), st.integers(-3, 3), st.integers(0, 2)
    ),
    max_size=200,
)


@FEW
@given(rows=numbers)
def test_events_are_put_in_order(rows: list[tuple[int, int, int, int, int]]) -> None:
    check_order(rows)


@pytest.mark.parametrize("size", [1, 2, 3, 64, 2_000])
@pytest.mark.parametrize("how", ["reversed", "sawtooth", "equal"])
def test_long_runs_in_disorder(size: int, how: str) -> None:
    times = {
        "reversed": list(range(size, 0, -1)),
        "sawtooth": [n % 7 for n in range(size)],
        "equal": [0] * size,
    }[how]
    check_order([(0, 0, time, n % 3, 0) for n, time in enumerate(times)])


def check_order(rows: list[tuple[int, int, int, int, int]]) -> None:
    columns = [np.array([row[n] for row in rows], np.int64) for n in range(5)]
    for column in columns:
        column.flags.writeable = False  # as the package calls it, so that it is compiled once
    subject, stream, time, value, identity = columns
    order, first, most = ordered(subject, stream, time, value, identity, 4, 3)
    expected = sorted(row for row in rows if row[0] >= 0 and row[1] >= 0)
    assert [rows[at] for at in order] == expected
    for one in range(4):
        assert all(rows[at][0] == one for at in order[first[one] : first[one + 1]])
    counts = [sum(row[:2] == (s, k) for row in rows) for s in range(4) for k in range(3)]
    assert most == max(counts)


def test_numbers_of_texts_are_the_same_everywhere() -> None:
    """Workers on other machines meet again by these numbers, so they may never change."""
    numbers = text_numbers(pa.array(["", "a", "b", "ab", "ba", None, "http://snomed.info/sct"]))
    assert (
        numbers.tolist()
        == text_numbers(pa.array(["", "a", "b", "ab", "ba", "", "http://snomed.info/sct"])).tolist()
    )
    assert numbers[:3].tolist() == [-7046029254386353131, 972973422576969904, -7909536636321547008]
    assert len(set(numbers.tolist())) == 6
    sliced = pa.array(["x", "a", "b"]).slice(1)
    assert text_numbers(sliced).tolist() == numbers[1:3].tolist()
    assert paired(numbers[1:2], numbers[2:3])[0] != paired(numbers[2:3], numbers[1:2])[0]


def test_what_the_kernels_share_is_the_same() -> None:
    """A kernel calls nothing of another module and reads no constant of one: its cache would go stale."""
    assert finisher.SCALE == SCALE
    fields = (
        "N",
        "SUM",
        "FIRST",
        "LAST",
        "MIN",
        "MAX",
        "SINCE_FIRST",
        "SINCE_LAST",
        "AGES",
        "VV",
        "VA",
        "AA",
    )
    twins = ("_N", "_SUM_V", "_FIRST_V", "_LAST_V", "_MIN_V", "_MAX_V", "_SINCE_FIRST", "_SINCE_LAST")
    for field, twin in zip(fields, (*twins, "_AGES", "_VV", "_VA", "_AA"), strict=True):
        assert getattr(moments, field) == getattr(finisher, twin), field
    assert moments.NO_TIME == finisher._NO_TIME
    for op in finisher.Op:
        assert getattr(finisher, f"_{op.name}") == op


def test_kernels_are_compiled_once() -> None:
    """One request for one subject and a batch of hundreds run the same machine code."""
    warm()
    features = load_feature_set("clinical_core")
    silver = Silver().patient().lab("glucose", 90, "2020-02-01").stay("2020-02-01", "2020-02-03").tables()
    features_at(silver, index_of(*[("ann", "2020-03-01")] * 300), features)
    SubjectFeatures(features).features({}, 0)
    kernels: tuple[object, ...] = (ordered, moments.moments, finisher.finish)
    for kernel in kernels:
        assert len(getattr(kernel, "signatures")) == 1  # noqa: B009 - numba's, which has no types


def test_without_a_place_for_a_cache_the_kernels_compile_all_the_same(tmp_path: Path) -> None:
    """As in a container whose file system and home cannot be written."""
    code = (
        "from medcairn.features.kernels.text_numbers import paired\n"
        "import numpy as np\n"
        "print(paired(np.array([1]), np.array([2]))[0])"
    )
    here = paired(np.array([1]), np.array([2]))[0]
    nowhere = {**os.environ, "NUMBA_CACHE_DIR": "/dev/null/nowhere", "HOME": "/dev/null"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=nowhere, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-300:]
    assert int(done.stdout) == here


def test_importing_the_package_does_not_import_the_compiler() -> None:
    code = "import sys, medcairn.features, medcairn.features.batch; print('numba' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_nan_never_counts_as_a_step() -> None:
    assert math.isnan(finisher._slope(np.zeros((1, 1, moments.FIELDS), np.int64), 0, 0))
