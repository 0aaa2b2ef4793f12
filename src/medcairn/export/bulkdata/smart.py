"""SMART Backend Services (SMART App Launch 2.2, "Client Authentication: Asymmetric").

The client proves who it is with a short-lived JWT (RFC 7523) signed with its private key, or, where it was
given one, with a secret, and gets a bearer token for it. Nothing here writes a token, an assertion or a
secret anywhere.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from urllib.parse import urljoin

import msgspec

from medcairn.core.clock import Clock, Ids
from medcairn.core.errors import ExternalError, TransientError, UsageError
from medcairn.core.labels import Label
from medcairn.export.bulkdata.http import ATTEMPTS, Answer, HttpClient
from medcairn.export.bulkdata.origins import check_target
from medcairn.export.credentials import Credentials, SecretCredentials

_ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_ASSERTION_LIFE: Final = timedelta(minutes=4)
_DEFAULT_LIFE_SECONDS: Final = 300.0
_MARGIN_SECONDS: Final = 30.0
_TOKEN: Final = re.compile(r"[\x21-\x7e]{1,16384}\Z")
_OAUTH_ERRORS: Final = frozenset(
    {"invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "invalid_scope"}
)


class _Configuration(msgspec.Struct):
    token_endpoint: str
    token_endpoint_auth_signing_alg_values_supported: list[str] | None = None
    token_endpoint_auth_methods_supported: list[str] | None = None
    scopes_supported: list[str] | None = None


class _Grant(msgspec.Struct):
    access_token: str
    expires_in: float | str | None = None


class _Refusal(msgspec.Struct):
    error: str | None = None


@dataclass(frozen=True)
class TokenEndpoint:
    """Where to ask for tokens, and for which scope."""

    url: str
    scope: str


def discover(client: HttpClient, base_url: str, credentials: Credentials) -> TokenEndpoint:
    """The token endpoint that ``.well-known/smart-configuration`` below the base URL names.

    Raises :class:`ExternalError` when the server has none, :class:`UsageError` when it does not accept what
    the client has to prove itself with.
    """
    url = f"{base_url}/.well-known/smart-configuration"
    answer = client.ask("GET", url, headers={"Accept": "application/json"})
    found: _Configuration | None = None
    if answer.status == 200:
        try:
            found = msgspec.json.decode(answer.body, type=_Configuration)
        except (msgspec.DecodeError, UnicodeDecodeError):
            found = None
    if found is None:
        raise ExternalError(
            "The server does not say where to get a token",
            hint="Its .well-known/smart-configuration is missing; an open server needs no client id",
            server=client.home.label,
            status=answer.status,
        )
    _check_accepted(found, credentials)
    endpoint = urljoin(url, found.token_endpoint)
    target = check_target(endpoint, client.home)
    if target.scheme != "https" and not target.loopback:
        raise ExternalError("The server's token endpoint is not https; refused", server=client.home.label)
    return TokenEndpoint(endpoint, _scope(found.scopes_supported))


def _check_accepted(found: _Configuration, credentials: Credentials) -> None:
    if isinstance(credentials, SecretCredentials):
        methods = found.token_endpoint_auth_methods_supported
        if methods and "client_secret_basic" not in methods:
            raise UsageError(
                "The server takes no client secret", hint="Register a key, and give it with --key instead"
            )
        return
    offered = found.token_endpoint_auth_signing_alg_values_supported
    if offered and credentials.algorithm not in offered:
        raise UsageError(
            "The server does not accept signatures of this key's kind",
            hint="Make a key of the other kind (RS384 or ES384) and register it",
            algorithm=Label(credentials.algorithm),
        )


def _scope(supported: list[str] | None) -> str:
    """``system/*.read`` (SMART v1 form, which v2 servers accept too) unless only the v2 form is listed."""
    for scope in ("system/*.read", "system/*.rs"):
        if supported and scope in supported:
            return scope
    return "system/*.read"


class SmartTokens:
    """Tokens for one client, asked for when needed and renewed before they expire. Thread-safe."""

    def __init__(
        self,
        client: HttpClient,
        endpoint: TokenEndpoint,
        credentials: Credentials,
        *,
        clock: Clock,
        ids: Ids,
        monotonic: Callable[[], float],
    ) -> None:
        self._client, self._endpoint, self._credentials = client, endpoint, credentials
        self._clock, self._ids, self._monotonic = clock, ids, monotonic
        self._lock = threading.Lock()
        self._token: str | None = None
        self._renew_at = 0.0

    def current(self) -> str:
        """A token that is valid for a while yet."""
        with self._lock:
            if self._token is None or self._monotonic() >= self._renew_at:
                self._token = self._fetch()
            return self._token

    def refused(self, token: str) -> None:
        """Forget ``token``, unless another thread has renewed it already."""
        with self._lock:
            if self._token == token:
                self._token = None

    def _fetch(self) -> str:
        asked_at = self._monotonic()
        answer = self._answer()
        grant: _Grant | None = None
        if answer.status in (200, 201):
            try:
                grant = msgspec.json.decode(answer.body, type=_Grant)
            except (msgspec.DecodeError, UnicodeDecodeError):
                grant = None
        if grant is None or not _TOKEN.match(grant.access_token):
            raise self._refusal(answer.status, answer.body)
        life = _seconds(grant.expires_in)
        self._renew_at = asked_at + life - min(_MARGIN_SECONDS, life / 4)
        return grant.access_token

    def _answer(self) -> Answer:
        """Each try has a proof of its own: a server takes an assertion once, even when its answer is lost."""
        for attempt in range(1, ATTEMPTS + 1):
            headers, form = self._proof()
            try:
                answer = self._client.ask("POST", self._endpoint.url, headers=headers, form=form, attempts=1)
            except TransientError:
                if attempt == ATTEMPTS:
                    raise
                answer = None
            if answer is not None and (not answer.transient or attempt == ATTEMPTS):
                return answer
            self._client.patience.wait_to_retry(
                attempt, answer.headers.get("retry-after") if answer else None
            )
        raise AssertionError("a token is asked for at least once")

    def _proof(self) -> tuple[dict[str, str], dict[str, str]]:
        """Headers and form of a token request."""
        headers = {"Accept": "application/json"}
        form = {"grant_type": "client_credentials", "scope": self._endpoint.scope}
        if isinstance(self._credentials, SecretCredentials):
            return {**headers, "Authorization": self._credentials.basic()}, form
        assertion = self._credentials.assertion(
            audience=self._endpoint.url,
            issued_at=self._clock.now(),
            life=_ASSERTION_LIFE,
            assertion_id=self._ids.new(),
        )
        proof = {"client_assertion_type": _ASSERTION_TYPE, "client_assertion": assertion}
        return headers, {**form, **proof}

    def _refusal(self, status: int, body: bytes) -> ExternalError:
        reason = "unknown"
        try:
            named = msgspec.json.decode(body, type=_Refusal).error
            reason = named if named in _OAUTH_ERRORS else reason
        except (msgspec.DecodeError, UnicodeDecodeError):
            pass
        return ExternalError(
            "The server gave no access token",
            hint="Check that the client id and its public key are registered there, and both clocks",
            server=self._client.home.label,
            status=status,
            reason=Label(reason),
        )


def _seconds(expires_in: float | str | None) -> float:
    """A life in seconds; some servers send it as text, some not at all."""
    if isinstance(expires_in, str):
        expires_in = float(expires_in) if re.match(r"\d{1,9}(\.\d{1,9})?\Z", expires_in) else None
    return expires_in if expires_in is not None and 0 < expires_in < 1e9 else _DEFAULT_LIFE_SECONDS


__all__ = ["SmartTokens", "TokenEndpoint", "discover"]
