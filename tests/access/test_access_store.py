"""The people store: stores of earlier versions, what is never deleted, and notices that are never lost."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from access.conftest import ADA, kinds, open_store
from medcairn.access import (
    Meaning,
    Notice,
    NoticeKind,
    Passwords,
    People,
    Person,
    Role,
    verify_signature,
)
from medcairn.core.canonical import canonical_json
from medcairn.core.clock import FixedClock
from medcairn.core.digests import digest_bytes
from medcairn.core.errors import ExternalError, IntegrityError, PolicyError, UsageError

RECORD = digest_bytes(b"the record")

FIRST_SCHEMA = """
CREATE TABLE person (
    id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE COLLATE NOCASE,
    printed_name TEXT NOT NULL, roles TEXT NOT NULL, password_hash TEXT NOT NULL, public_key TEXT NOT NULL,
    key_salt BLOB NOT NULL, key_nonce BLOB NOT NULL, key_locked BLOB NOT NULL
) STRICT;
CREATE TABLE attempt (
    person_id INTEGER PRIMARY KEY, failures INTEGER NOT NULL DEFAULT 0, last_at TEXT NOT NULL DEFAULT ''
) STRICT;
"""


@pytest.fixture
def first_store(store: Path) -> str:
    """A store as medcairn 0.1.0 wrote it, at its cost of a password; returns Ada's public key."""
    passwords, private = Passwords(), Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    public_key = private.public_key().public_bytes_raw().hex()
    salt, nonce = bytes(16), bytes(12)
    bound_to = canonical_json({"name": "ada", "public_key": public_key})
    box = ChaCha20Poly1305(passwords.derive_key(ADA, salt))
    locked = box.encrypt(nonce, private.private_bytes_raw(), bound_to)
    row = ("ada", "Ada Okafor", "clinical_reviewer", passwords.hash(ADA), public_key, salt, nonce, locked)
    with closing(sqlite3.connect(store, isolation_level=None)) as database:
        database.executescript(FIRST_SCHEMA)
        database.execute(
            "INSERT INTO person (name, printed_name, roles, password_hash, public_key, key_salt, key_nonce,"
            " key_locked) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            row,
        )
        database.execute("INSERT INTO attempt VALUES (1, 2, '2026-03-01T11:59:00.000000Z')")
    return public_key


@pytest.mark.part11("11.10(c)")
def test_a_first_store_opens_and_its_people_sign(store: Path, first_store: str, clock: FixedClock) -> None:
    people = open_store(store)
    assert people.public_keys() == {"ada": first_store}
    signature = people.sign("ada", ADA, record=RECORD, meaning=Meaning.APPROVED, clock=clock)
    verify_signature(signature, public_key=first_store, record=RECORD)
    people.keys().verify(signature, recorded_at=clock.now())
    people.change_password("ada", ADA, "seven silent pelicans", clock=clock)
    again = open_store(store).sign(
        "ada", "seven silent pelicans", record=RECORD, meaning=Meaning.APPROVED, clock=clock
    )
    verify_signature(again, public_key=first_store, record=RECORD)


def test_tries_before_the_change_of_version_still_count(
    store: Path, first_store: str, clock: FixedClock
) -> None:
    people = open_store(store)
    with pytest.raises(PolicyError):
        people.authenticate("ada", "a wrong password", clock=clock)
    with pytest.raises(PolicyError):
        people.authenticate("ada", ADA, clock=clock)


def test_a_store_of_a_later_version_says_so_and_is_left_alone(store: Path, people: People) -> None:
    with closing(sqlite3.connect(store, isolation_level=None)) as database:
        database.execute("PRAGMA user_version = 99")
    before = store.read_bytes()
    with pytest.raises(UsageError, match="later medcairn"):
        People(store)
    assert store.read_bytes() == before


KEPT = ["person", "signing_key", "identity_proof", "training", "service_token"]


@pytest.mark.part11("11.10(c)", "11.100(a)")
def test_nobody_and_nothing_about_them_is_deleted_by_a_slip(store: Path, people: People) -> None:
    with closing(sqlite3.connect(store, isolation_level=None)) as database:
        for table in KEPT:
            found = database.execute(
                "SELECT 1 FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ?", (table,)
            )
            assert found.fetchone(), table
        for statement in ("DELETE FROM person", "DELETE FROM signing_key", "UPDATE person SET name = 'x'"):
            with pytest.raises(sqlite3.IntegrityError, match="kept"):
                database.execute(statement)


@pytest.mark.part11("11.10(e)")
def test_notices_are_delivered_in_order_and_once(people: People, root: Person, clock: FixedClock) -> None:
    people.administration.set_roles("dan", [Role.OPERATOR], by=root, clock=clock)
    expected = kinds(people)
    assert expected == [NoticeKind.PERSON_ADDED] * 3 + [NoticeKind.PERSON_CHANGED]
    taken: list[Notice] = []
    assert people.outbox.deliver(taken.append) == 4
    assert [notice.kind for notice in taken] == expected
    assert people.outbox.pending() == ()
    last = taken[-1]
    assert (last.actor, last.at) == ("person:root", clock.now())
    assert last.record == {"name": "dan", "roles_before": ["data_scientist"], "roles": ["operator"]}


def test_what_is_not_taken_stays(people: People) -> None:
    assert people.outbox.deliver(lambda notice: notice.record["name"] != "ada") == 1
    assert [notice.record["name"] for notice in people.outbox.pending()] == ["ada"]


@pytest.mark.part11("11.10(e)")
def test_a_trail_that_fails_loses_no_notice(store: Path, clock: FixedClock) -> None:
    full = True

    def told(notice: Notice) -> None:
        if full:
            raise ExternalError("The trail cannot be written")
        heard.append(notice)

    heard: list[Notice] = []
    people = People(store, passwords=open_store(store).store.passwords, told=told)
    with pytest.raises(ExternalError):
        people.add("ada", printed_name="Ada", roles=[Role.AUDITOR], password=ADA, clock=clock)
    full = False
    with pytest.raises(PolicyError):
        people.authenticate("ada", "a wrong password", clock=clock)
    assert [notice.kind for notice in heard] == [NoticeKind.PERSON_ADDED, NoticeKind.ACCESS_DENIED]


def test_two_that_deliver_at_once_deliver_each_notice_once(people: People, clock: FixedClock) -> None:
    for _ in range(2):
        with pytest.raises(PolicyError):
            people.authenticate("ada", "a wrong password", clock=clock)
    expected = kinds(people)
    taken: list[Notice] = []
    with ThreadPoolExecutor(4) as pool:
        counts = list(pool.map(lambda _: people.outbox.deliver(taken.append), range(4)))
    assert sum(counts) == len(expected) == 4
    assert [notice.kind for notice in taken] == expected


def test_a_name_raced_by_many_is_given_once(people: People, clock: FixedClock) -> None:
    def add(_: int) -> bool:
        try:
            people.add("eve", printed_name="Eve", roles=[Role.AUDITOR], password="silent copper meadow")
        except UsageError:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(add, range(6))) == 1


SPOILED = [
    "UPDATE person SET roles = 'king' WHERE id = 1",
    "UPDATE person SET password_set_at = 'yesterday' WHERE id = 1",
    "UPDATE signing_key SET locked = '{}' WHERE person_id = 1",
    "UPDATE signing_key SET bound_to = 9 WHERE person_id = 1",
    "UPDATE notice SET kind = 'sun.shone'",
    "UPDATE notice SET record = '{'",
]


@pytest.mark.parametrize("statement", SPOILED)
def test_a_spoiled_row_is_named_and_not_quoted(
    people: People, store: Path, clock: FixedClock, statement: str
) -> None:
    with closing(sqlite3.connect(store, isolation_level=None)) as database:
        database.execute(statement)
    with pytest.raises(IntegrityError, match="cannot be read") as failure:
        people.authenticate("ada", ADA, clock=clock)
        people.outbox.pending()
    assert failure.value.__context__ is None


def test_a_change_that_fails_tells_nothing(people: People, root: Person, clock: FixedClock) -> None:
    before = kinds(people)
    with pytest.raises(UsageError):
        people.administration.set_roles("nobody", [Role.OPERATOR], by=root, clock=clock)
    assert kinds(people) == before


@pytest.mark.part11("11.10(d)")
def test_under_the_strict_policy_administrators_add(store: Path, clock: FixedClock) -> None:
    people = open_store(store, administrator_adds=True)

    def add(name: str, role: Role, by: Person | None = None) -> Person:
        password = "silent copper meadow"
        return people.add(name, printed_name=name, roles=[role], password=password, by=by, clock=clock)

    with pytest.raises(PolicyError, match="first person"):
        add("zoe", Role.OPERATOR)
    root = add("root", Role.ADMINISTRATOR)
    with pytest.raises(PolicyError, match="Only an administrator"):
        add("zoe", Role.OPERATOR)
    zoe = add("zoe", Role.OPERATOR, by=root)
    with pytest.raises(PolicyError, match="roles"):
        add("max", Role.ADMINISTRATOR, by=zoe)


@pytest.mark.part11("11.100(a)", "11.300(c)")
def test_who_is_invited_gets_a_key_only_with_a_password_of_their_own(
    people: People, root: Person, clock: FixedClock
) -> None:
    invitation = people.invite(
        "bea", printed_name="Bea Lind", roles=[Role.QUALITY_REVIEWER], by=root, clock=clock
    )
    assert invitation.person.public_key == "" and invitation.password not in repr(invitation)
    with pytest.raises(PolicyError, match="one of your own"):
        people.authenticate("bea", invitation.password, clock=clock)
    bea = people.change_password("bea", invitation.password, "silent copper meadow", clock=clock)
    signature = people.sign(
        "bea", "silent copper meadow", record=RECORD, meaning=Meaning.APPROVED, clock=clock
    )
    verify_signature(signature, public_key=bea.public_key)
    assert NoticeKind.SIGNING_KEY_MADE in kinds(people)
