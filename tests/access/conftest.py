"""A people store with cheap hashing and people in it, a clock that can be moved on, and an app for codes."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from medcairn.access import (
    AccessPolicy,
    Argon2Cost,
    LockOut,
    Notice,
    NoticeKind,
    Passwords,
    People,
    Person,
    Reason,
    Role,
    SigningPolicy,
)
from medcairn.access.credentials.one_time_codes import code_of_step, step_at
from medcairn.core.clock import FixedClock

CHEAP = Argon2Cost(passes=1, memory_kib=64, lanes=1)
ADA, DAN, ROOT, QUINN = "mare horse battery", "correct staple cow", "violet granite otter", "nine amber kites"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "part11(*clauses): the clauses of 21 CFR Part 11 that this test shows")


@dataclass
class MovingClock:
    """A clock that stands still until it is moved."""

    instant: datetime = field(default_factory=lambda: datetime(2026, 3, 1, 12, 0, tzinfo=UTC))

    def now(self) -> datetime:
        return self.instant

    def move(self, **by: float) -> None:
        self.instant += timedelta(**by)


@dataclass
class App:
    """An authenticator app: the secret that it was given, and the codes it shows."""

    people: People
    clock: MovingClock
    name: str
    secret: bytes
    recovery: tuple[str, ...] = ()

    def code(self, *, steps: int = 0) -> str:
        return code_of_step(self.secret, step_at(self.clock.now()) + steps)

    def next_code(self) -> str:
        """Wait for a code that was not shown before."""
        self.clock.move(seconds=30)
        return self.code()


def enrolled(people: People, clock: MovingClock, name: str, password: str) -> App:
    """``name`` sets up a second factor."""
    from base64 import b32decode

    text = people.second_factors.begin(name, password, clock=clock).secret
    app = App(people, clock, name, b32decode(text + "=" * (-len(text) % 8)))
    app.recovery = people.second_factors.confirm(name, password, app.code(), clock=clock)
    return app


def denials(people: People) -> list[tuple[str, Reason]]:
    """Who was denied and why, oldest first."""
    return [
        (notice.actor, Reason(str(notice.record["reason"])))
        for notice in people.outbox.pending()
        if notice.kind is NoticeKind.ACCESS_DENIED
    ]


def kinds(people: People) -> list[NoticeKind]:
    return [notice.kind for notice in people.outbox.pending()]


def heard(notices: list[Notice], kind: NoticeKind) -> list[Notice]:
    return [notice for notice in notices if notice.kind is kind]


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(datetime(2026, 3, 1, 12, 0, tzinfo=UTC))


@pytest.fixture
def moving() -> MovingClock:
    return MovingClock()


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "people.db"


def open_store(path: Path, **policy: object) -> People:
    lock_out = LockOut(failures=3, minutes=15)
    return People(
        path,
        passwords=Passwords(CHEAP),
        policy=AccessPolicy.model_validate({"lock_out": lock_out, **policy}),
    )


@pytest.fixture
def people(store: Path, clock: FixedClock) -> People:
    people = open_store(store)
    people.add("ada", printed_name="Ada Okafor", roles=[Role.CLINICAL_REVIEWER], password=ADA, clock=clock)
    people.add("dan", printed_name="Dan Ruiz", roles=[Role.DATA_SCIENTIST], password=DAN, clock=clock)
    return people


@pytest.fixture
def root(people: People, clock: FixedClock) -> Person:
    """An administrator."""
    roles = [Role.ADMINISTRATOR]
    return people.add("root", printed_name="Rut Ahlin", roles=roles, password=ROOT, clock=clock)


@pytest.fixture
def quinn(people: People, clock: FixedClock) -> Person:
    """A quality reviewer."""
    roles = [Role.QUALITY_REVIEWER]
    return people.add("quinn", printed_name="Q. Ito", roles=roles, password=QUINN, clock=clock)


STRICT = SigningPolicy(second_factor="required", identity_proof=True, training=("esignature-accountability",))
