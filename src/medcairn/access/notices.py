"""What happened to people and access, for the audit trail: changes, denials and alerts.

Access does not know the ledger. Each notice is written to the people store in the same transaction as the
change that it tells of, and stays there until somebody took delivery; so a crash between the two loses none.
"""

# ruff: noqa: S105 - names of events and reasons, not passwords

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from medcairn.access.store.database import transaction
from medcairn.core.canonical import JSON, canonical_json
from medcairn.core.clock import instant
from medcairn.core.errors import IntegrityError
from medcairn.core.labels import Label


class NoticeKind(StrEnum):
    """What a notice tells of: a subject and a past participle, as the ledger's event types are named."""

    PERSON_ADDED = "person.added"
    PERSON_CHANGED = "person.changed"
    PERSON_REMOVED = "person.removed"
    PASSWORD_CHANGED = "password.changed"
    PASSWORD_RESET = "password.reset"
    SIGNING_KEY_MADE = "signing_key.made"
    SIGNING_KEY_REVOKED = "signing_key.revoked"
    SECOND_FACTOR_SET = "second_factor.set"
    SECOND_FACTOR_REMOVED = "second_factor.removed"
    RECOVERY_CODE_USED = "recovery_code.used"
    IDENTITY_PROVEN = "identity.proven"
    TRAINING_RECORDED = "training.recorded"
    ORGANISATION_LINKED = "organisation.linked"
    TOKEN_ISSUED = "token.issued"
    TOKEN_REVOKED = "token.revoked"
    ACCESS_DENIED = "access.denied"
    ACCESS_ALERTED = "access.alerted"


class Reason(StrEnum):
    """Why somebody was denied. Recorded; who fails to sign in is not told which of the first ones it was."""

    UNKNOWN_NAME = "unknown_name"
    WRONG_PASSWORD = "wrong_password"
    WRONG_CODE = "wrong_code"
    REPLAYED_CODE = "replayed_code"
    LOCKED_OUT = "locked_out"
    REMOVED = "removed"
    TEMPORARY_PASSWORD = "temporary_password"
    EXPIRED_PASSWORD = "expired_password"
    ROLE = "role"
    SELF = "self"
    NO_SIGNING_KEY = "no_signing_key"
    NO_SECOND_FACTOR = "no_second_factor"
    NO_IDENTITY_PROOF = "no_identity_proof"
    TRAINING_NOT_CURRENT = "training_not_current"
    TOKEN_UNKNOWN = "token_unknown"
    TOKEN_EXPIRED = "token_expired"
    TOKEN_REVOKED = "token_revoked"
    TOKEN_SCOPE = "token_scope"
    ORGANISATION = "organisation"


@dataclass(frozen=True)
class Notice:
    """One thing that happened. ``actor`` is in the ledger's form: ``person:ada``, ``service:x``, ``unknown``.

    A name that was typed but that nobody has is never kept: people type passwords into the wrong field.
    """

    kind: NoticeKind
    at: datetime
    actor: str
    record: Mapping[str, JSON] = field(default_factory=dict)


def person_actor(name: str | None) -> str:
    """The actor of a person, or of nobody that is known."""
    return f"person:{name}" if name else "unknown"


def put_notice(database: sqlite3.Connection, notice: Notice) -> None:
    """Keep ``notice`` as part of a transaction that is under way."""
    values = (notice.kind.value, instant(notice.at), notice.actor, canonical_json(notice.record).decode())
    database.execute("INSERT INTO notice (kind, at, actor, record) VALUES (?, ?, ?, ?)", values)


def denial(
    reason: Reason, *, at: datetime, name: Label | None = None, actor: str | None = None, **more: str
) -> Notice:
    """The notice that somebody was denied, for ``reason``; ``more`` holds an action, a meaning, a scope."""
    who = actor or person_actor(name)
    return Notice(NoticeKind.ACCESS_DENIED, at, who, {"reason": reason.value, **more})


class Outbox:
    """The notices of a people store that nobody took delivery of yet."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def pending(self) -> tuple[Notice, ...]:
        """Oldest first."""
        with transaction(self._path) as database:
            rows = database.execute(_SELECT + "ORDER BY id").fetchall()
        return tuple(_notice(*values) for _, *values in rows)

    def deliver(self, take: Callable[[Notice], bool | None]) -> int:
        """Hand each pending notice to ``take``, oldest first, and forget those it took.

        ``take`` returns False to leave a notice pending; when it raises, that one and the later ones stay.
        The store is locked while it runs, so that two processes do not deliver the same notice; it must
        not use the store itself. A notice may come twice when the process dies after ``take``, never not at
        all. Returns how many were taken.
        """
        taken = last = 0
        while True:
            with transaction(self._path) as database:
                row = database.execute(_SELECT + "WHERE id > ? ORDER BY id LIMIT 1", (last,)).fetchone()
                if row is None:
                    return taken
                last, *values = row
                if take(_notice(*values)) is not False:
                    database.execute("DELETE FROM notice WHERE id = ?", (last,))
                    taken += 1


_SELECT = "SELECT id, kind, at, actor, record FROM notice "


def _notice(kind: str, at: str, actor: str, record: str) -> Notice:
    notice: Notice | None = None
    with suppress(ValueError):
        moment = datetime.fromisoformat(at).astimezone(UTC)
        notice = Notice(NoticeKind(kind), moment, actor, json.loads(record))
    if notice is None:
        raise IntegrityError("A notice in the people store cannot be read")
    return notice


__all__ = ["Notice", "NoticeKind", "Outbox", "Reason", "denial", "person_actor", "put_notice"]
