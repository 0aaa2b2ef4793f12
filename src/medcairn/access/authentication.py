"""Is it they? Name, password and one-time code, with a count of tries that cannot be raced."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from medcairn.access.credentials.locked_secret import LockedSecret, unlock
from medcairn.access.credentials.one_time_codes import matching_step
from medcairn.access.credentials.recovery_codes import recovery_digest
from medcairn.access.notices import Notice, NoticeKind, Reason, denial, person_actor, put_notice
from medcairn.access.store.accounts import Account, find_account
from medcairn.access.store.people_store import PeopleStore
from medcairn.access.store.second_factors import claim_recovery_code, claim_step, locked_factor
from medcairn.core.canonical import JSON, canonical_json
from medcairn.core.clock import instant
from medcairn.core.errors import PolicyError
from medcairn.core.labels import Label

_NOBODY = 0
_NO_SALT = bytes(16)


@dataclass(frozen=True)
class Given:
    """What somebody typed. Never shown."""

    name: str
    password: str
    code: str | None = None

    def __repr__(self) -> str:
        return "Given(…)"


@dataclass(frozen=True)
class _Try:
    account: Account | None
    count: int
    is_open: bool


def factor_bound_to(name: Label) -> bytes:
    """What the secret of a person's one-time codes is bound to."""
    return canonical_json({"use": "one-time-codes", "name": name})


def authenticated(
    store: PeopleStore,
    given: Given,
    *,
    at: datetime,
    needs_code: bool = True,
    recovery: bool = False,
    stale_password: bool = False,
) -> Account:
    """The account, when what was given is right and the name is not locked out.

    A second factor counts where one is enrolled, unless ``needs_code`` is False; with ``recovery`` a recovery
    code stands in for a one-time code. Each try is counted before the password is looked at, so that many at
    once gain nothing. Raises :class:`PolicyError`, with the same text for whatever was wrong; and, only when
    all was right, one that says that the password is temporary or too old unless ``stale_password``.
    """
    tried = _count_try(store, given.name, at)
    account = tried.account
    reason = _refusal(store, tried, given, at=at, needs_code=needs_code, recovery=recovery)
    if account is None or reason is not None:
        _deny(store, tried, reason or Reason.UNKNOWN_NAME, at)
        raise PolicyError(
            "The name, the password or the code is wrong, or the name is locked",
            hint="A name is locked for some minutes after several wrong tries; a one-time code counts once",
        )
    with store.change() as database:
        database.execute("UPDATE attempt SET failures = 0 WHERE person_id = ?", (account.person_id,))
        database.execute(  # Stores of the first version did not keep it: the age counts from now on.
            "UPDATE person SET password_set_at = ? WHERE id = ? AND password_set_at = ''",
            (instant(at), account.person_id),
        )
    if not stale_password:
        _check_fresh(store, account, at)
    return account


def _count_try(store: PeopleStore, name: str, at: datetime) -> _Try:
    """The account of ``name``, and whether a try is open to it. Unknown names cost the same write."""
    lock_out = store.policy.lock_out
    with store.read() as database:
        account = find_account(database, name)
        person_id = account.person_id if account else _NOBODY
        database.execute("INSERT OR IGNORE INTO attempt (person_id) VALUES (?)", (person_id,))
        failures, last_at = database.execute(
            "SELECT failures, last_at FROM attempt WHERE person_id = ?", (person_id,)
        ).fetchone()
        if failures >= lock_out.failures:
            if at - datetime.fromisoformat(last_at) < timedelta(minutes=lock_out.minutes):
                return _Try(account, failures, is_open=False)
            failures = 0
        database.execute(
            "UPDATE attempt SET failures = ?, last_at = ? WHERE person_id = ?",
            (failures + 1, instant(at), person_id),
        )
    return _Try(account, failures + 1, is_open=True)


def _refusal(
    store: PeopleStore, tried: _Try, given: Given, *, at: datetime, needs_code: bool, recovery: bool
) -> Reason | None:
    """Why this try fails, or None. The same costly work is done whatever the reason."""
    account = tried.account
    known = account is not None and not account.removed
    encoded = account.password_hash if account is not None and known else None
    right = store.passwords.matches(given.password, encoded)
    if account is None or not known or not tried.is_open or not right:
        if given.code is not None:
            store.passwords.derive_key(given.password, _NO_SALT)
        if account is None:
            return Reason.UNKNOWN_NAME
        if not known:
            return Reason.REMOVED
        return Reason.WRONG_PASSWORD if tried.is_open else Reason.LOCKED_OUT
    return _code_refusal(store, account, given, at=at, recovery=recovery) if needs_code else None


def _code_refusal(
    store: PeopleStore, account: Account, given: Given, *, at: datetime, recovery: bool
) -> Reason | None:
    with store.read() as database:
        locked = locked_factor(database, account.person_id, confirmed=True)
    if locked is None:
        return None
    if given.code is None:
        return Reason.WRONG_CODE
    if recovery and _recovered(store, account, given.code, at):
        return None
    step = factor_step(store, account, locked, given.password, given.code, at)
    if step is None:
        return Reason.WRONG_CODE
    with store.read() as database:
        claimed = claim_step(database, account.person_id, step)
    return None if claimed else Reason.REPLAYED_CODE


def factor_step(
    store: PeopleStore, account: Account, locked: LockedSecret, password: str, code: str, at: datetime
) -> int | None:
    """The step near ``at`` whose code under the locked secret is ``code``, or None.

    Raises :class:`~medcairn.core.errors.IntegrityError` when the stored secret was changed.
    """
    secret = unlock(locked, password, store.passwords, bound_to=factor_bound_to(account.person.name))
    return matching_step(secret, code.replace(" ", ""), at)


def _recovered(store: PeopleStore, account: Account, code: str, at: datetime) -> bool:
    digest = recovery_digest(code)
    if digest is None:
        return False
    with store.change() as database:
        claimed = claim_recovery_code(database, account.person_id, digest)
        if claimed:
            put_notice(
                database,
                Notice(NoticeKind.RECOVERY_CODE_USED, at, person_actor(account.person.name)),
            )
    return claimed


def _deny(store: PeopleStore, tried: _Try, reason: Reason, at: datetime) -> None:
    """Record the denial; and an alert when this try locked the name, or a locked name is tried on."""
    name = tried.account.person.name if tried.account else None
    notices = [denial(reason, at=at, name=name)]
    if tried.is_open and tried.count == store.policy.lock_out.failures:
        record: dict[str, JSON] = {"reason": Reason.LOCKED_OUT.value, "failures": tried.count}
        notices.append(Notice(NoticeKind.ACCESS_ALERTED, at, person_actor(name), record))
    store.note(*notices)


def _check_fresh(store: PeopleStore, account: Account, at: datetime) -> None:
    if account.password_temporary:
        store.deny(
            Reason.TEMPORARY_PASSWORD,
            "This password is only for setting one of your own",
            hint="`medcairn users password NAME` sets it",
            at=at,
            name=account.person,
        )
    most = store.policy.password.maximum_age_days
    set_at = account.password_set_at or at
    if most is not None and at - set_at > timedelta(days=most):
        store.deny(
            Reason.EXPIRED_PASSWORD,
            "The password is too old and must be changed",
            hint="`medcairn users password NAME` changes it",
            at=at,
            name=account.person,
        )


__all__ = ["Given", "authenticated", "factor_bound_to", "factor_step"]
