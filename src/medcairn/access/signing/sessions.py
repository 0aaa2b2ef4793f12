"""A session of signing: one continuous period of controlled access by one person (21 CFR 11.200(a)(1)).

The first signing takes every component: name, password and, where enrolled, a one-time code. Later ones in
the same session take the password, which only its owner knows and which alone opens the signing key; so
nothing that could sign stays in memory in between. After an idle time, a longest time, a wrong password or a
clock that went back, the session starts over.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from threading import Lock
from typing import Protocol

from medcairn.access.authentication import Given
from medcairn.access.policy import SigningPolicy
from medcairn.access.signing.signatures import ESignature, Meaning
from medcairn.core.clock import Clock
from medcairn.core.digests import Digest


class Seals(Protocol):
    """Checks what was given and seals; :class:`~medcairn.access.people.People` does."""

    def seal(
        self, given: Given, *, record: Digest, meaning: Meaning, at: datetime, needs_code: bool = True
    ) -> ESignature: ...


class SigningSession:
    """The signings of one person in one sitting. Lives in memory only: a new process is a new session."""

    def __init__(self, people: Seals, name: str, *, policy: SigningPolicy, clock: Clock) -> None:
        self._people, self._name, self._policy, self._clock = people, name, policy, clock
        self._began: datetime | None = None
        self._last: datetime | None = None
        self._lock = Lock()

    @property
    def needs_all_components(self) -> bool:
        """Whether the next signing is a first one: ask for the one-time code too."""
        return not self._goes_on(self._clock.now())

    def sign(self, password: str, *, record: Digest, meaning: Meaning, code: str | None = None) -> ESignature:
        """Sign ``record``. Raises what :meth:`~medcairn.access.people.People.sign` raises; the session then
        starts over."""
        with self._lock:
            now = self._clock.now()
            goes_on = self._goes_on(now)
            began = self._began if goes_on else now
            self._began = self._last = None
            signature = self._people.seal(
                Given(self._name, password, code),
                record=record,
                meaning=meaning,
                at=now,
                needs_code=not goes_on,
            )
            self._began, self._last = began, now
            return signature

    def end(self) -> None:
        """Start over with the next signing."""
        with self._lock:
            self._began = self._last = None

    def _goes_on(self, now: datetime) -> bool:
        if self._began is None or self._last is None:
            return False
        idle, whole = now - self._last, now - self._began
        return timedelta(0) <= idle < timedelta(minutes=self._policy.idle_minutes) and whole < timedelta(
            minutes=self._policy.longest_minutes
        )


__all__ = ["SigningSession"]
