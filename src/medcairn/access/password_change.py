"""Setting another password: all that the old one encrypted is encrypted under the new one, or none of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from medcairn.access.authentication import factor_bound_to
from medcairn.access.credentials.locked_secret import lock, unlock
from medcairn.access.credentials.password_rules import check_new_password
from medcairn.access.notices import Notice, NoticeKind, person_actor, put_notice
from medcairn.access.person import Person
from medcairn.access.signing.keys import LockedKey, lock_key, new_private_key, unlock_key
from medcairn.access.store.accounts import (
    Account,
    account_of,
    past_hashes,
    put_key,
    relock_key,
    set_password,
)
from medcairn.access.store.people_store import PeopleStore
from medcairn.access.store.second_factors import locked_factor, relock_factors
from medcairn.core.errors import PolicyError, UsageError


@dataclass(frozen=True)
class PasswordChange:
    """One change of one account, whose owner was authenticated with ``old``."""

    store: PeopleStore
    account: Account
    old: str
    new: str
    at: datetime

    def __repr__(self) -> str:
        return "PasswordChange(…)"

    def make(self) -> Person:
        """Do it. A person without a signing key gets one, for this is the first password of their own.

        Raises :class:`PolicyError` when the policy refuses the new password, and :class:`UsageError` when
        somebody changed it at the same time.
        """
        self._check_new()
        person_id, passwords = self.account.person_id, self.store.passwords
        encoded = passwords.hash(self.new)
        key = self._key_under_new()
        with self.store.read() as database:
            factor = locked_factor(database, person_id, confirmed=True)
        if factor is not None:
            bound_to = factor_bound_to(self.account.person.name)
            secret = unlock(factor, self.old, passwords, bound_to=bound_to)
            factor = lock(secret, self.new, passwords, bound_to=bound_to)
        with self.store.change() as database:
            now = account_of(database, person_id)
            if now.password_hash != self.account.password_hash or now.removed:
                raise UsageError("The account was changed at the same time", hint="Try again")
            set_password(database, person_id, encoded, at=self.at)
            relock_factors(database, person_id, factor)
            actor = person_actor(self.account.person.name)
            put_notice(database, Notice(NoticeKind.PASSWORD_CHANGED, self.at, actor))
            if self.account.key is None:
                put_key(database, person_id, key, at=self.at)
                made = Notice(
                    NoticeKind.SIGNING_KEY_MADE,
                    self.at,
                    actor,
                    {"name": self.account.person.name, "public_key": key.public_key},
                )
                put_notice(database, made)
            else:
                relock_key(database, person_id, key)
            return account_of(database, person_id).person

    def _key_under_new(self) -> LockedKey:
        person, passwords = self.account.person, self.store.passwords
        if self.account.key is None:
            return lock_key(new_private_key(), person, self.new, passwords)
        private = unlock_key(self.account.key, person, self.old, passwords)
        return lock_key(private, person, self.new, passwords)

    def _check_new(self) -> None:
        person, policy = self.account.person, self.store.policy.password
        check_new_password(self.new, name=person.name, printed_name=person.printed_name, policy=policy)
        with self.store.read() as database:
            past = past_hashes(database, self.account.person_id, policy.remembered)
        used = [self.account.password_hash, *past]
        matches = [self.store.passwords.matches(self.new, encoded) for encoded in used]
        if any(matches):
            raise PolicyError(
                "The password is the present one or was used before", remembered=policy.remembered
            )


__all__ = ["PasswordChange"]
