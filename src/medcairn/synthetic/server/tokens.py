"""SMART Backend Services: a client proves itself with a signed assertion and gets a short-lived token.

SMART App Launch 2.0, "Backend Services" and "Client Authentication: Asymmetric"; RFC 7523 for the assertion.
A client that was registered with a secret proves itself with that (RFC 6749, section 2.3.1).
"""

from __future__ import annotations

import re
import secrets
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import jwt
from jwt.types import Options

from medcairn.core.clock import Clock
from medcairn.synthetic.server.clients import Clients

ALGORITHMS = ("RS384", "ES384")
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
TOKEN_SECONDS = 300
_LONGEST_ASSERTION_SECONDS = 300
_SKEW_SECONDS = 10
_SCOPE = re.compile(r"system/(\*|[A-Z][A-Za-z]+)\.(read|\*|c?ru?d?s?)\Z")


@dataclass(frozen=True)
class Grant:
    """What a token allows: ``types`` is None for all resource types."""

    client_id: str
    types: frozenset[str] | None
    scope: str
    expires: float


class TokenRefused(Exception):
    """A token request that is refused, with its OAuth 2.0 error code (RFC 6749, section 5.2)."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(description)
        self.error = error
        self.description = description


class TokenOffice:
    """Checks who asks, remembers which assertions were used, and issues tokens; all in memory.

    ``seconds`` is the life of a token, ``uses`` how often it may be used, 0 for any number.
    """

    def __init__(
        self, clients: Clients, clock: Clock, *, seconds: int = TOKEN_SECONDS, uses: int = 0
    ) -> None:
        self._clients = clients
        self._clock = clock
        self._seconds, self._uses = seconds, uses
        self._assertions: dict[tuple[str, str], float] = {}
        self._grants: dict[str, Grant] = {}
        self._used: Counter[str] = Counter()
        self._lock = threading.Lock()

    def issue(self, form: Mapping[str, str], authorization: str, audience: str) -> tuple[str, Grant, int]:
        """A new token for a token request, and its life in seconds. Raises :class:`TokenRefused`."""
        if form.get("grant_type") != "client_credentials":
            raise TokenRefused("unsupported_grant_type", "grant_type must be client_credentials")
        now = self._clock.now().timestamp()
        client = self._client(form, authorization, audience, now)
        scope, types = _granted(form.get("scope", ""))
        grant = Grant(client, types, scope, now + self._seconds)
        token = secrets.token_urlsafe(32)
        with self._lock:
            self._grants = {key: old for key, old in self._grants.items() if old.expires > now}
            self._grants[token] = grant
        return token, grant, self._seconds

    def grant(self, token: str) -> Grant | None:
        """What ``token`` allows; None when it is unknown, has expired or was used up."""
        with self._lock:
            found = self._grants.get(token)
            if found is None or found.expires <= self._clock.now().timestamp():
                return None
            self._used[token] += 1
            if self._uses and self._used[token] > self._uses:
                del self._grants[token]
                return None
            return found

    def _client(self, form: Mapping[str, str], authorization: str, audience: str, now: float) -> str:
        scheme, _, told = authorization.partition(" ")
        if scheme.lower() == "basic":
            client = self._clients.by_secret(told.strip())
            if client is None:
                raise TokenRefused("invalid_client", "No client has this id and secret")
            return client
        if form.get("client_assertion_type") != ASSERTION_TYPE:
            raise TokenRefused("invalid_request", "client_assertion_type must be jwt-bearer")
        return self._authenticate(form.get("client_assertion", ""), audience, now)

    def _authenticate(self, assertion: str, audience: str, now: float) -> str:
        claims = self._verified(assertion)
        client, expires, identifier = claims.get("iss"), claims.get("exp"), claims.get("jti")
        if not isinstance(client, str) or claims.get("sub") != client:
            raise TokenRefused("invalid_client", "iss and sub must both be the client id")
        audiences = claims.get("aud")
        if audience not in (audiences if isinstance(audiences, list) else [audiences]):
            raise TokenRefused("invalid_client", "aud must be the token endpoint")
        if not isinstance(expires, (int, float)) or expires <= now - _SKEW_SECONDS:
            raise TokenRefused("invalid_client", "The assertion has expired")
        if expires > now + _LONGEST_ASSERTION_SECONDS + _SKEW_SECONDS:
            raise TokenRefused("invalid_client", "The assertion is valid for more than five minutes")
        if not isinstance(identifier, str) or not identifier:
            raise TokenRefused("invalid_client", "The assertion has no jti")
        with self._lock:
            live = {key: until for key, until in self._assertions.items() if until > now - _SKEW_SECONDS}
            if (client, identifier) in live:
                raise TokenRefused("invalid_client", "The assertion was used before")
            self._assertions = {**live, (client, identifier): float(expires)}
        return client

    def _verified(self, assertion: str) -> dict[str, object]:
        """The claims of an assertion whose signature is by a key that its issuer registered."""
        claims: dict[str, object] | None = None
        try:
            header = jwt.get_unverified_header(assertion)
            issuer = jwt.decode(assertion, options={"verify_signature": False}).get("iss")
            algorithm = header.get("alg")
            key = self._clients.key(issuer, str(header.get("kid"))) if isinstance(issuer, str) else None
            if key is not None and algorithm in ALGORITHMS and key.algorithm_name == algorithm:
                claims = dict(jwt.decode(assertion, key.key, algorithms=[algorithm], options=_SIGNATURE_ONLY))
        except jwt.PyJWTError:
            claims = None
        if claims is None:
            raise TokenRefused("invalid_client", "The assertion's signature is not by a registered key")
        return claims


def _granted(requested: str) -> tuple[str, frozenset[str] | None]:
    """The scopes that are granted and the resource types that they cover."""
    allowed = [scope for scope in requested.split() if _SCOPE.match(scope)]
    if not allowed:
        raise TokenRefused("invalid_scope", "Ask for system/*.read or system/*.rs")
    types = {scope.removeprefix("system/").partition(".")[0] for scope in allowed}
    return " ".join(allowed), None if "*" in types else frozenset(types)


_SIGNATURE_ONLY: Options = {
    "verify_exp": False,
    "verify_aud": False,
    "verify_iat": False,
    "verify_nbf": False,
}
"""The other claims are checked here, against the clock that was passed in."""

__all__ = ["ALGORITHMS", "TOKEN_SECONDS", "Grant", "TokenOffice", "TokenRefused"]
