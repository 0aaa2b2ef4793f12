"""SMART Backend Services: a client proves itself with a signed assertion and gets a short-lived token.

SMART App Launch 2.0, "Backend Services" and "Client Authentication: Asymmetric"; RFC 7523 for the assertion.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

import jwt
from jwt.types import Options

from medcairn.core.canonical import JSON
from medcairn.core.clock import Clock
from medcairn.core.errors import UsageError

ALGORITHMS = ("RS384", "ES384")
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
TOKEN_SECONDS = 300
_LONGEST_ASSERTION_SECONDS = 300
_SKEW_SECONDS = 10
_SCOPE = re.compile(r"system/(\*|[A-Z][A-Za-z]+)\.(read|rs)\Z")

Jwks = Mapping[str, JSON]
"""A JWK Set (RFC 7517) with the public keys of one client."""


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
    """Checks assertions, remembers which were used, and issues tokens; all in memory.

    Raises :class:`UsageError` when a client's key set holds no key that can be used.
    """

    def __init__(self, clients: Mapping[str, Jwks], clock: Clock) -> None:
        self._keys = {client: _parse_keys(jwks) for client, jwks in clients.items()}
        self._clock = clock
        self._used: dict[tuple[str, str], float] = {}
        self._grants: dict[str, Grant] = {}

    def issue(self, form: Mapping[str, str], audience: str) -> tuple[str, Grant]:
        """A new token for a token request. Raises :class:`TokenRefused`."""
        if form.get("grant_type") != "client_credentials":
            raise TokenRefused("unsupported_grant_type", "grant_type must be client_credentials")
        if form.get("client_assertion_type") != ASSERTION_TYPE:
            raise TokenRefused("invalid_request", "client_assertion_type must be jwt-bearer")
        now = self._clock.now().timestamp()
        client = self._authenticate(form.get("client_assertion", ""), audience, now)
        scope, types = _granted(form.get("scope", ""))
        grant = Grant(client, types, scope, now + TOKEN_SECONDS)
        self._grants = {key: old for key, old in self._grants.items() if old.expires > now}
        token = secrets.token_urlsafe(32)
        self._grants[token] = grant
        return token, grant

    def grant(self, token: str) -> Grant | None:
        """What ``token`` allows; None when it is unknown or has expired."""
        found = self._grants.get(token)
        if found is None or found.expires <= self._clock.now().timestamp():
            return None
        return found

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
        self._used = {key: until for key, until in self._used.items() if until > now - _SKEW_SECONDS}
        if (client, identifier) in self._used:
            raise TokenRefused("invalid_client", "The assertion was used before")
        self._used[(client, identifier)] = float(expires)
        return client

    def _verified(self, assertion: str) -> dict[str, object]:
        """The claims of an assertion whose signature is by a key that its issuer registered."""
        claims: dict[str, object] | None = None
        try:
            header = jwt.get_unverified_header(assertion)
            issuer = jwt.decode(assertion, options={"verify_signature": False}).get("iss")
            algorithm = header.get("alg")
            keys = self._keys.get(issuer, {}) if isinstance(issuer, str) else {}
            key = keys.get(str(header.get("kid")))
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


def _parse_keys(jwks: Jwks) -> dict[str, jwt.PyJWK]:
    found: dict[str, jwt.PyJWK] = {}
    keys = jwks.get("keys")
    for item in keys if isinstance(keys, (list, tuple)) else ():
        if not isinstance(item, Mapping):
            continue
        algorithm = {"RSA": "RS384", "EC": "ES384"}.get(str(item.get("kty")))
        public = {name: value for name, value in item.items() if name not in _PRIVATE_MEMBERS}
        try:
            found[str(item.get("kid"))] = jwt.PyJWK(public, algorithm=algorithm)
        except jwt.PyJWTError:
            continue
    if not found:
        raise UsageError("A client's JWK Set holds no RSA or EC P-384 key that can be used")
    return found


_SIGNATURE_ONLY: Options = {
    "verify_exp": False,
    "verify_aud": False,
    "verify_iat": False,
    "verify_nbf": False,
}
"""The other claims are checked here, against the clock that was passed in."""

_PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth"})

__all__ = ["ALGORITHMS", "TOKEN_SECONDS", "Grant", "Jwks", "TokenOffice", "TokenRefused"]
