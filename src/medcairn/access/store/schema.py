"""The tables of a people store, and how a store of an earlier version becomes one of this version.

Nobody is ever deleted: triggers refuse it, and so a name is never given to somebody else (21 CFR 11.100(a)).
"""

from __future__ import annotations

import sqlite3

from medcairn.core.errors import UsageError

VERSION = 1

_TABLES = (
    """
    CREATE TABLE person (
        id                 INTEGER PRIMARY KEY AUTOINCREMENT,
        name               TEXT NOT NULL UNIQUE COLLATE NOCASE,
        printed_name       TEXT NOT NULL,
        roles              TEXT NOT NULL,
        password_hash      TEXT NOT NULL,
        password_set_at    TEXT NOT NULL,
        password_temporary INTEGER NOT NULL DEFAULT 0,
        let_in_by          TEXT NOT NULL DEFAULT '',
        removed_at         TEXT NOT NULL DEFAULT ''
    ) STRICT
    """,
    """
    CREATE TABLE signing_key (
        id          INTEGER PRIMARY KEY AUTOINCREMENT,
        person_id   INTEGER NOT NULL REFERENCES person (id),
        public_key  TEXT NOT NULL UNIQUE,
        locked      TEXT,
        bound_to    INTEGER NOT NULL,
        made_at     TEXT NOT NULL,
        revoked_at  TEXT NOT NULL DEFAULT '',
        revoked_for TEXT NOT NULL DEFAULT ''
    ) STRICT
    """,
    "CREATE UNIQUE INDEX one_live_key ON signing_key (person_id) WHERE revoked_at = ''",
    """
    CREATE TABLE attempt (
        person_id INTEGER PRIMARY KEY,
        failures  INTEGER NOT NULL DEFAULT 0,
        last_at   TEXT NOT NULL DEFAULT ''
    ) STRICT
    """,
    """
    CREATE TABLE past_password (
        id            INTEGER PRIMARY KEY AUTOINCREMENT,
        person_id     INTEGER NOT NULL REFERENCES person (id),
        password_hash TEXT NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE second_factor (
        person_id INTEGER NOT NULL REFERENCES person (id),
        confirmed INTEGER NOT NULL,
        locked    TEXT NOT NULL,
        last_step INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (person_id, confirmed)
    ) STRICT
    """,
    """
    CREATE TABLE recovery_code (
        person_id INTEGER NOT NULL REFERENCES person (id),
        digest    TEXT NOT NULL,
        PRIMARY KEY (person_id, digest)
    ) STRICT
    """,
    """
    CREATE TABLE identity_proof (
        id          INTEGER PRIMARY KEY AUTOINCREMENT,
        person_id   INTEGER NOT NULL REFERENCES person (id),
        public_key  TEXT NOT NULL,
        proven_by   TEXT NOT NULL,
        endorsement TEXT NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE training (
        id           INTEGER PRIMARY KEY AUTOINCREMENT,
        person_id    INTEGER NOT NULL REFERENCES person (id),
        course       TEXT NOT NULL,
        completed_on TEXT NOT NULL,
        expires_on   TEXT NOT NULL,
        recorded_by  TEXT NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE organisation_login (
        issuer    TEXT NOT NULL,
        subject   TEXT NOT NULL,
        person_id INTEGER NOT NULL UNIQUE REFERENCES person (id),
        PRIMARY KEY (issuer, subject)
    ) STRICT
    """,
    """
    CREATE TABLE service_token (
        id         TEXT PRIMARY KEY,
        service    TEXT NOT NULL,
        scopes     TEXT NOT NULL,
        digest     TEXT NOT NULL,
        made_by    TEXT NOT NULL,
        made_at    TEXT NOT NULL,
        expires_at TEXT NOT NULL,
        revoked_at TEXT NOT NULL DEFAULT '',
        used_at    TEXT NOT NULL DEFAULT ''
    ) STRICT
    """,
    """
    CREATE TABLE notice (
        id     INTEGER PRIMARY KEY AUTOINCREMENT,
        kind   TEXT NOT NULL,
        at     TEXT NOT NULL,
        actor  TEXT NOT NULL,
        record TEXT NOT NULL
    ) STRICT
    """,
)

_KEPT = ("person", "signing_key", "identity_proof", "training", "service_token")

_TRIGGERS = (
    *(
        f"CREATE TRIGGER {table}_stays BEFORE DELETE ON {table} BEGIN SELECT RAISE(ABORT, 'kept'); END"
        for table in _KEPT
    ),
    """
    CREATE TRIGGER person_name_stays BEFORE UPDATE OF id, name ON person
    BEGIN SELECT RAISE(ABORT, 'kept'); END
    """,
    """
    CREATE TRIGGER signing_key_stays_whose BEFORE UPDATE OF id, person_id, public_key, made_at ON signing_key
    BEGIN SELECT RAISE(ABORT, 'kept'); END
    """,
)

_FROM_UNVERSIONED = (
    """
    INSERT INTO person (id, name, printed_name, roles, password_hash, password_set_at)
    SELECT id, name, printed_name, roles, password_hash, '' FROM person_0
    """,
    """
    INSERT INTO signing_key (person_id, public_key, locked, bound_to, made_at)
    SELECT id, public_key,
           json_object('passes', 3, 'memory_kib', 65536, 'lanes', 4, 'salt', lower(hex(key_salt)),
                       'nonce', lower(hex(key_nonce)), 'ciphertext', lower(hex(key_locked))),
           0, ''
    FROM person_0
    """,
    "INSERT INTO attempt SELECT person_id, failures, last_at FROM attempt_0",
    "DROP TABLE person_0",
    "DROP TABLE attempt_0",
)
"""The first stores had no version, one key for each person, and Argon2 at the default cost."""


def bring_up_to_date(database: sqlite3.Connection) -> None:
    """Make the tables, or change those of an earlier version, in the transaction that is under way.

    Raises :class:`UsageError` for a store of a later version than this medcairn knows.
    """
    (version,) = database.execute("PRAGMA user_version").fetchone()
    if version == VERSION:
        return
    if version > VERSION:
        raise UsageError(
            "The people store was made by a later medcairn",
            hint="Update medcairn; this version leaves the store as it is",
            version=version,
        )
    earlier = database.execute("SELECT 1 FROM sqlite_master WHERE name = 'person'").fetchone() is not None
    if earlier:
        database.execute("ALTER TABLE person RENAME TO person_0")
        database.execute("ALTER TABLE attempt RENAME TO attempt_0")
    for statement in _TABLES:
        database.execute(statement)
    for statement in _FROM_UNVERSIONED if earlier else ():
        database.execute(statement)
    for statement in _TRIGGERS:
        database.execute(statement)
    database.execute(f"PRAGMA user_version = {VERSION}")


__all__ = ["VERSION", "bring_up_to_date"]
