"""Who gets in, who does not, and what a refusal tells."""

from __future__ import annotations

import sqlite3
import stat
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from access.conftest import denials, heard
from medcairn.access import Argon2Cost, NoticeKind, Passwords, People, Person, Reason, Role
from medcairn.core.clock import FixedClock
from medcairn.core.errors import IntegrityError, PolicyError, UsageError

RIGHT = "mare horse battery"
WRONG = "mare horse batterz"


def later(clock: FixedClock, minutes: int) -> FixedClock:
    return replace(clock, instant=clock.instant + timedelta(minutes=minutes))


def refusal(people: People, name: str, password: str, clock: FixedClock) -> str:
    with pytest.raises(PolicyError) as refused:
        people.authenticate(name, password, clock=clock)
    return str(refused.value)


def test_the_right_password_lets_in(people: People, clock: FixedClock) -> None:
    person = people.authenticate("ada", RIGHT, clock=clock)
    assert (person.name, person.printed_name) == ("ada", "Ada Okafor")
    assert person.roles == frozenset({Role.CLINICAL_REVIEWER})


@pytest.mark.part11("11.10(d)")
def test_wrong_name_wrong_password_and_lock_out_read_the_same(people: People, clock: FixedClock) -> None:
    wrong_password = refusal(people, "ada", WRONG, clock)
    wrong_name = refusal(people, "adb", RIGHT, clock)
    refusal(people, "ada", WRONG, clock)
    refusal(people, "ada", WRONG, clock)
    locked = refusal(people, "ada", RIGHT, clock)
    assert wrong_password == wrong_name == locked
    assert "ada" not in locked


LOCK_OUT = [
    # wrong tries before, minutes until the right one, gets in
    (0, 0, True),
    (2, 0, True),
    (3, 0, False),
    (3, 14, False),
    (3, 15, True),
    (9, 14, False),
]


@pytest.mark.part11("11.300(d)")
@pytest.mark.parametrize(("tries", "minutes", "gets_in"), LOCK_OUT)
def test_lock_out(people: People, clock: FixedClock, tries: int, minutes: int, gets_in: bool) -> None:
    for _ in range(tries):
        refusal(people, "ada", WRONG, clock)
    if gets_in:
        people.authenticate("ada", RIGHT, clock=later(clock, minutes))
    else:
        refusal(people, "ada", RIGHT, later(clock, minutes))


def test_one_lock_out_is_not_anothers(people: People, clock: FixedClock) -> None:
    for _ in range(5):
        refusal(people, "ada", WRONG, clock)
    people.authenticate("dan", "correct staple cow", clock=clock)


def test_the_right_password_clears_the_count(people: People, clock: FixedClock) -> None:
    for _ in range(3):
        refusal(people, "ada", WRONG, clock)
        refusal(people, "ada", WRONG, clock)
        people.authenticate("ada", RIGHT, clock=clock)


def test_many_tries_at_once_gain_nothing(people: People, clock: FixedClock) -> None:
    """Were a try counted after the hash was checked, all twelve would be looked at."""
    seen: list[str] = []

    class Watched(Passwords):
        def matches(self, password: str, encoded: str | None) -> bool:
            seen.append(password)
            return super().matches(password, encoded)

    watched = People(
        people.store.path, passwords=Watched(Argon2Cost(1, 64, 1)), lock_out=people.policy.lock_out
    )
    with ThreadPoolExecutor(12) as pool:
        list(pool.map(lambda number: refusal(watched, "ada", f"guess {number}", clock), range(12)))
    with pytest.raises(PolicyError):
        watched.authenticate("ada", RIGHT, clock=clock)
    assert len(seen) == 13, "the same work is done for a locked name"


@pytest.mark.part11("11.100(a)", "11.300(a)")
def test_a_second_person_of_the_name_is_refused_in_any_case(people: People) -> None:
    for name in ("ada", "ADA"):
        with pytest.raises(UsageError, match="taken"):
            people.add(name, printed_name="Other", roles=[Role.AUDITOR], password="silent copper meadow")


@pytest.mark.part11("11.100(a)", "11.300(a)")
def test_a_name_is_not_given_again_after_its_person_left(
    people: People, root: Person, clock: FixedClock
) -> None:
    people.administration.remove("ada", by=root, clock=clock)
    assert people.find("ada") is None
    with pytest.raises(UsageError, match="taken"):
        people.add("Ada", printed_name="Ada Lund", roles=[Role.AUDITOR], password="silent copper meadow")


@pytest.mark.part11("11.10(d)")
def test_who_left_does_not_get_in(people: People, root: Person, clock: FixedClock) -> None:
    before = refusal(people, "ada", WRONG, clock)
    people.administration.remove("ada", by=root, clock=clock)
    assert refusal(people, "ada", RIGHT, clock) == before
    assert denials(people)[-1] == ("person:ada", Reason.REMOVED)


@pytest.mark.part11("11.300(d)")
def test_a_lock_out_raises_one_alert(people: People, clock: FixedClock) -> None:
    for _ in range(6):
        refusal(people, "ada", WRONG, clock)
    alerts = heard(list(people.outbox.pending()), NoticeKind.ACCESS_ALERTED)
    assert [(alert.actor, dict(alert.record)) for alert in alerts] == [
        ("person:ada", {"reason": "locked_out", "failures": 3})
    ]


@pytest.mark.part11("11.300(d)")
def test_every_refusal_is_a_notice_and_a_typed_name_is_not_kept(people: People, clock: FixedClock) -> None:
    refusal(people, "ada", WRONG, clock)
    refusal(people, "my-secret-by-mistake", "ada", clock)
    assert denials(people) == [
        ("person:ada", Reason.WRONG_PASSWORD),
        ("unknown", Reason.UNKNOWN_NAME),
    ]
    assert "mistake" not in repr(people.outbox.pending())


@pytest.mark.parametrize("name", ["", "with space", "x" * 65, "new\nline"])
def test_names_are_labels(people: People, name: str) -> None:
    with pytest.raises(UsageError):
        people.add(name, printed_name="X Y", roles=[Role.AUDITOR], password="silent copper meadow")


@pytest.mark.parametrize("printed_name", ["", "  ", "two\nlines", "x" * 201])
def test_printed_names_are_one_line(people: People, printed_name: str) -> None:
    with pytest.raises(UsageError):
        people.add("eve", printed_name=printed_name, roles=[Role.AUDITOR], password="silent copper meadow")


def test_a_person_without_a_role_is_refused(people: People) -> None:
    with pytest.raises(UsageError, match="role"):
        people.add("eve", printed_name="Eve", roles=[], password="silent copper meadow")


@pytest.mark.part11("11.10(d)")
def test_the_store_is_private_and_holds_no_password(people: People, store: Path, clock: FixedClock) -> None:
    people.authenticate("ada", RIGHT, clock=clock)
    assert stat.S_IMODE(store.stat().st_mode) == 0o600
    assert RIGHT.encode() not in store.read_bytes()
    with closing(sqlite3.connect(store)) as database:
        (encoded,) = database.execute("SELECT password_hash FROM person WHERE name = 'ada'").fetchone()
    assert encoded.startswith("$argon2id$")


def test_the_default_cost_is_that_of_rfc_9106() -> None:
    cost = Argon2Cost()
    assert (cost.passes, cost.memory_kib, cost.lanes) == (3, 65_536, 4)


def test_people_are_listed_by_name_and_kept(people: People, store: Path) -> None:
    assert [person.name for person in People(store).list()] == ["ada", "dan"]


def test_a_file_that_is_no_store_is_named_damaged(tmp_path: Path) -> None:
    path = tmp_path / "people.db"
    path.write_bytes(b"not a database, but long enough to be looked at as one" * 40)
    with pytest.raises(IntegrityError, match="damaged"):
        People(path)
