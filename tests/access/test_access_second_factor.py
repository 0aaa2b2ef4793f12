"""The second factor: set up, needed, used once, lost, recovered."""

from __future__ import annotations

import sqlite3
from base64 import b32decode
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from access.conftest import ADA, App, MovingClock, denials, enrolled, kinds
from medcairn.access import Meaning, NoticeKind, People, Person, Reason
from medcairn.core.digests import digest_bytes
from medcairn.core.errors import IntegrityError, PolicyError, UsageError

RECORD = digest_bytes(b"the record")


@pytest.fixture
def app(people: People, moving: MovingClock) -> App:
    return enrolled(people, moving, "ada", ADA)


def sign(people: People, moving: MovingClock, code: str | None) -> None:
    people.sign("ada", ADA, code=code, record=RECORD, meaning=Meaning.APPROVED, clock=moving)


def test_without_one_a_password_is_enough(people: People, moving: MovingClock) -> None:
    assert not people.asks_code("ada")
    sign(people, moving, None)


def test_with_one_a_code_is_needed(people: People, moving: MovingClock, app: App) -> None:
    assert people.asks_code("ada")
    sign(people, moving, app.next_code())
    people.authenticate("ada", ADA, code=app.next_code(), clock=moving)


WRONG = {
    "none": lambda _: None,
    "empty": lambda _: "",
    "of another time": lambda app: app.code(steps=-10),
    "a digit short": lambda app: app.code()[:-1],
    "not digits": lambda _: "abcdef",
}


@pytest.mark.part11("11.200(a)(1)")
@pytest.mark.parametrize("code", WRONG.values(), ids=WRONG.keys())
def test_a_wrong_code_reads_like_a_wrong_password(
    people: People, moving: MovingClock, app: App, code: object
) -> None:
    moving.move(minutes=5)
    assert callable(code)
    with pytest.raises(PolicyError) as refused:
        sign(people, moving, code(app))
    with pytest.raises(PolicyError) as wrong_password:
        people.authenticate("ada", "no such password", code=app.code(), clock=moving)
    assert str(refused.value) == str(wrong_password.value)
    assert denials(people) == [("person:ada", Reason.WRONG_CODE), ("person:ada", Reason.WRONG_PASSWORD)]


@pytest.mark.part11("11.300(e)")
def test_a_code_counts_once(people: People, moving: MovingClock, app: App) -> None:
    code = app.next_code()
    sign(people, moving, code)
    with pytest.raises(PolicyError):
        sign(people, moving, code)
    assert denials(people)[-1] == ("person:ada", Reason.REPLAYED_CODE)


def test_an_earlier_code_does_not_count_after_a_later_one(
    people: People, moving: MovingClock, app: App
) -> None:
    moving.move(minutes=5)
    earlier = app.code(steps=-1)
    sign(people, moving, app.code())
    with pytest.raises(PolicyError):
        sign(people, moving, earlier)


def test_the_code_that_set_it_up_is_used_up(people: People, moving: MovingClock, app: App) -> None:
    with pytest.raises(PolicyError):
        sign(people, moving, app.code())


def test_a_code_raced_by_many_lets_one_in(people: People, moving: MovingClock, app: App) -> None:
    code = app.next_code()

    def attempt(_: int) -> bool:
        try:
            people.authenticate("ada", ADA, code=code, clock=moving)
        except PolicyError:
            return False
        return True

    with ThreadPoolExecutor(3) as pool:
        assert sum(pool.map(attempt, range(3))) == 1


def test_wrong_codes_lock_out(people: People, moving: MovingClock, app: App) -> None:
    """Else a thief of the password could try all million codes."""
    moving.move(minutes=5)
    for _ in range(3):
        with pytest.raises(PolicyError):
            sign(people, moving, "000000")
    with pytest.raises(PolicyError):
        sign(people, moving, app.code())
    assert denials(people)[-1] == ("person:ada", Reason.LOCKED_OUT)


def test_it_counts_only_once_confirmed(people: People, moving: MovingClock) -> None:
    people.second_factors.begin("ada", ADA, clock=moving)
    sign(people, moving, None)
    with pytest.raises(PolicyError, match="new secret"):
        people.second_factors.confirm("ada", ADA, "000000", clock=moving)
    sign(people, moving, None)


def test_nothing_to_confirm(people: People, moving: MovingClock) -> None:
    with pytest.raises(UsageError, match="waits"):
        people.second_factors.confirm("ada", ADA, "000000", clock=moving)


def test_a_new_one_takes_the_old_one(people: People, moving: MovingClock, app: App) -> None:
    with pytest.raises(PolicyError):
        people.second_factors.begin("ada", ADA, clock=moving)
    text = people.second_factors.begin("ada", ADA, code=app.next_code(), clock=moving).secret
    newer = App(people, moving, "ada", b32decode(text))
    people.second_factors.confirm("ada", ADA, newer.code(), clock=moving)
    with pytest.raises(PolicyError):
        sign(people, moving, app.next_code())
    sign(people, moving, newer.next_code())


@pytest.mark.part11("11.300(c)")
def test_a_recovery_code_lets_in_once_and_does_not_sign(
    people: People, moving: MovingClock, app: App
) -> None:
    first, second, *_ = app.recovery
    assert len(set(app.recovery)) == 8
    with pytest.raises(PolicyError):
        sign(people, moving, first)
    people.authenticate("ada", ADA, code=first.lower(), clock=moving)
    assert NoticeKind.RECOVERY_CODE_USED in kinds(people)
    with pytest.raises(PolicyError):
        people.authenticate("ada", ADA, code=first, clock=moving)
    people.second_factors.begin("ada", ADA, code=second, clock=moving)


@pytest.mark.part11("11.300(c)")
def test_a_lost_device_takes_an_administrator_and_the_password(
    people: People, moving: MovingClock, app: App, root: Person
) -> None:
    people.second_factors.remove("ada", by=root, clock=moving)
    assert NoticeKind.SECOND_FACTOR_REMOVED in kinds(people)
    sign(people, moving, None)
    with pytest.raises(PolicyError, match="themselves"):
        people.second_factors.remove("root", by=root, clock=moving)
    with pytest.raises(PolicyError, match="roles"):
        people.second_factors.remove("root", by=people.list()[0], clock=moving)


def test_the_secret_opens_only_with_the_password(
    people: People, moving: MovingClock, app: App, store: Path
) -> None:
    """Who can write the database cannot put a second factor of their own in somebody's row."""
    with closing(sqlite3.connect(store, isolation_level=None)) as database:
        (locked,) = database.execute("SELECT locked FROM second_factor").fetchone()
        assert app.secret.hex() not in locked and app.secret not in store.read_bytes()
    enrolled(people, moving, "dan", "correct staple cow")
    with closing(sqlite3.connect(store, isolation_level=None)) as database:
        database.execute(
            "UPDATE second_factor SET locked = (SELECT locked FROM second_factor WHERE person_id = 2)"
            " WHERE person_id = 1"
        )
    with pytest.raises(IntegrityError):
        sign(people, moving, app.next_code())
