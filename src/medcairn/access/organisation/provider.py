"""The authorization code flow with PKCE (OpenID Connect Core 1.0, RFC 6749, RFC 7636, RFC 9207)."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import httpx
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge

from medcairn.access.organisation.id_token import Expected, checked_claims
from medcairn.access.organisation.settings import OrganisationSettings, is_secure
from medcairn.access.roles import Role
from medcairn.core.clock import Clock
from medcairn.core.errors import ExternalError, MedcairnError, PolicyError, TransientError
from medcairn.core.labels import Label

TIMEOUT_SECONDS = 10.0
_MOST_BYTES = 1 << 20
_LONGEST_SIGN_IN = timedelta(minutes=10)
_CONFIGURATION = "/.well-known/openid-configuration"
_ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")


@dataclass(frozen=True)
class PendingLogin:
    """A sign-in under way: send the browser to ``url`` and keep the rest, for this browser alone."""

    url: str = field(repr=False)
    state: str = field(repr=False)
    nonce: str = field(repr=False)
    code_verifier: str = field(repr=False)
    began_at: datetime


@dataclass(frozen=True)
class Identity:
    """Who the provider says it was: ``subject`` is the provider's own id of the person at ``issuer``."""

    issuer: str
    subject: str = field(repr=False)
    roles: frozenset[Role]
    signed_in_at: datetime


class OrganisationProvider:
    """One OpenID Connect provider. ``client_secret`` is None for a public client."""

    def __init__(
        self,
        settings: OrganisationSettings,
        *,
        clock: Clock,
        client_secret: str | None = None,
        http: httpx.Client | None = None,
    ) -> None:
        self._settings, self._clock, self._secret = settings, clock, client_secret
        self._http = http or httpx.Client(timeout=TIMEOUT_SECONDS, follow_redirects=False)

    def begin(self) -> PendingLogin:
        """Begin a sign-in.

        Raises :class:`ExternalError` when the provider does not answer or its configuration cannot be used.
        """
        endpoint = self._configuration()["authorization_endpoint"]
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        url = prepare_grant_uri(
            endpoint,
            client_id=self._settings.client_id,
            response_type="code",
            redirect_uri=self._settings.redirect_uri,
            scope=" ".join(self._settings.scopes),
            state=state,
            nonce=nonce,
            code_challenge=create_s256_code_challenge(verifier),
            code_challenge_method="S256",
            max_age=str(self._settings.freshness_minutes * 60),
        )
        return PendingLogin(url, state, nonce, verifier, self._clock.now())

    def finish(self, pending: PendingLogin, redirected_to: str) -> Identity:
        """Who signed in, from the address that the provider sent the browser back to.

        Raises :class:`PolicyError` when a check fails, and :class:`ExternalError` when the provider fails.
        """
        now = self._clock.now()
        code = self._code(pending, redirected_to, now)
        configuration = self._configuration()
        tokens = self._fetch("POST", configuration["token_endpoint"], self._token_request(pending, code))
        keys = self._fetch("GET", configuration["jwks_uri"])
        access_token = tokens.get("access_token")
        expected = Expected(
            self._settings, pending.nonce, access_token if isinstance(access_token, str) else None, now
        )
        claims = checked_claims(tokens.get("id_token"), keys, expected)
        roles = self._settings.roles_of(claims.get(self._settings.roles_claim))
        return Identity(self._settings.issuer, str(claims["sub"]), roles, now)

    def _code(self, pending: PendingLogin, redirected_to: str, now: datetime) -> str:
        """The code in the answer, when the answer belongs to ``pending``."""
        answer = parse_qs(urlsplit(redirected_to).query)
        if not timedelta(0) <= now - pending.began_at <= _LONGEST_SIGN_IN:
            raise _refused("too_late")
        if not hmac.compare_digest(_only(answer, "state").encode(), pending.state.encode()):
            raise _refused("state")
        if "iss" in answer and _only(answer, "iss") != self._settings.issuer:
            raise _refused("iss")
        code = _only(answer, "code")
        if "error" in answer or not code:
            raise _refused("denied_there")
        return code

    def _token_request(self, pending: PendingLogin, code: str) -> dict[str, str]:
        return {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._settings.redirect_uri,
            "client_id": self._settings.client_id,
            "code_verifier": pending.code_verifier,
        }

    def _configuration(self) -> dict[str, str]:
        """The provider's endpoints (OpenID Connect Discovery 1.0), when it names itself as we know it."""
        found = self._fetch("GET", self._settings.issuer.rstrip("/") + _CONFIGURATION)
        endpoints = {name: value for name in _ENDPOINTS if isinstance(value := found.get(name), str)}
        if found.get("issuer") != self._settings.issuer:
            raise ExternalError("The provider's configuration names another issuer")
        if len(endpoints) != len(_ENDPOINTS) or not all(map(is_secure, endpoints.values())):
            raise ExternalError("The provider's configuration lacks an endpoint, or one is not https")
        return endpoints

    def _fetch(self, method: str, url: str, form: Mapping[str, str] | None = None) -> Mapping[str, object]:
        """A JSON object from the provider."""
        auth = (self._settings.client_id, self._secret) if form and self._secret else None
        status, document, error = 0, None, None
        try:
            with self._http.stream(method, url, data=form, auth=auth) as response:
                status, body = response.status_code, b""
                for part in response.iter_bytes():
                    body += part
                    if len(body) > _MOST_BYTES:
                        raise ValueError("too long")
                document = httpx.Response(200, content=body).json()
        except httpx.HTTPError:
            error = TransientError("The organisation's provider does not answer")
        except ValueError:
            document = None
        _raise(error)
        if form is not None and status in (400, 401):
            raise _refused("code")
        if status != 200 or not isinstance(document, dict):
            raise ExternalError(
                "The organisation's provider gave an answer that cannot be used", status=status
            )
        return document


def _only(answer: Mapping[str, list[str]], key: str) -> str:
    values = answer.get(key, [])
    return values[0] if len(values) == 1 else ""


def _raise(error: MedcairnError | None) -> None:
    if error is not None:
        raise error


def _refused(check: str) -> PolicyError:
    return PolicyError(
        "The organisation's sign-in was refused", hint="Begin to sign in again", check=Label(check)
    )


__all__ = ["Identity", "OrganisationProvider", "PendingLogin"]
