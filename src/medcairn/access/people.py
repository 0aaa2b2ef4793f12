"""The people of a study: who they are, that it is they, and their signatures."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from medcairn.access.administration import Administration
from medcairn.access.authentication import Given, authenticated
from medcairn.access.credentials.password_rules import check_new_password
from medcairn.access.credentials.passwords import Passwords
from medcairn.access.notices import Notice, NoticeKind, Outbox, Reason, denial, person_actor, put_notice
from medcairn.access.password_change import PasswordChange
from medcairn.access.person import Person, checked_name, checked_printed_name, checked_roles
from medcairn.access.policy import AccessPolicy, LockOut
from medcairn.access.roles import Action, Role, check_roles, is_allowed
from medcairn.access.second_factor import SecondFactors
from medcairn.access.services.tokens import Tokens
from medcairn.access.signing.key_ring import KeyRing, Revoked
from medcairn.access.signing.keys import lock_key, new_private_key, public_half, unlock_key
from medcairn.access.signing.signatures import ESignature, Meaning, seal_signature
from medcairn.access.standing import Standing, check_may_sign
from medcairn.access.store.accounts import (
    Account,
    all_accounts,
    all_keys,
    find_account,
    insert_person,
    let_in,
    put_key,
    set_password,
)
from medcairn.access.store.people_store import PeopleStore, Told
from medcairn.access.store.second_factors import locked_factor
from medcairn.core.clock import Clock, SystemClock
from medcairn.core.digests import Digest
from medcairn.core.errors import PolicyError, UsageError

_TEMPORARY_BYTES = 18
_SIGNING = {
    Meaning.AUTHORED: Action.SIGN_AUTHORED,
    Meaning.REVIEWED: Action.SIGN_REVIEWED,
    Meaning.APPROVED: Action.SIGN_APPROVED,
    Meaning.RESPONSIBILITY: Action.SIGN_RESPONSIBILITY,
}


@dataclass(frozen=True)
class Invitation:
    """Somebody who must set a password of their own; ``password`` opens nothing else, and is shown once."""

    person: Person
    password: str = field(repr=False)


def check_allowed(person: Person, action: Action) -> None:
    """Pass when ``person`` may do ``action``; raise :class:`PolicyError` otherwise. Records nothing."""
    check_roles(person.roles, action)


class People:
    """The people store of a study, a SQLite file of mode 0600.

    Safe to use from several threads and processes: each change is one transaction. ``told`` takes delivery
    of notices; without it they wait in :attr:`outbox`.
    """

    def __init__(
        self,
        path: Path,
        *,
        passwords: Passwords | None = None,
        policy: AccessPolicy | None = None,
        lock_out: LockOut | None = None,
        told: Told | None = None,
    ) -> None:
        policy = policy or AccessPolicy()
        if lock_out is not None:
            policy = policy.model_copy(update={"lock_out": lock_out})
        self.store = PeopleStore(path, passwords=passwords or Passwords(), policy=policy, told=told)
        self.administration = Administration(self.store)
        self.second_factors = SecondFactors(self.store)
        self.standing = Standing(self.store)
        self.tokens = Tokens(self.store)

    @property
    def policy(self) -> AccessPolicy:
        return self.store.policy

    @property
    def outbox(self) -> Outbox:
        """The notices that nobody took delivery of yet."""
        return self.store.outbox

    def add(
        self,
        name: str,
        *,
        printed_name: str,
        roles: Sequence[Role],
        password: str,
        by: Person | None = None,
        clock: Clock | None = None,
    ) -> Person:
        """Add a person who chose ``password`` themselves, with a fresh signing key.

        Without ``by`` it is the owner of the file who adds, as far as the policy lets them. Raises
        :class:`UsageError` for a name that is taken, also by somebody who was removed, or no name, and
        :class:`PolicyError` for a password that the policy refuses or when ``by`` may not.
        """
        person = Person(checked_name(name), checked_printed_name(printed_name), checked_roles(roles), "")
        check_new_password(password, name=name, printed_name=person.printed_name, policy=self.policy.password)
        return self._insert(person, password, by, (clock or SystemClock()).now(), temporary=False)

    def invite(
        self,
        name: str,
        *,
        printed_name: str,
        roles: Sequence[Role],
        by: Person | None = None,
        clock: Clock | None = None,
    ) -> Invitation:
        """Add a person with a temporary password, for somebody who is not at this keyboard.

        They set their own with :meth:`change_password`, and get their signing key only then, so that whoever
        invited them never held it. Raises as :meth:`add` does.
        """
        person = Person(checked_name(name), checked_printed_name(printed_name), checked_roles(roles), "")
        password = secrets.token_urlsafe(_TEMPORARY_BYTES)
        person = self._insert(person, password, by, (clock or SystemClock()).now(), temporary=True)
        return Invitation(person, password)

    def authenticate(self, name: str, password: str, *, clock: Clock, code: str | None = None) -> Person:
        """The person, when ``password`` and ``code`` are right and the name is not locked out.

        ``code`` is a one-time code or a recovery code, and is needed once a second factor is enrolled. Raises
        :class:`PolicyError` with the same text for a wrong name, password or code and a lock-out, and another
        one for a password that is temporary or too old.
        """
        given = Given(name, password, code)
        return authenticated(self.store, given, at=clock.now(), recovery=True).person

    def permit(self, person: Person, action: Action, *, clock: Clock) -> Person:
        """``person`` as the store knows them now, when they may do ``action``; a denial is a notice.

        Raises :class:`PolicyError`.
        """
        return self.store.permit(person, action, at=clock.now())

    def sign(
        self,
        name: str,
        password: str,
        *,
        record: Digest,
        meaning: Meaning,
        clock: Clock,
        code: str | None = None,
    ) -> ESignature:
        """Sign ``record`` as ``name``: a session of signing of its own, so all components are needed.

        Raises :class:`PolicyError` when the person is not authenticated, no role of theirs may sign with this
        meaning, or they lack what the policy asks of a signer; and
        :class:`~medcairn.core.errors.IntegrityError` when the stored key was changed.
        """
        return self.seal(Given(name, password, code), record=record, meaning=meaning, at=clock.now())

    def seal(
        self, given: Given, *, record: Digest, meaning: Meaning, at: datetime, needs_code: bool = True
    ) -> ESignature:
        """As :meth:`sign`; a :class:`~medcairn.access.signing.sessions.SigningSession` says when a later
        signing needs no one-time code."""
        account = authenticated(self.store, given, at=at, needs_code=needs_code)
        person, action = account.person, _SIGNING[meaning]
        if not is_allowed(person.roles, action):
            self.store.note(denial(Reason.ROLE, at=at, name=person.name, action=action.value))
        check_allowed(person, action)
        check_may_sign(self.store, account, at=at, action=action.value)
        assert account.key is not None  # check_may_sign refuses a person without one
        return seal_signature(
            unlock_key(account.key, person, given.password, self.store.passwords),
            signer=person.name,
            printed_name=person.printed_name,
            signed_at=at,
            meaning=meaning,
            record=record,
        )

    def change_password(
        self, name: str, password: str, new_password: str, *, clock: Clock, code: str | None = None
    ) -> Person:
        """Replace a person's password, also a temporary or an old one; the signing key is encrypted anew.

        Raises :class:`PolicyError` when the person is not authenticated or the policy refuses the new one.
        """
        at = clock.now()
        given = Given(name, password, code)
        account = authenticated(self.store, given, at=at, stale_password=True)
        return PasswordChange(self.store, account, password, new_password, at).make()

    def asks_code(self, name: str) -> bool:
        """Whether to ask whoever says to be ``name`` for a one-time code."""
        with self.store.read() as database:
            account = find_account(database, name)
            if account is None:
                return self.policy.signing.second_factor == "required"
            return locked_factor(database, account.person_id, confirmed=True) is not None

    def list(self) -> tuple[Person, ...]:
        """Everybody who was not removed, by name."""
        with self.store.read() as database:
            return tuple(account.person for account in all_accounts(database) if not account.removed)

    def find(self, name: str) -> Person | None:
        """The person of that name, without any authentication; None when there is none now."""
        with self.store.read() as database:
            account = find_account(database, name)
        return account.person if account and not account.removed else None

    def keys(self) -> KeyRing:
        """Every signing key that ever was, with its times; the ledger's events are the better witness."""
        with self.store.read() as database:
            return KeyRing.of(all_keys(database))

    def public_keys(self) -> dict[str, str]:
        """For each name the public key (hex) that its e-signatures are checked with.

        That is the present key, or the last one of somebody who left; a compromised one never. It knows one
        key a name and no times: :meth:`keys` is for signatures from before a key was replaced.
        """
        found: dict[str, str] = {}
        for key in self.keys().keys:
            if key.revoked_for is not Revoked.COMPROMISED:
                found[key.owner] = key.public_key
            elif found.get(key.owner) == key.public_key:
                del found[key.owner]
        return found

    def _insert(
        self, person: Person, password: str, by: Person | None, at: datetime, *, temporary: bool
    ) -> Person:
        if by is not None:
            by = self.store.permit(by, Action.MANAGE_PEOPLE, at=at)
        encoded = self.store.passwords.hash(password)
        private = None if temporary else new_private_key()
        if private is not None:
            person = Person(person.name, person.printed_name, person.roles, public_half(private))
        locked = lock_key(private, person, password, self.store.passwords) if private else None
        with self.store.change() as database:
            if find_account(database, person.name) is not None:
                raise UsageError("This name is taken", name=person.name, hint="Names are never given again")
            if by is None:
                self._check_owner_adds(database, person)
            let_in_by = by.name if by else ""
            person_id = insert_person(database, person, by=let_in_by)
            if locked is None:
                let_in(database, person_id, encoded, at=at, by=let_in_by)
            else:
                set_password(database, person_id, encoded, at=at)
                put_key(database, person_id, locked, at=at)
            actor = person_actor(by.name) if by else "owner"
            put_notice(database, Notice(NoticeKind.PERSON_ADDED, at, actor, person.as_json()))
        return person

    def _check_owner_adds(self, database: sqlite3.Connection, person: Person) -> None:
        """The owner of the file may always add the first person; later ones as the policy says."""
        if not self.policy.administrator_adds:
            return
        everybody: list[Account] = all_accounts(database)
        if everybody or Role.ADMINISTRATOR not in person.roles:
            raise PolicyError(
                "Only an administrator adds people here, and the first person must be one",
                hint="`medcairn users invite NAME --by ADMINISTRATOR`",
                reason=Reason.ROLE,
            )


__all__ = ["Invitation", "People", "check_allowed"]
