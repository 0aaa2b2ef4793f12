"""Rows about people: one account is a person with a password, a live signing key and a second factor."""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from medcairn.access.credentials.locked_secret import LockedSecret
from medcairn.access.person import Person
from medcairn.access.roles import Role
from medcairn.access.signing.key_ring import Revoked, SigningKey
from medcairn.access.signing.keys import Binding, LockedKey
from medcairn.core.clock import instant
from medcairn.core.errors import IntegrityError
from medcairn.core.labels import Label

_SELECT = """
SELECT person.id, name, printed_name, roles, password_hash, password_set_at, password_temporary, removed_at,
       public_key, locked, bound_to
FROM person LEFT JOIN signing_key ON signing_key.person_id = person.id AND signing_key.revoked_at = ''
"""
_KEYS = """
SELECT name, public_key, made_at, revoked_at, revoked_for
FROM signing_key JOIN person ON person.id = signing_key.person_id ORDER BY signing_key.id
"""


@dataclass(frozen=True)
class Account:
    """What the store holds of one person. ``key`` is None for somebody who cannot sign now."""

    person_id: int
    person: Person
    password_hash: str
    password_set_at: datetime | None
    password_temporary: bool
    removed: bool
    key: LockedKey | None


def find_account(database: sqlite3.Connection, name: str) -> Account | None:
    """The account of that name in any case, also a removed one."""
    values = database.execute(_SELECT + "WHERE name = ?", (name,)).fetchone()
    return _account(values) if values else None


def account_of(database: sqlite3.Connection, person_id: int) -> Account:
    """The account with that number. Raises :class:`IntegrityError` when it is gone."""
    values = database.execute(_SELECT + "WHERE person.id = ?", (person_id,)).fetchone()
    if values is None:
        raise IntegrityError("The people store lost a person")
    return _account(values)


def all_accounts(database: sqlite3.Connection) -> list[Account]:
    """Everybody by name, the removed ones too."""
    return [_account(values) for values in database.execute(_SELECT + "ORDER BY name").fetchall()]


def insert_person(database: sqlite3.Connection, person: Person, *, by: str) -> int:
    """A new row without password or key, and who let the person in; the number it got."""
    cursor = database.execute(
        "INSERT INTO person (name, printed_name, roles, let_in_by, password_hash, password_set_at)"
        " VALUES (?, ?, ?, ?, '', '')",
        (str(person.name), person.printed_name, _roles_text(person.roles), by),
    )
    assert cursor.lastrowid is not None  # the row was just inserted
    return cursor.lastrowid


def set_roles(database: sqlite3.Connection, person_id: int, roles: frozenset[Role]) -> None:
    database.execute("UPDATE person SET roles = ? WHERE id = ?", (_roles_text(roles), person_id))


def set_password(database: sqlite3.Connection, person_id: int, password_hash: str, *, at: datetime) -> None:
    """Replace the password's hash by that of one of the person's own; keep the earlier one among the past."""
    database.execute(
        "INSERT INTO past_password (person_id, password_hash)"
        " SELECT id, password_hash FROM person WHERE id = ? AND password_hash != ''"
        " AND password_temporary = 0",
        (person_id,),
    )
    database.execute(
        "UPDATE person SET password_hash = ?, password_set_at = ?, password_temporary = 0 WHERE id = ?",
        (password_hash, instant(at), person_id),
    )


def let_in(
    database: sqlite3.Connection, person_id: int, password_hash: str, *, at: datetime, by: str
) -> None:
    """A temporary password, which ``by`` knows too; who that was is kept, for they prove no identity."""
    set_password(database, person_id, password_hash, at=at)
    database.execute("UPDATE person SET password_temporary = 1, let_in_by = ? WHERE id = ?", (by, person_id))


def past_hashes(database: sqlite3.Connection, person_id: int, most: int) -> list[str]:
    """The hashes of the latest passwords before the present one."""
    rows = database.execute(
        "SELECT password_hash FROM past_password WHERE person_id = ? ORDER BY id DESC LIMIT ?",
        (person_id, most),
    ).fetchall()
    return [encoded for (encoded,) in rows]


def put_key(database: sqlite3.Connection, person_id: int, key: LockedKey, *, at: datetime) -> None:
    """A new live key; there must be none."""
    database.execute(
        "INSERT INTO signing_key (person_id, public_key, locked, bound_to, made_at) VALUES (?, ?, ?, ?, ?)",
        (person_id, key.public_key, key.secret.as_text(), int(key.binding), instant(at)),
    )


def relock_key(database: sqlite3.Connection, person_id: int, key: LockedKey) -> None:
    """The live key, encrypted anew under another password."""
    database.execute(
        "UPDATE signing_key SET locked = ?, bound_to = ?"
        " WHERE person_id = ? AND public_key = ? AND revoked_at = ''",
        (key.secret.as_text(), int(key.binding), person_id, key.public_key),
    )


def end_key(database: sqlite3.Connection, person_id: int, *, at: datetime, why: Revoked) -> str | None:
    """Revoke the live key and destroy its private half. Returns its public half; None: there was none."""
    row = database.execute(
        "SELECT public_key FROM signing_key WHERE person_id = ? AND revoked_at = ''", (person_id,)
    ).fetchone()
    database.execute(
        "UPDATE signing_key SET revoked_at = ?, revoked_for = ?, locked = NULL"
        " WHERE person_id = ? AND revoked_at = ''",
        (instant(at), why.value, person_id),
    )
    return str(row[0]) if row else None


def all_keys(database: sqlite3.Connection) -> list[SigningKey]:
    """Every key that ever was, the oldest first."""
    return [
        SigningKey(
            Label(name),
            public_key,
            moment(made_at),
            moment(revoked_at),
            Revoked(revoked_for) if revoked_for else None,
        )
        for name, public_key, made_at, revoked_at, revoked_for in database.execute(_KEYS).fetchall()
    ]


def moment(text: str) -> datetime | None:
    """A kept instant; None for the empty text."""
    return datetime.fromisoformat(text).astimezone(UTC) if text else None


def _roles_text(roles: frozenset[Role]) -> str:
    return ",".join(sorted(role.value for role in roles))


_Values = tuple[int, str, str, str, str, str, int, str, str | None, str | None, int | None]


def _account(values: _Values) -> Account:
    account: Account | None = None
    with suppress(ValueError):
        account = _read(values)
    if account is None:
        raise IntegrityError("A person's row in the people store cannot be read")
    return account


def _read(values: _Values) -> Account:
    number, name, printed_name, roles, encoded, set_at, temporary, removed_at, public_key, locked, bound = (
        values
    )
    key = None
    if public_key is not None and locked is not None:
        key = LockedKey(public_key, LockedSecret.from_text(locked), Binding(bound or 0))
    held = frozenset(Role(role) for role in roles.split(","))
    person = Person(Label(name), printed_name, held, public_key or "")
    return Account(number, person, encoded, moment(set_at), bool(temporary), bool(removed_at), key)


__all__ = [
    "Account",
    "account_of",
    "all_accounts",
    "all_keys",
    "end_key",
    "find_account",
    "insert_person",
    "let_in",
    "moment",
    "past_hashes",
    "put_key",
    "relock_key",
    "set_password",
    "set_roles",
]
