"""What somebody can do who may write every byte of people.db: spoil it, but not sign for another.

The keys that a signature is checked with come from the ledger (what `person.added` and `signing_key.made`
said), as a verifier takes them. Each row is one thing to try; none may give a signature that verifies.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from access.conftest import ADA, CHEAP, DAN, open_store
from medcairn.access import (
    ESignature,
    KeyRing,
    Meaning,
    NoticeKind,
    Passwords,
    People,
    Person,
    Role,
    SigningKey,
    verify_signature,
)
from medcairn.access.signing.keys import lock_key, new_private_key, public_half
from medcairn.access.signing.signatures import seal_signature
from medcairn.core.clock import FixedClock
from medcairn.core.digests import digest_bytes
from medcairn.core.errors import IntegrityError, MedcairnError
from medcairn.core.labels import Label

RECORD = digest_bytes(b"a model that nobody should release")
MINE = "the administrators own words"

Write = Callable[[sqlite3.Connection], None]


def run(*statements: str) -> Write:
    def write(database: sqlite3.Connection) -> None:
        for statement in statements:
            database.execute(statement)

    return write


def key_of_my_own(database: sqlite3.Connection) -> None:
    """A fresh key for Ada's row, locked under a password that I know, with its hash beside it."""
    passwords, private = Passwords(CHEAP), new_private_key()
    ada = Person(Label("ada"), "Ada Okafor", frozenset({Role.CLINICAL_REVIEWER}), public_half(private))
    locked = lock_key(private, ada, MINE, passwords)
    database.execute(
        "UPDATE signing_key SET public_key = ?, locked = ? WHERE person_id = 1",
        (locked.public_key, locked.secret.as_text()),
    )
    database.execute("UPDATE person SET password_hash = ? WHERE id = 1", (passwords.hash(MINE),))


def my_key_under_adas_public_key(database: sqlite3.Connection) -> None:
    """As above, but the row still shows Ada's true public key."""
    (true_key,) = database.execute("SELECT public_key FROM signing_key WHERE person_id = 1").fetchone()
    key_of_my_own(database)
    database.execute("UPDATE signing_key SET public_key = ? WHERE person_id = 1", (true_key,))


DANS = "(SELECT {0} FROM {1} WHERE {2} = 2)"
DANS_HASH = (
    "UPDATE person SET password_hash = " + DANS.format("password_hash", "person", "id") + " WHERE id = 1"
)
DANS_LOCKED = (
    "UPDATE signing_key SET locked = "
    + DANS.format("locked", "signing_key", "person_id")
    + " WHERE person_id = 1"
)

CHANGED, SIGNS = "was changed", "makes a signature"

TRIED: dict[str, tuple[Write, str, str, str]] = {
    # what is written to the store, the name and the password then given, and how far it gets
    "another password's hash": (run(DANS_HASH), "ada", DAN, CHANGED),
    "another's hash and key": (run(DANS_HASH, DANS_LOCKED), "ada", DAN, CHANGED),
    "another's whole key row": (
        run(DANS_HASH, "DELETE FROM signing_key WHERE person_id = 1", "UPDATE signing_key SET person_id = 1"),
        "ada",
        DAN,
        CHANGED,
    ),
    "a key of one's own": (key_of_my_own, "ada", MINE, SIGNS),
    "a key of one's own under her public key": (my_key_under_adas_public_key, "ada", MINE, CHANGED),
    "the older binding": (
        run(DANS_HASH, DANS_LOCKED, "UPDATE signing_key SET bound_to = 0"),
        "ada",
        DAN,
        CHANGED,
    ),
    "names swapped": (
        run(
            "UPDATE person SET name = 'x' WHERE id = 1",
            "UPDATE person SET name = 'ada', roles = 'clinical_reviewer' WHERE id = 2",
        ),
        "ada",
        DAN,
        CHANGED,
    ),
    "her printed name on another's row": (
        run("UPDATE person SET printed_name = 'Ada Okafor', roles = 'clinical_reviewer' WHERE id = 2"),
        "dan",
        DAN,
        CHANGED,
    ),
    "cheap locks": (
        run(DANS_HASH, "UPDATE signing_key SET locked = json_set(locked, '$.memory_kib', 8)"),
        "ada",
        DAN,
        CHANGED,
    ),
    "costly locks": (
        run("UPDATE signing_key SET locked = json_set(locked, '$.memory_kib', 1099511627776)"),
        "ada",
        ADA,
        "cannot be read",
    ),
    "no hash": (run("UPDATE person SET password_hash = ''"), "ada", "", "is wrong"),
}


@pytest.fixture
def trusted(people: People) -> dict[str, str]:
    """Name to public key, as the ledger's events told it when the people were added."""
    added = [one for one in people.outbox.pending() if one.kind is NoticeKind.PERSON_ADDED]
    return {str(one.record["name"]): str(one.record["public_key"]) for one in added}


def attack(store: Path, write: Write) -> None:
    with closing(sqlite3.connect(store, isolation_level=None)) as database:
        triggers = database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for (name,) in triggers:
            database.execute(f"DROP TRIGGER {name}")
        write(database)


@pytest.mark.part11("11.70", "11.200(a)(2)", "11.300(d)")
@pytest.mark.parametrize(("write", "name", "password", "how_far"), TRIED.values(), ids=TRIED.keys())
def test_no_forged_signature_verifies(
    people: People,
    store: Path,
    clock: FixedClock,
    trusted: dict[str, str],
    write: Write,
    name: str,
    password: str,
    how_far: str,
) -> None:
    attack(store, write)

    def sign() -> ESignature:
        changed = open_store(store)
        return changed.sign(name, password, record=RECORD, meaning=Meaning.APPROVED, clock=clock)

    if how_far is not SIGNS:
        with pytest.raises(MedcairnError, match=how_far):
            sign()
        return
    forged = sign()
    ring = KeyRing.of(SigningKey(Label(owner), key) for owner, key in trusted.items())
    with pytest.raises(IntegrityError, match="another key"):
        verify_signature(forged, public_key=trusted["ada"], record=RECORD)
    with pytest.raises(IntegrityError, match="another key"):
        ring.verify(forged, recorded_at=clock.now(), record=RECORD)


def test_the_keys_that_the_trail_knows_verify_what_is_true(
    people: People, clock: FixedClock, trusted: dict[str, str]
) -> None:
    """So that the rows above do not pass for want of a good signature."""
    true = people.sign("ada", ADA, record=RECORD, meaning=Meaning.APPROVED, clock=clock)
    verify_signature(true, public_key=trusted["ada"], record=RECORD)
    ring = KeyRing.of(SigningKey(Label(owner), key) for owner, key in trusted.items())
    assert ring.verify(true, recorded_at=clock.now(), record=RECORD).owner == "ada"


def test_a_signature_made_outside_is_no_better(clock: FixedClock, trusted: dict[str, str]) -> None:
    forged = seal_signature(
        new_private_key(),
        signer=Label("ada"),
        printed_name="Ada Okafor",
        signed_at=clock.now(),
        meaning=Meaning.APPROVED,
        record=RECORD,
    )
    with pytest.raises(IntegrityError, match="another key"):
        verify_signature(forged, public_key=trusted["ada"], record=RECORD)


@pytest.mark.part11("11.50(a)(1)")
def test_a_printed_name_that_was_changed_signs_nothing(
    people: People, store: Path, clock: FixedClock
) -> None:
    attack(store, run("UPDATE person SET printed_name = 'Dr. Somebody Else' WHERE id = 1"))
    with pytest.raises(IntegrityError, match="was changed"):
        people.sign("ada", ADA, record=RECORD, meaning=Meaning.APPROVED, clock=clock)
