"""Who asks: a person of the people store, a service with a token, or whom a trusted proxy has signed in.

A password is checked with Argon2id and a token in its store; as either takes longer than MLflow's own work,
what was found good is remembered for some seconds, under a keyed hash and never as it is.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address

from medcairn.access import Action, People, Role, Scope, is_allowed
from medcairn.core.clock import Clock
from medcairn.core.errors import PolicyError
from medcairn.core.labels import Label
from medcairn.tracking.server.refusals import Check, RequestRefused
from medcairn.tracking.server.settings import ProxySettings

_MOST_REMEMBERED = 4096
_OF_SCOPE = {
    Scope.RUN_PIPELINE: frozenset({Action.READ_REPORTS, Action.RUN_PIPELINE, Action.REGISTER_MODEL}),
    Scope.READ_REPORTS: frozenset({Action.READ_REPORTS}),
}
"""What a token's scope lets a service do here. No scope retires or promotes a model."""


@dataclass(frozen=True)
class Caller:
    """Who asks, and the actions of ``access/actions.yaml`` that they may do."""

    actor: str
    name: Label
    actions: frozenset[Action] = field(repr=False)


class Authenticator:
    """Tells who asks from the header fields and the address of the peer."""

    def __init__(
        self,
        people: People,
        *,
        clock: Clock,
        proxy: ProxySettings | None = None,
        remember_seconds: float = 30.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._people, self._clock, self._proxy = people, clock, proxy
        self._seconds, self._monotonic = remember_seconds, monotonic
        self._key = secrets.token_bytes(32)
        self._lock = threading.Lock()
        self._known: dict[bytes, tuple[float, Caller]] = {}

    def remembered(self, headers: Mapping[str, str]) -> Caller | None:
        """The caller, when these credentials were found good some seconds ago."""
        with self._lock:
            until, caller = self._known.get(self._digest(headers), (0.0, None))
        return caller if self._monotonic() < until else None

    def identify(self, headers: Mapping[str, str], peer: str) -> Caller:
        """Who asks. Takes as long as a password's check does.

        Raises :class:`RequestRefused` (401), in the same words whatever is wrong.
        """
        if self._proxy is not None and self._proxy.user_header in headers:
            return self._signed_in_by_proxy(self._proxy, headers, peer)
        kind, _, credentials = headers.get("authorization", "").partition(" ")
        caller: Caller | None = None
        try:
            if kind.lower() == "basic":
                caller = self._person(credentials)
            elif kind.lower() == "bearer":
                caller = self._service(credentials.strip())
        except PolicyError:
            caller = None  # the people store has told the ledger why
        if caller is None:
            raise _unknown()
        with self._lock:
            if len(self._known) >= _MOST_REMEMBERED:
                self._known.clear()
            self._known[self._digest(headers)] = (self._monotonic() + self._seconds, caller)
        return caller

    def _digest(self, headers: Mapping[str, str]) -> bytes:
        text = headers.get("authorization", "")
        return hmac.digest(self._key, text.encode("utf-8", "surrogateescape"), hashlib.sha256)

    def _person(self, credentials: str) -> Caller | None:
        try:
            name, found, password = (
                base64.b64decode(credentials, validate=True).decode("utf-8").partition(":")
            )
        except (binascii.Error, UnicodeDecodeError):
            return None
        if not found:
            return None
        person = self._people.authenticate(name, password, clock=self._clock)
        return Caller(f"person:{person.name}", person.name, _of_roles(person.roles))

    def _service(self, text: str) -> Caller | None:
        for scope in (Scope.RUN_PIPELINE, Scope.READ_REPORTS):
            try:
                token = self._people.tokens.check(text, scope, clock=self._clock)
            except PolicyError:
                continue
            return Caller(token.actor, token.service, _OF_SCOPE[scope])
        return None

    def _signed_in_by_proxy(self, proxy: ProxySettings, headers: Mapping[str, str], peer: str) -> Caller:
        """The header's person, from a proxy that is one of ours. Their roles are the people store's, or
        those of their groups when the proxy is trusted to tell groups."""
        ours, name = False, Label("unknown")
        try:
            ours = any(ip_address(peer) in network for network in proxy.networks)
            name = Label(headers[proxy.user_header])
        except ValueError:
            ours = False
        given = headers.get(proxy.secret_header, "").encode("utf-8", "replace")
        if not hmac.compare_digest(given, proxy.secret) or not ours:
            raise _unknown()
        person = self._people.find(name)
        roles = set(person.roles) if person is not None else set()
        for group in headers.get(proxy.groups_header, "").split(","):
            roles |= set(proxy.groups.get(group.strip(), ()))
        return Caller(f"person:{name}", name, _of_roles(roles))


def _of_roles(roles: Iterable[Role]) -> frozenset[Action]:
    held = list(roles)
    return frozenset(action for action in Action if is_allowed(held, action))


def _unknown() -> RequestRefused:
    return RequestRefused(
        401, Check.AUTHENTICATION, "Sign in: the name, the password or the token is not good"
    )


__all__ = ["Authenticator", "Caller"]
