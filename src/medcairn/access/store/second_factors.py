"""Rows about second factors: the locked secret, the last code's step, recovery codes."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from medcairn.access.credentials.locked_secret import LockedSecret


def locked_factor(database: sqlite3.Connection, person_id: int, *, confirmed: bool) -> LockedSecret | None:
    """The confirmed second factor, or the one that waits for its first code."""
    row = database.execute(
        "SELECT locked FROM second_factor WHERE person_id = ? AND confirmed = ?", (person_id, int(confirmed))
    ).fetchone()
    return LockedSecret.from_text(row[0]) if row else None


def put_pending(database: sqlite3.Connection, person_id: int, locked: LockedSecret) -> None:
    """A new second factor that counts only once its first code was seen."""
    database.execute(
        "INSERT OR REPLACE INTO second_factor (person_id, confirmed, locked) VALUES (?, 0, ?)",
        (person_id, locked.as_text()),
    )


def confirm_pending(
    database: sqlite3.Connection, person_id: int, *, step: int, recovery_digests: Iterable[str]
) -> None:
    """The pending factor becomes the one that counts; its first code is used up, old recovery codes end."""
    database.execute("DELETE FROM second_factor WHERE person_id = ? AND confirmed = 1", (person_id,))
    database.execute(
        "UPDATE second_factor SET confirmed = 1, last_step = ? WHERE person_id = ? AND confirmed = 0",
        (step, person_id),
    )
    database.execute("DELETE FROM recovery_code WHERE person_id = ?", (person_id,))
    rows = [(person_id, digest) for digest in recovery_digests]
    database.executemany("INSERT INTO recovery_code (person_id, digest) VALUES (?, ?)", rows)


def relock_factors(database: sqlite3.Connection, person_id: int, locked: LockedSecret | None) -> None:
    """The confirmed factor, encrypted anew under another password; a pending one is dropped."""
    database.execute("DELETE FROM second_factor WHERE person_id = ? AND confirmed = 0", (person_id,))
    if locked is not None:
        database.execute(
            "UPDATE second_factor SET locked = ? WHERE person_id = ? AND confirmed = 1",
            (locked.as_text(), person_id),
        )


def drop_factors(database: sqlite3.Connection, person_id: int) -> None:
    """No second factor and no recovery codes any more."""
    database.execute("DELETE FROM second_factor WHERE person_id = ?", (person_id,))
    database.execute("DELETE FROM recovery_code WHERE person_id = ?", (person_id,))


def claim_step(database: sqlite3.Connection, person_id: int, step: int) -> bool:
    """Use up the code of ``step``; False when it or a later one was used before (RFC 6238, 5.2)."""
    cursor = database.execute(
        "UPDATE second_factor SET last_step = ? WHERE person_id = ? AND confirmed = 1 AND last_step < ?",
        (step, person_id, step),
    )
    return cursor.rowcount == 1


def claim_recovery_code(database: sqlite3.Connection, person_id: int, digest: str) -> bool:
    """Use up a recovery code; False when the person has none like it."""
    cursor = database.execute(
        "DELETE FROM recovery_code WHERE person_id = ? AND digest = ?", (person_id, digest)
    )
    return cursor.rowcount == 1


__all__ = [
    "claim_recovery_code",
    "claim_step",
    "confirm_pending",
    "drop_factors",
    "locked_factor",
    "put_pending",
    "relock_factors",
]
