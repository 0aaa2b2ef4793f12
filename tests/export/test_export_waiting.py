"""Waiting: whatever a server says, a wait is sane."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medcairn.core.clock import FixedClock
from medcairn.core.errors import ExternalError, Interrupted
from medcairn.export.bulkdata.waiting import (
    CEILING_SECONDS,
    FLOOR_SECONDS,
    Patience,
    backoff_seconds,
    retry_after_seconds,
)

from .conftest import NOW, FakeTime


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("2", 2.0),
        (" 120 ", 120.0),
        ("1.5", 1.5),
        ("0", FLOOR_SECONDS),
        ("86400", CEILING_SECONDS),
        (str(int(NOW.timestamp()) + 30), 30.0),
        (str((int(NOW.timestamp()) + 30) * 1000), 30.0),
        ("4102444800", CEILING_SECONDS),
        ("1000000000", FLOOR_SECONDS),
        (format_datetime(NOW + timedelta(seconds=40), usegmt=True), 40.0),
        (format_datetime(NOW - timedelta(days=400), usegmt=True), FLOOR_SECONDS),
        ("Fri, 31 Dec 9999 23:59:59 GMT", CEILING_SECONDS),
    ],
)
def test_what_can_be_read_is_read_and_clamped(header: str, seconds: float) -> None:
    assert retry_after_seconds(header, NOW) == seconds


@pytest.mark.parametrize("header", [None, "", "-5", "soon", "1e5", "NaN", "0x10", "Fri, 99 Dec", "١٢" * 40])
def test_what_cannot_be_read_is_nothing(header: str | None) -> None:
    assert retry_after_seconds(header, NOW) is None


@given(
    st.one_of(st.text(), st.integers().map(str), st.floats().map(str), st.datetimes().map(format_datetime))
)
def test_no_header_makes_a_wait_that_is_not_sane(header: str) -> None:
    seconds = retry_after_seconds(header, NOW)
    assert seconds is None or FLOOR_SECONDS <= seconds <= CEILING_SECONDS


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_backoff_grows_to_a_minute(attempt: int, jitter: float) -> None:
    assert 0.5 <= backoff_seconds(attempt, jitter) <= 60
    assert backoff_seconds(attempt, jitter) <= backoff_seconds(attempt + 1, jitter)


def patience(time: FakeTime, limit: float = 100) -> Patience:
    return Patience(FixedClock(datetime(2026, 1, 1, tzinfo=UTC)), time.sleep, time.monotonic, limit)


def test_a_wait_beyond_the_limit_is_not_begun(fake_time: FakeTime) -> None:
    waits = patience(fake_time)
    waits.wait(60)
    with pytest.raises(ExternalError, match="time limit"):
        waits.wait(60)
    assert fake_time.total == 60


def test_a_stop_ends_a_wait_within_a_slice(fake_time: FakeTime) -> None:
    waits = patience(fake_time)
    real_sleep = fake_time.sleep

    def sleep(seconds: float) -> None:
        real_sleep(seconds)
        waits.stopped.set()

    waits.sleep = sleep
    with pytest.raises(Interrupted):
        waits.wait(60)
    assert fake_time.total <= 1
