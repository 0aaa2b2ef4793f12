"""The people of a study: who they are, that it is they, and their signatures."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from medcairn.access.database import create_database, transaction
from medcairn.access.keys import LockedKey, new_locked_key, unlock_key
from medcairn.access.passwords import Passwords, check_new_password
from medcairn.access.roles import Action, Role, check_roles
from medcairn.access.signatures import ESignature, Meaning, seal_signature
from medcairn.core.canonical import JSON
from medcairn.core.clock import Clock, instant
from medcairn.core.digests import Digest
from medcairn.core.errors import PolicyError, UsageError
from medcairn.core.labels import Label

_NOBODY = 0
_SELECT = """
SELECT id, name, printed_name, roles, password_hash, public_key, key_salt, key_nonce, key_locked FROM person
"""
_INSERT = """
INSERT INTO person (name, printed_name, roles, password_hash, public_key, key_salt, key_nonce, key_locked)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""
_SIGNING = {
    Meaning.AUTHORED: Action.SIGN_AUTHORED,
    Meaning.REVIEWED: Action.SIGN_REVIEWED,
    Meaning.APPROVED: Action.SIGN_APPROVED,
    Meaning.RESPONSIBILITY: Action.SIGN_RESPONSIBILITY,
}


@dataclass(frozen=True)
class LockOut:
    """After ``failures`` wrong passwords in a row a name is refused for ``minutes``, right or wrong."""

    failures: int = 5
    minutes: int = 15


@dataclass(frozen=True)
class Person:
    """Someone who may act in a study. ``public_key`` (hex) checks this person's e-signatures."""

    name: Label
    printed_name: str
    roles: frozenset[Role]
    public_key: str

    def as_json(self) -> dict[str, JSON]:
        return {
            "name": self.name,
            "printed_name": self.printed_name,
            "roles": sorted(role.value for role in self.roles),
            "public_key": self.public_key,
        }


@dataclass(frozen=True)
class _Row:
    person_id: int
    person: Person
    password_hash: str
    key: LockedKey


def check_allowed(person: Person, action: Action) -> None:
    """Pass when ``person`` may do ``action``; raise :class:`PolicyError` otherwise."""
    check_roles(person.roles, action)


class People:
    """The people store of a study, a SQLite file of mode 0600.

    Safe to use from several threads and processes: each call is one transaction.
    """

    def __init__(
        self, path: Path, *, passwords: Passwords | None = None, lock_out: LockOut | None = None
    ) -> None:
        self._path = path
        self._passwords = passwords or Passwords()
        self._lock_out = lock_out or LockOut()
        create_database(path)

    def add(self, name: str, *, printed_name: str, roles: Sequence[Role], password: str) -> Person:
        """Add a person with a fresh signing key.

        Raises :class:`UsageError` for a name that is taken or no name, and :class:`PolicyError` for a
        password that the policy refuses.
        """
        label = _checked_name(name)
        if not printed_name.strip() or not printed_name.isprintable() or len(printed_name) > 200:
            raise UsageError("A printed name is needed, on one line and at most 200 characters long")
        if not roles:
            raise UsageError("A person needs at least one role")
        check_new_password(password, name=name)
        encoded = self._passwords.hash(password)
        key = new_locked_key(label, password, self._passwords)
        person = Person(label, printed_name.strip(), frozenset(roles), key.public_key)
        self._insert(person, encoded, key)
        return person

    def authenticate(self, name: str, password: str, *, clock: Clock) -> Person:
        """The person, when ``password`` is right and the name is not locked out.

        Each try is counted before the password is looked at, so that many at once gain nothing. Raises
        :class:`PolicyError` with the same text for a wrong name, a wrong password and a lock-out.
        """
        return self._authenticated(name, password, clock).person

    def sign(self, name: str, password: str, *, record: Digest, meaning: Meaning, clock: Clock) -> ESignature:
        """Sign ``record`` as ``name``.

        Raises :class:`PolicyError` when the person is not authenticated or no role of theirs may sign with
        this meaning, :class:`IntegrityError` when the stored key was changed.
        """
        row = self._authenticated(name, password, clock)
        check_allowed(row.person, _SIGNING[meaning])
        key = unlock_key(row.person.name, row.key, password, self._passwords)
        return seal_signature(
            key,
            signer=row.person.name,
            printed_name=row.person.printed_name,
            signed_at=clock.now(),
            meaning=meaning,
            record=record,
        )

    def list(self) -> tuple[Person, ...]:
        """Everybody, by name."""
        with transaction(self._path) as database:
            rows = database.execute(_SELECT + "ORDER BY name").fetchall()
        return tuple(_row(values).person for values in rows)

    def find(self, name: str) -> Person | None:
        """The person of that name, without any authentication; None when there is none."""
        with transaction(self._path) as database:
            row = _find(database, name)
        return row.person if row else None

    def public_keys(self) -> dict[str, str]:
        """For each name the public key (hex) that its e-signatures are checked with."""
        return {person.name: person.public_key for person in self.list()}

    def _insert(self, person: Person, encoded: str, key: LockedKey) -> None:
        values = (
            str(person.name),
            person.printed_name,
            ",".join(sorted(role.value for role in person.roles)),
            encoded,
            key.public_key,
            key.salt,
            key.nonce,
            key.ciphertext,
        )
        with transaction(self._path) as database:
            if _find(database, person.name) is not None:
                raise UsageError("This name is taken", name=person.name)
            database.execute(_INSERT, values)

    def _authenticated(self, name: str, password: str, clock: Clock) -> _Row:
        row, open_for_tries = self._count_try(name, clock.now())
        right = self._passwords.matches(password, row.password_hash if row else None)
        if row is None or not right or not open_for_tries:
            raise PolicyError(
                "The name or the password is wrong, or the name is locked",
                hint="A name is locked for some minutes after several wrong passwords",
            )
        with transaction(self._path) as database:
            database.execute("UPDATE attempt SET failures = 0 WHERE person_id = ?", (row.person_id,))
        return row

    def _count_try(self, name: str, now: datetime) -> tuple[_Row | None, bool]:
        """The row of ``name``, and whether a try is open to it. Unknown names cost the same write."""
        with transaction(self._path) as database:
            row = _find(database, name)
            person_id = row.person_id if row else _NOBODY
            database.execute("INSERT OR IGNORE INTO attempt (person_id) VALUES (?)", (person_id,))
            failures, last_at = database.execute(
                "SELECT failures, last_at FROM attempt WHERE person_id = ?", (person_id,)
            ).fetchone()
            if failures >= self._lock_out.failures:
                if now - datetime.fromisoformat(last_at) < timedelta(minutes=self._lock_out.minutes):
                    return row, False
                failures = 0
            database.execute(
                "UPDATE attempt SET failures = ?, last_at = ? WHERE person_id = ?",
                (failures + 1, instant(now), person_id),
            )
        return row, True


def _checked_name(name: str) -> Label:
    label: Label | None = None
    with suppress(ValueError):
        label = Label(name)
    if label is None or len(name) > 64:
        raise UsageError("A person's name has 1 to 64 letters, digits, dots, dashes or @, and no spaces")
    return label


def _find(database: sqlite3.Connection, name: str) -> _Row | None:
    values = database.execute(_SELECT + "WHERE name = ?", (name,)).fetchone()
    return _row(values) if values else None


def _row(values: tuple[int, str, str, str, str, str, bytes, bytes, bytes]) -> _Row:
    person_id, name, printed_name, roles, password_hash, public_key, salt, nonce, ciphertext = values
    person = Person(Label(name), printed_name, frozenset(Role(role) for role in roles.split(",")), public_key)
    return _Row(person_id, person, password_hash, LockedKey(public_key, salt, nonce, ciphertext))


__all__ = ["LockOut", "People", "Person", "check_allowed"]
