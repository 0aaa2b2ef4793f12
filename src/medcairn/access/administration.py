"""What an administrator does to other people's accounts; nobody does any of it to their own.

An administrator lets people in and takes their access away. None of it gives the administrator a signature:
a reset ends the old key, and the new one is made only under a password that the person sets alone.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Sequence
from datetime import datetime

from medcairn.access.notices import Notice, NoticeKind, person_actor, put_notice
from medcairn.access.person import Person, checked_roles
from medcairn.access.roles import Action, Role
from medcairn.access.signing.key_ring import Revoked
from medcairn.access.store.accounts import Account, account_of, end_key, let_in, set_password, set_roles
from medcairn.access.store.people_store import PeopleStore
from medcairn.access.store.second_factors import drop_factors
from medcairn.core.canonical import JSON
from medcairn.core.clock import Clock, instant
from medcairn.core.errors import UsageError

_TEMPORARY_BYTES = 18


class Administration:
    """Roles, resets, revocations and removals. Each raises :class:`~medcairn.core.errors.PolicyError` when
    ``by`` may not, and :class:`UsageError` when there is nobody of the name."""

    def __init__(self, store: PeopleStore) -> None:
        self._store = store

    def set_roles(self, name: str, roles: Sequence[Role], *, by: Person, clock: Clock) -> Person:
        """Give a person exactly these roles."""
        at = clock.now()
        administrator = self._store.permit(by, Action.MANAGE_PEOPLE, at=at, about=name)
        wanted = checked_roles(roles)
        with self._store.change() as database:
            account = self._store.active(database, name)
            set_roles(database, account.person_id, wanted)
            record: dict[str, JSON] = {
                "name": account.person.name,
                "roles_before": sorted(role.value for role in account.person.roles),
                "roles": sorted(role.value for role in wanted),
            }
            put_notice(
                database, Notice(NoticeKind.PERSON_CHANGED, at, person_actor(administrator.name), record)
            )
            return account_of(database, account.person_id).person

    def reset(self, name: str, *, by: Person, clock: Clock) -> str:
        """For a forgotten password: a temporary one, shown once. The signing key is lost with the password.

        Earlier signatures stay valid. The second factor ends too, for its secret was under the old password.
        """
        at = clock.now()
        administrator = self._store.permit(by, Action.RESET_CREDENTIALS, at=at, about=name)
        password = secrets.token_urlsafe(_TEMPORARY_BYTES)
        encoded = self._store.passwords.hash(password)
        with self._store.change() as database:
            account = self._store.active(database, name)
            self._end_key(database, account, administrator, at=at, revoked_at=at, why=Revoked.LOST)
            drop_factors(database, account.person_id)
            let_in(database, account.person_id, encoded, at=at, by=administrator.name)
            database.execute("UPDATE attempt SET failures = 0 WHERE person_id = ?", (account.person_id,))
            record = {"name": account.person.name}
            put_notice(
                database, Notice(NoticeKind.PASSWORD_RESET, at, person_actor(administrator.name), record)
            )
        return password

    def revoke_key(self, name: str, *, by: Person, clock: Clock, since: datetime | None = None) -> None:
        """A signing key may be in other hands: it checks nothing that was signed at or after ``since`` (now).

        The person gets a new key with the next password that they set. One may do this to one's own key.
        """
        at = clock.now()
        who = self._store.permit(by, Action.REVOKE_SIGNING_KEY, at=at) if by.name != name else by
        revoked_at = at if since is None else since
        if revoked_at > at:
            raise UsageError("A key cannot be revoked from a time to come")
        with self._store.change() as database:
            account = self._store.active(database, name)
            if account.key is None:
                raise UsageError("This person has no signing key now")
            self._end_key(database, account, who, at=at, revoked_at=revoked_at, why=Revoked.COMPROMISED)

    def remove(self, name: str, *, by: Person, clock: Clock) -> None:
        """Somebody leaves: no access and no signing any more. The name is never given again."""
        at = clock.now()
        administrator = self._store.permit(by, Action.MANAGE_PEOPLE, at=at, about=name)
        with self._store.change() as database:
            account = self._store.active(database, name)
            self._end_key(database, account, administrator, at=at, revoked_at=at, why=Revoked.LEFT)
            drop_factors(database, account.person_id)
            set_password(database, account.person_id, "", at=at)
            database.execute(
                "UPDATE person SET removed_at = ? WHERE id = ?", (instant(at), account.person_id)
            )
            record = {"name": account.person.name}
            put_notice(
                database, Notice(NoticeKind.PERSON_REMOVED, at, person_actor(administrator.name), record)
            )

    def _end_key(
        self,
        database: sqlite3.Connection,
        account: Account,
        by: Person,
        *,
        at: datetime,
        revoked_at: datetime,
        why: Revoked,
    ) -> None:
        public_key = end_key(database, account.person_id, at=revoked_at, why=why)
        if public_key is None:
            return
        record: dict[str, JSON] = {
            "name": account.person.name,
            "public_key": public_key,
            "revoked_at": instant(revoked_at),
            "revoked_for": why.value,
        }
        put_notice(database, Notice(NoticeKind.SIGNING_KEY_REVOKED, at, person_actor(by.name), record))


__all__ = ["Administration"]
