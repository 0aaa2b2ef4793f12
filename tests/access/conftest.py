"""A people store with cheap hashing, and a person in it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from medcairn.access import Argon2Cost, LockOut, Passwords, People, Role
from medcairn.core.clock import FixedClock


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(datetime(2026, 3, 1, 12, 0, tzinfo=UTC))


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "people.db"


@pytest.fixture
def people(store: Path) -> People:
    cheap = Passwords(Argon2Cost(passes=1, memory_kib=64, lanes=1))
    people = People(store, passwords=cheap, lock_out=LockOut(failures=3, minutes=15))
    people.add(
        "ada", printed_name="Ada Okafor", roles=[Role.CLINICAL_REVIEWER], password="mare horse battery"
    )
    people.add("dan", printed_name="Dan Ruiz", roles=[Role.DATA_SCIENTIST], password="correct staple cow")
    return people
