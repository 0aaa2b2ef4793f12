"""Which person of a study an organisation's identity is, and with which roles they act now.

The provider says who is there and in which groups; a person links the two once, with the password of one and
a sign-in at the other. A signature still takes the components that only the person has: the key opens with
their own passphrase and not with the provider's word.
"""

from __future__ import annotations

import sqlite3
from datetime import datetime
from typing import NoReturn

from medcairn.access.authentication import Given, authenticated
from medcairn.access.notices import Notice, NoticeKind, Reason, denial, person_actor, put_notice
from medcairn.access.organisation.provider import Identity
from medcairn.access.person import Person
from medcairn.access.store.accounts import Account, account_of, set_roles
from medcairn.access.store.people_store import PeopleStore
from medcairn.core.canonical import JSON
from medcairn.core.clock import Clock
from medcairn.core.errors import PolicyError, UsageError


class OrganisationLogins:
    """The links between people and their identities at a provider."""

    def __init__(self, store: PeopleStore) -> None:
        self._store = store

    def link(
        self, name: str, password: str, identity: Identity, *, clock: Clock, code: str | None = None
    ) -> Person:
        """From now on ``identity`` is the person ``name``, who proves to be both.

        Raises :class:`PolicyError` when the person is not authenticated, and :class:`UsageError` when one of
        the two is linked already.
        """
        at = clock.now()
        account = authenticated(self._store, Given(name, password, code), at=at)
        with self._store.change() as database:
            taken = database.execute(
                "SELECT 1 FROM organisation_login WHERE person_id = ? OR (issuer = ? AND subject = ?)",
                (account.person_id, identity.issuer, identity.subject),
            ).fetchone()
            if taken is not None:
                raise UsageError("This person or this identity is linked already")
            database.execute(
                "INSERT INTO organisation_login (issuer, subject, person_id) VALUES (?, ?, ?)",
                (identity.issuer, identity.subject, account.person_id),
            )
            record: dict[str, JSON] = {"name": account.person.name, "issuer": identity.issuer}
            actor = person_actor(account.person.name)
            put_notice(database, Notice(NoticeKind.ORGANISATION_LINKED, at, actor, record))
        return account.person

    def sign_in(self, identity: Identity, *, clock: Clock) -> Person:
        """The person that ``identity`` is, with the roles that the organisation gives now.

        Roles that changed there are changed here, and that is a notice. Raises :class:`PolicyError` when
        nobody is linked, the person was removed, or no group of theirs has a role here.
        """
        at = clock.now()
        with self._store.read() as database:
            account = _linked(database, identity)
        if account is None or account.removed:
            self._deny(account, Reason.ORGANISATION, at)
        if not identity.roles:
            self._deny(account, Reason.ROLE, at)
        if account.person.roles == identity.roles:
            return account.person
        with self._store.change() as database:
            set_roles(database, account.person_id, identity.roles)
            record: dict[str, JSON] = {
                "name": account.person.name,
                "roles_before": sorted(role.value for role in account.person.roles),
                "roles": sorted(role.value for role in identity.roles),
            }
            put_notice(database, Notice(NoticeKind.PERSON_CHANGED, at, "service:organisation", record))
            return account_of(database, account.person_id).person

    def _deny(self, account: Account | None, reason: Reason, at: datetime) -> NoReturn:
        name = account.person.name if account else None
        self._store.note(denial(reason, at=at, name=name, way=Reason.ORGANISATION.value))
        raise PolicyError(
            "The organisation's identity gives no access here",
            hint="Link it once with a password of this study, and ask for a group that has a role here",
        )


def _linked(database: sqlite3.Connection, identity: Identity) -> Account | None:
    row = database.execute(
        "SELECT person_id FROM organisation_login WHERE issuer = ? AND subject = ?",
        (identity.issuer, identity.subject),
    ).fetchone()
    return account_of(database, row[0]) if row else None


__all__ = ["OrganisationLogins"]
