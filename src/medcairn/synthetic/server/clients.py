"""The registered clients: their public keys, as a set or where to fetch it, or their secrets."""

from __future__ import annotations

import base64
import binascii
import hmac
import threading
from collections.abc import Mapping
from urllib.parse import unquote_plus, urlsplit

import httpx
import jwt
import msgspec

from medcairn.core.canonical import JSON
from medcairn.core.errors import UsageError

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth"})
_FETCH_SECONDS = 5.0

Jwks = Mapping[str, JSON]
"""A JWK Set (RFC 7517) with the public keys of one client."""

Keys = dict[str, jwt.PyJWK]


class Clients:
    """Who may ask for tokens. ``keys`` maps a client id to its key set, or to the address of that.

    Raises :class:`UsageError` when a set holds no key that can be used, and for an address that is not on the
    loopback interface: the server reaches no other machine.
    """

    def __init__(self, keys: Mapping[str, Jwks | str], client_secrets: Mapping[str, str]) -> None:
        self._urls = {client: jwks for client, jwks in keys.items() if isinstance(jwks, str)}
        self._keys = {client: _usable(jwks) for client, jwks in keys.items() if not isinstance(jwks, str)}
        self._secrets = dict(client_secrets)
        self._lock = threading.Lock()
        if not all(_on_loopback(url) for url in self._urls.values()):
            raise UsageError(
                "The address of a JWK Set must be on this machine, such as http://127.0.0.1:8000/jwks"
            )

    @property
    def have_secrets(self) -> bool:
        """Whether any client is registered with a secret."""
        return bool(self._secrets)

    def key(self, client: str, key_id: str) -> jwt.PyJWK | None:
        """The client's key of that id. A set behind an address is fetched when it does not have it yet."""
        with self._lock:
            known = self._keys.get(client, {})
            if key_id not in known and client in self._urls:
                known = self._keys[client] = _fetched(self._urls[client])
            return known.get(key_id)

    def by_secret(self, credentials: str) -> str | None:
        """The client of HTTP Basic credentials (both parts form-encoded), None for nobody."""
        try:
            text = base64.b64decode(credentials, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            return None
        client, _, secret = (unquote_plus(part) for part in text.partition(":"))
        registered = self._secrets.get(client)
        same = registered is not None and hmac.compare_digest(registered.encode(), secret.encode())
        return client if same else None


def _on_loopback(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and parts.hostname in _LOOPBACK
    except ValueError:
        return False


def _fetched(url: str) -> Keys:
    """The keys at ``url``, none when it does not answer with a set. Follows no redirect, uses no proxy."""
    try:
        answer = httpx.get(url, timeout=_FETCH_SECONDS, follow_redirects=False, trust_env=False)
        jwks = msgspec.json.decode(answer.content, type=dict[str, object]) if answer.is_success else {}
    except (httpx.HTTPError, msgspec.MsgspecError):
        return {}
    return _parsed(jwks)


def _usable(jwks: Jwks) -> Keys:
    found = _parsed(jwks)
    if not found:
        raise UsageError("A client's JWK Set holds no RSA or EC P-384 key that can be used")
    return found


def _parsed(jwks: Mapping[str, object]) -> Keys:
    found: Keys = {}
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
    return found


__all__ = ["Clients", "Jwks"]
