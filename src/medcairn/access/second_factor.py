"""Enrolling a second factor: one-time codes by RFC 6238, and recovery codes on paper."""

from __future__ import annotations

from dataclasses import dataclass, field

from medcairn.access.authentication import Given, authenticated, factor_bound_to, factor_step
from medcairn.access.credentials.locked_secret import lock
from medcairn.access.credentials.one_time_codes import new_secret, provisioning_uri, secret_text
from medcairn.access.credentials.recovery_codes import new_recovery_codes, recovery_digest
from medcairn.access.notices import Notice, NoticeKind, Reason, person_actor, put_notice
from medcairn.access.person import Person
from medcairn.access.roles import Action
from medcairn.access.store.people_store import PeopleStore
from medcairn.access.store.second_factors import confirm_pending, drop_factors, locked_factor, put_pending
from medcairn.core.clock import Clock
from medcairn.core.errors import UsageError


@dataclass(frozen=True)
class Enrolment:
    """What goes into an authenticator app, shown once: the secret as text, and the same as a URI."""

    secret: str = field(repr=False)
    uri: str = field(repr=False)


class SecondFactors:
    """The second factors of a people store."""

    def __init__(self, store: PeopleStore) -> None:
        self._store = store

    def begin(
        self,
        name: str,
        password: str,
        *,
        clock: Clock,
        code: str | None = None,
        issuer: str = "medcairn",
    ) -> Enrolment:
        """A new secret for ``name``; it counts once :meth:`confirm` saw a code of it.

        Who has a second factor already gives a code of that one, or a recovery code. Raises
        :class:`~medcairn.core.errors.PolicyError` when the person is not authenticated.
        """
        given = Given(name, password, code)
        account = authenticated(self._store, given, at=clock.now(), recovery=True)
        secret, label = new_secret(), account.person.name
        locked = lock(secret, password, self._store.passwords, bound_to=factor_bound_to(label))
        with self._store.change() as database:
            put_pending(database, account.person_id, locked)
        return Enrolment(secret_text(secret), provisioning_uri(secret, name=label, issuer=issuer))

    def confirm(self, name: str, password: str, code: str, *, clock: Clock) -> tuple[str, ...]:
        """Make the new secret count; ``code`` is of the new one. Returns the recovery codes, shown once.

        Raises :class:`UsageError` when nothing was begun, and
        :class:`~medcairn.core.errors.PolicyError` for a wrong password or code.
        """
        at = clock.now()
        account = authenticated(self._store, Given(name, password), at=at, needs_code=False)
        with self._store.read() as database:
            pending = locked_factor(database, account.person_id, confirmed=False)
        if pending is None:
            raise UsageError("No second factor waits to be confirmed", hint="Begin again")
        step = factor_step(self._store, account, pending, password, code, at)
        if step is None:
            self._store.deny(
                Reason.WRONG_CODE,
                "The code does not belong to the new secret",
                hint="Check the clock of the device, and give the code that it shows now",
                at=at,
                name=account.person,
            )
        codes = new_recovery_codes()
        digests = [digest for digest in map(recovery_digest, codes) if digest]
        with self._store.change() as database:
            confirm_pending(database, account.person_id, step=step, recovery_digests=digests)
            actor = person_actor(account.person.name)
            put_notice(database, Notice(NoticeKind.SECOND_FACTOR_SET, at, actor))
        return codes

    def remove(self, name: str, *, by: Person, clock: Clock) -> None:
        """Take away the second factor of somebody whose device and recovery codes are lost.

        The password still stands, so that it takes the administrator and the person to let somebody in.
        Raises :class:`~medcairn.core.errors.PolicyError` when ``by`` may not, or is that person.
        """
        at = clock.now()
        administrator = self._store.permit(by, Action.RESET_CREDENTIALS, at=at, about=name)
        with self._store.change() as database:
            account = self._store.active(database, name)
            drop_factors(database, account.person_id)
            actor = person_actor(administrator.name)
            record = {"name": account.person.name}
            put_notice(database, Notice(NoticeKind.SECOND_FACTOR_REMOVED, at, actor, record))


__all__ = ["Enrolment", "SecondFactors"]
