"""What every part of access works on: the file, the cost of a password, the policy, and who hears notices."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import NoReturn

from medcairn.access.credentials.passwords import Passwords
from medcairn.access.notices import Notice, Outbox, Reason, denial, put_notice
from medcairn.access.person import Person
from medcairn.access.policy import AccessPolicy
from medcairn.access.roles import Action, check_roles, is_allowed
from medcairn.access.store.accounts import Account, find_account
from medcairn.access.store.database import create_database, transaction
from medcairn.core.errors import PolicyError, UsageError

Told = Callable[[Notice], bool | None]
"""Takes delivery of a notice, for instance by appending it to the ledger; False leaves it pending."""


class PeopleStore:
    """A people store's file (SQLite, mode 0600) with the rules it is used under."""

    def __init__(
        self, path: Path, *, passwords: Passwords, policy: AccessPolicy, told: Told | None = None
    ) -> None:
        self.path, self.passwords, self.policy, self._told = path, passwords, policy, told
        self.outbox = Outbox(path)
        create_database(path)

    @contextmanager
    def change(self) -> Iterator[sqlite3.Connection]:
        """One write transaction; what it put into the outbox is delivered after it."""
        with transaction(self.path) as database:
            yield database
        self.deliver()

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """One consistent look at the store."""
        with transaction(self.path) as database:
            yield database

    def deliver(self) -> None:
        """Hand what is in the outbox to whoever listens; without a listener it stays there."""
        if self._told is not None:
            self.outbox.deliver(self._told)

    def active(self, database: sqlite3.Connection, name: str) -> Account:
        """The account of that name. Raises :class:`UsageError` when nobody has it, or was removed."""
        account = find_account(database, name)
        if account is None or account.removed:
            raise UsageError("There is nobody of this name", hint="`medcairn users list` shows who there is")
        return account

    def permit(self, by: Person, action: Action, *, at: datetime, about: str = "") -> Person:
        """``by`` as the store knows them now, when one of their roles may do ``action``.

        With ``about`` the action is about that person, who may not be ``by``. A denial is a notice. Raises
        :class:`PolicyError`.
        """
        with self.read() as database:
            account = find_account(database, by.name)
        roles = account.person.roles if account and not account.removed else frozenset()
        if account is None or not is_allowed(roles, action):
            self.note(denial(Reason.ROLE, at=at, name=by.name, action=action.value))
            check_roles(frozenset(), action)
            raise AssertionError("no roles, no action")
        if about.casefold() == by.name.casefold():
            self.deny(Reason.SELF, "Nobody does this for themselves", at=at, name=by, action=action.value)
        return account.person

    def deny(
        self, reason: Reason, message: str, *, at: datetime, name: Person, hint: str = "", **more: str
    ) -> NoReturn:
        """Record that somebody known was denied, and raise :class:`PolicyError` with the reason."""
        self.note(denial(reason, at=at, name=name.name, **more))
        raise PolicyError(message, hint=hint, reason=reason)

    def note(self, *notices: Notice) -> None:
        """Keep notices of something that changes nothing else."""
        with self.change() as database:
            for notice in notices:
                put_notice(database, notice)


__all__ = ["PeopleStore", "Told"]
