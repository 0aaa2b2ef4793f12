"""API tokens for services: what a program may ask of another, for how long, and who let it.

A token is ``mct_<id>_<secret>``, shown once. Kept is the SHA-256 of the secret, which is enough for 256
random bits (a slow hash guards what people choose). No scope lets a service sign or manage people.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import NoReturn

from medcairn.access.notices import Notice, NoticeKind, Reason, denial, person_actor, put_notice
from medcairn.access.person import Person
from medcairn.access.roles import Action
from medcairn.access.store.accounts import moment
from medcairn.access.store.people_store import PeopleStore
from medcairn.core.canonical import JSON
from medcairn.core.clock import Clock, instant
from medcairn.core.errors import PolicyError, UsageError
from medcairn.core.labels import Label

LONGEST_DAYS = 366
_ID_BYTES = 6
_SECRET_BYTES = 32
_FORM = re.compile(r"mct_([0-9a-f]{12})_([A-Za-z0-9_-]{43})\Z")
_NO_DIGEST = "0" * 64


class Scope(StrEnum):
    """What a service may be let to do."""

    PREDICT = "predict"
    READ_METRICS = "read_metrics"
    READ_REPORTS = "read_reports"
    RUN_PIPELINE = "run_pipeline"
    VERIFY_LEDGER = "verify_ledger"
    TRACE_PREDICTION = "trace_prediction"
    EXPORT_AUDIT = "export_audit"


@dataclass(frozen=True)
class ServiceToken:
    """A token without its secret."""

    id: str
    service: Label
    scopes: frozenset[Scope]
    made_by: Label
    made_at: datetime
    expires_at: datetime
    revoked_at: datetime | None = None
    used_at: datetime | None = None

    @property
    def actor(self) -> str:
        """Who acts, in the ledger's form."""
        return f"service:{self.service}"

    def as_json(self) -> dict[str, JSON]:
        return {
            "id": self.id,
            "service": self.service,
            "scopes": sorted(scope.value for scope in self.scopes),
            "made_by": self.made_by,
            "made_at": instant(self.made_at),
            "expires_at": instant(self.expires_at),
            "revoked_at": instant(self.revoked_at) if self.revoked_at else None,
            "used_at": instant(self.used_at) if self.used_at else None,
        }


@dataclass(frozen=True)
class IssuedToken:
    """A new token with its text, which is shown once and kept nowhere."""

    token: ServiceToken
    text: str = field(repr=False)


class Tokens:
    """The API tokens of a people store."""

    def __init__(self, store: PeopleStore) -> None:
        self._store = store

    def issue(
        self, service: str, scopes: Iterable[Scope], *, days: int, by: Person, clock: Clock
    ) -> IssuedToken:
        """A new token for ``service``.

        Raises :class:`UsageError` for no name, no scope or more than :data:`LONGEST_DAYS` days, and
        :class:`PolicyError` when ``by`` may not.
        """
        at = clock.now()
        maker = self._store.permit(by, Action.MANAGE_TOKENS, at=at)
        wanted = frozenset(scopes)
        if not wanted or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", service):
            raise UsageError("A token needs a service's short name and at least one scope")
        if not 0 < days <= LONGEST_DAYS:
            raise UsageError("A token is good for a number of days", most=LONGEST_DAYS)
        secret = secrets.token_urlsafe(_SECRET_BYTES)
        expires_at = at + timedelta(days=days)
        token = ServiceToken(secrets.token_hex(_ID_BYTES), Label(service), wanted, maker.name, at, expires_at)
        with self._store.change() as database:
            database.execute(
                "INSERT INTO service_token (id, service, scopes, digest, made_by, made_at, expires_at)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    token.id,
                    service,
                    ",".join(sorted(wanted)),
                    _digest(secret),
                    str(maker.name),
                    instant(at),
                    instant(expires_at),
                ),
            )
            record: dict[str, JSON] = {
                "id": token.id,
                "service": service,
                "scopes": sorted(scope.value for scope in wanted),
                "expires_at": instant(expires_at),
            }
            put_notice(database, Notice(NoticeKind.TOKEN_ISSUED, at, person_actor(maker.name), record))
        return IssuedToken(token, f"mct_{token.id}_{secret}")

    def check(self, text: str, scope: Scope, *, clock: Clock) -> ServiceToken:
        """The token, when it is good now and may do ``scope``; a denial is a notice.

        Raises :class:`PolicyError`, with the same text whether the token is unknown, expired or revoked.
        """
        at = clock.now()
        parts = _FORM.match(text)
        token_id, secret = parts.groups() if parts else ("", "")
        with self._store.read() as database:
            row = database.execute(_SELECT + "WHERE id = ?", (token_id,)).fetchone()
        digest = row[-1] if row else _NO_DIGEST
        if not hmac.compare_digest(_digest(secret), digest) or row is None:
            self._deny(Reason.TOKEN_UNKNOWN, None, scope, at)
        token = _token(row)
        if token.revoked_at is not None:
            self._deny(Reason.TOKEN_REVOKED, token, scope, at)
        if not token.made_at <= at < token.expires_at:
            self._deny(Reason.TOKEN_EXPIRED, token, scope, at)
        if scope not in token.scopes:
            self._deny(Reason.TOKEN_SCOPE, token, scope, at)
        with self._store.read() as database:
            database.execute("UPDATE service_token SET used_at = ? WHERE id = ?", (instant(at), token.id))
        return token

    def revoke(self, token_id: str, *, by: Person, clock: Clock) -> None:
        """End a token now; a second time changes nothing.

        Raises :class:`UsageError` when there is none with this id, :class:`PolicyError` when ``by`` may not.
        """
        at = clock.now()
        who = self._store.permit(by, Action.MANAGE_TOKENS, at=at)
        with self._store.change() as database:
            row = database.execute(_SELECT + "WHERE id = ?", (token_id,)).fetchone()
            if row is None:
                raise UsageError("There is no such token", hint="`medcairn tokens list` shows them")
            token = _token(row)
            if token.revoked_at is None:
                database.execute(
                    "UPDATE service_token SET revoked_at = ? WHERE id = ?", (instant(at), token_id)
                )
                record = {"id": token.id, "service": token.service}
                put_notice(database, Notice(NoticeKind.TOKEN_REVOKED, at, person_actor(who.name), record))

    def list(self) -> tuple[ServiceToken, ...]:
        """Every token that ever was, the oldest first."""
        with self._store.read() as database:
            rows = database.execute(_SELECT + "ORDER BY made_at, id").fetchall()
        return tuple(_token(row) for row in rows)

    def _deny(self, reason: Reason, token: ServiceToken | None, scope: Scope, at: datetime) -> NoReturn:
        if token is None:
            self._store.note(denial(reason, at=at, scope=scope.value))
        else:
            self._store.note(denial(reason, at=at, actor=token.actor, scope=scope.value, token=token.id))
        if reason is Reason.TOKEN_SCOPE:
            raise PolicyError("The token does not reach this far", scope=scope, reason=reason)
        raise PolicyError("The token is not known or not good any more", scope=scope)


_SELECT = """
SELECT id, service, scopes, made_by, made_at, expires_at, revoked_at, used_at, digest FROM service_token
"""


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8")).hexdigest()


def _token(row: tuple[str, str, str, str, str, str, str, str, str]) -> ServiceToken:
    token_id, service, scopes, made_by, made_at, expires_at, revoked_at, used_at, _ = row
    return ServiceToken(
        token_id,
        Label(service),
        frozenset(Scope(scope) for scope in scopes.split(",")),
        Label(made_by),
        datetime.fromisoformat(made_at).astimezone(UTC),
        datetime.fromisoformat(expires_at).astimezone(UTC),
        moment(revoked_at),
        moment(used_at),
    )


__all__ = ["LONGEST_DAYS", "IssuedToken", "Scope", "ServiceToken", "Tokens"]
