"""Keys over time: what a revoked key still checks, and what not."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from access.conftest import ADA, MovingClock, kinds
from medcairn.access import ESignature, KeyRing, Meaning, NoticeKind, People, Person, Revoked, SigningKey
from medcairn.core.clock import instant
from medcairn.core.digests import digest_bytes
from medcairn.core.errors import IntegrityError, PolicyError, UsageError

RECORD = digest_bytes(b"the record")
NEW = "seven silent pelicans"


def sign(people: People, moving: MovingClock, password: str = ADA) -> ESignature:
    return people.sign("ada", password, record=RECORD, meaning=Meaning.APPROVED, clock=moving)


def refused(people: People, signature: ESignature, recorded_at: datetime) -> str:
    with pytest.raises(IntegrityError) as failure:
        people.keys().verify(signature, recorded_at=recorded_at, record=RECORD)
    return str(failure.value.fields["check"])


@pytest.mark.part11("11.300(c)", "11.70", "11.10(c)")
def test_a_lost_password_loses_the_key_and_not_what_it_signed(
    people: People, moving: MovingClock, root: Person
) -> None:
    moving.move(minutes=1)
    signature, signed_at = sign(people, moving), moving.now()
    moving.move(days=1)
    temporary = people.administration.reset("ada", by=root, clock=moving)
    with pytest.raises(PolicyError):
        sign(people, moving)
    people.change_password("ada", temporary, NEW, clock=moving)
    moving.move(minutes=1)
    later = sign(people, moving, NEW)
    assert later.public_key != signature.public_key
    people.keys().verify(signature, recorded_at=signed_at, record=RECORD)
    people.keys().verify(later, recorded_at=moving.now(), record=RECORD)
    assert people.public_keys()["ada"] == later.public_key
    assert {NoticeKind.PASSWORD_RESET, NoticeKind.SIGNING_KEY_REVOKED, NoticeKind.SIGNING_KEY_MADE} <= set(
        kinds(people)
    )


@pytest.mark.part11("11.300(c)", "11.10(c)")
def test_what_somebody_signed_outlasts_their_stay(people: People, moving: MovingClock, root: Person) -> None:
    moving.move(minutes=1)
    signature, signed_at = sign(people, moving), moving.now()
    moving.move(days=1)
    people.administration.remove("ada", by=root, clock=moving)
    people.keys().verify(signature, recorded_at=signed_at, record=RECORD)
    assert people.public_keys()["ada"] == signature.public_key
    assert [person.name for person in people.list()] == ["dan", "root"]


@pytest.mark.part11("11.300(c)")
def test_a_compromised_key_checks_nothing_from_then_on(
    people: People, moving: MovingClock, root: Person
) -> None:
    moving.move(minutes=10)
    before, first = sign(people, moving), moving.now()
    moving.move(minutes=10)
    since = moving.now()
    moving.move(minutes=10)
    after, second = sign(people, moving), moving.now()
    moving.move(minutes=10)
    people.administration.revoke_key("ada", by=root, since=since, clock=moving)
    people.keys().verify(before, recorded_at=first, record=RECORD)
    assert refused(people, after, second) == "revoked"
    assert refused(people, before, second) == "revoked", "written into the trail too late"
    assert refused(people, before, since) == "revoked", "at the very moment"
    assert "ada" not in people.public_keys()
    with pytest.raises(PolicyError, match="cannot sign"):
        sign(people, moving)
    people.change_password("ada", ADA, NEW, clock=moving)
    people.keys().verify(sign(people, moving, NEW), recorded_at=moving.now(), record=RECORD)


def test_a_back_dated_signature_does_not_get_past_the_trails_clock(
    people: People, moving: MovingClock, root: Person
) -> None:
    """A thief of the key writes an early time into the signature; the trail says when it came."""
    moving.move(minutes=10)
    thief = MovingClock(moving.now())
    back_dated = sign(people, thief)
    moving.move(days=2)
    people.administration.revoke_key("ada", by=root, clock=moving)
    moving.move(minutes=1)
    assert refused(people, back_dated, moving.now()) == "revoked"


TIMES = [
    # the entry comes so many seconds after the signature's own time, the check that refuses
    (0, ""),
    (86_400, ""),
    (-300, ""),
    (-301, "signed_at"),
]


@pytest.mark.part11("11.50(a)(2)")
@pytest.mark.parametrize(("seconds", "check"), TIMES)
def test_a_signature_is_not_from_the_time_to_come(
    people: People, moving: MovingClock, seconds: int, check: str
) -> None:
    moving.move(hours=1)
    signature, recorded_at = sign(people, moving), moving.now() + timedelta(seconds=seconds)
    if check:
        assert refused(people, signature, recorded_at) == check
    else:
        people.keys().verify(signature, recorded_at=recorded_at)


def test_a_signature_older_than_its_key_is_refused(people: People, moving: MovingClock) -> None:
    moving.move(days=-1)
    assert refused(people, sign(people, moving), moving.now()) == "too_early"


def test_keys_are_not_anothers(people: People, moving: MovingClock) -> None:
    signature = sign(people, moving)
    ring = KeyRing.of(key for key in people.keys().keys if key.owner != "ada")
    with pytest.raises(IntegrityError, match="another key"):
        ring.verify(signature, recorded_at=moving.now())


def test_a_key_is_revoked_by_its_owner_or_one_who_may(
    people: People, moving: MovingClock, root: Person
) -> None:
    ada, dan = (people.find(name) for name in ("ada", "dan"))
    assert ada and dan
    with pytest.raises(PolicyError):
        people.administration.revoke_key("ada", by=dan, clock=moving)
    with pytest.raises(UsageError, match="to come"):
        people.administration.revoke_key(
            "ada", by=root, since=moving.now() + timedelta(seconds=1), clock=moving
        )
    people.administration.revoke_key("ada", by=ada, clock=moving)
    with pytest.raises(UsageError, match="no signing key"):
        people.administration.revoke_key("ada", by=ada, clock=moving)


def test_the_private_half_of_an_ended_key_is_destroyed(
    people: People, store: Path, moving: MovingClock, root: Person
) -> None:
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(store)) as database:
        (locked,) = database.execute("SELECT locked FROM signing_key WHERE person_id = 1").fetchone()
    assert locked.encode() in store.read_bytes()
    people.administration.reset("ada", by=root, clock=moving)
    assert locked.encode() not in store.read_bytes()


def test_a_key_survives_json(people: People, moving: MovingClock, root: Person) -> None:
    people.administration.revoke_key("ada", by=root, clock=moving)
    for key in people.keys().keys:
        assert SigningKey.from_json(key.as_json()) == key
    first = people.keys().keys[0]
    assert (first.revoked_for, first.as_json()["revoked_at"]) == (Revoked.COMPROMISED, instant(moving.now()))


@pytest.mark.parametrize("field", ["owner", "public_key", "revoked_for", "made_at"])
def test_what_is_no_record_of_a_key_is_refused(people: People, field: str) -> None:
    value = dict(people.keys().keys[0].as_json())
    for broken in ({**value, field: "not so"}, {key: item for key, item in value.items() if key != field}):
        if field == "owner":
            broken[field] = "two words"
        with pytest.raises(IntegrityError):
            SigningKey.from_json(broken)
