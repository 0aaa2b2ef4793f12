"""A small OpenID Connect provider on loopback: Authlib's server side over Flask, with a login form and PKCE.

Not a mock: the flow, the codes, the PKCE check and the ID token are the library's. ``faults`` makes it give
tokens that a client must refuse: ``alter`` changes the claims before they are sealed, ``seal`` seals anew.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import ClientMixin
from authlib.oauth2.rfc6749.grants import AuthorizationCodeGrant
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oidc.core import OpenIDCode, UserInfo
from authlib.oidc.core.models import AuthorizationCodeMixin
from flask import Flask, jsonify, request
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey
from werkzeug.serving import make_server

CLIENT_ID, CLIENT_SECRET = "medcairn-study", "a-secret-of-the-client"
PASSWORD = "hunter2-at-the-organisation"
USERS = {
    "ada@org": {"sub": "u-1001", "groups": ["study-reviewers", "cyclists"]},
    "bob@org": {"sub": "u-1002", "groups": ["cyclists"]},
}

Claims = dict[str, Any]


@dataclass
class Faults:
    """What the provider does wrong on purpose; nothing by default."""

    alter: Callable[[Claims], Claims] | None = None
    seal: Callable[[Claims, RSAKey], str] | None = None
    issuer: str | None = None
    token_answer: tuple[int, str] | None = None
    access_token: str | None = None


@dataclass
class Provider:
    """The running provider."""

    issuer: str
    key: RSAKey
    faults: Faults = field(default_factory=Faults)
    token_requests: list[dict[str, str]] = field(default_factory=list)


@dataclass
class _Client(ClientMixin):  # type: ignore[misc]  # Authlib has no types
    redirect_uri: str

    def get_client_id(self) -> str:
        return CLIENT_ID

    def get_default_redirect_uri(self) -> str:
        return self.redirect_uri

    def get_allowed_scope(self, scope: str) -> str:
        return scope

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return redirect_uri == self.redirect_uri

    def check_client_secret(self, client_secret: str) -> bool:
        return client_secret == CLIENT_SECRET

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method in ("client_secret_basic", "none")

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type == "authorization_code"


@dataclass
class _Code(AuthorizationCodeMixin):  # type: ignore[misc]  # Authlib has no types
    code: str
    user: str
    redirect_uri: str
    scope: str
    nonce: str | None
    code_challenge: str | None
    code_challenge_method: str | None
    auth_time: int = field(default_factory=lambda: int(time.time()))

    def get_redirect_uri(self) -> str:
        return self.redirect_uri

    def get_scope(self) -> str:
        return self.scope

    def get_nonce(self) -> str | None:
        return self.nonce

    def get_auth_time(self) -> int:
        return self.auth_time

    def get_acr(self) -> str:
        return "2"

    def get_amr(self) -> list[str]:
        return ["pwd", "mfa"]


def _grant(codes: dict[str, _Code], public: bool) -> type[AuthorizationCodeGrant]:
    class Grant(AuthorizationCodeGrant):  # type: ignore[misc]  # Authlib has no types
        TOKEN_ENDPOINT_AUTH_METHODS = ["none"] if public else ["client_secret_basic"]

        def save_authorization_code(self, code: str, asked: Any) -> None:
            data = asked.payload.data
            codes[code] = _Code(
                code,
                asked.user,
                asked.payload.redirect_uri,
                asked.payload.scope,
                data.get("nonce"),
                data.get("code_challenge"),
                data.get("code_challenge_method"),
            )

        def query_authorization_code(self, code: str, client: _Client) -> _Code | None:
            return codes.get(code)

        def delete_authorization_code(self, code: _Code) -> None:
            del codes[code.code]

        def authenticate_user(self, code: _Code) -> str:
            return code.user

    return Grant


def _openid(provider: Provider) -> OpenIDCode:
    class OpenID(OpenIDCode):  # type: ignore[misc]  # Authlib has no types
        def exists_nonce(self, nonce: str, asked: Any) -> bool:
            return False

        def resolve_client_private_key(self, client: _Client) -> RSAKey:
            return provider.key

        def get_client_claims(self, client: _Client) -> Claims:
            return {"iss": provider.issuer, "aud": [CLIENT_ID]}

        def get_encode_header(self, client: _Client) -> dict[str, str]:
            return {"alg": "RS256", "kid": "key-1"}

        def generate_user_info(self, user: str, scope: str) -> UserInfo:
            return UserInfo(**USERS[user])

        def encode_id_token(self, token: Any, asked: Any) -> str:
            text = str(super().encode_id_token(token, asked))
            faults = provider.faults
            if faults.alter is None and faults.seal is None:
                return text
            claims = dict(jwt.decode(text, provider.key).claims)
            claims = faults.alter(claims) if faults.alter else claims
            if faults.seal is not None:
                return faults.seal(claims, provider.key)
            return jwt.encode({"alg": "RS256", "kid": "key-1"}, claims, provider.key)

    return OpenID(require_nonce=True)


def _app(provider: Provider, redirect_uri: str, public: bool) -> Flask:
    app = Flask("oidc")
    client, codes = _Client(redirect_uri), dict[str, _Code]()
    server = AuthorizationServer(app, lambda given: client if given == CLIENT_ID else None, lambda *_: None)
    server.register_grant(_grant(codes, public), [CodeChallenge(required=True), _openid(provider)])

    @app.get("/.well-known/openid-configuration")
    def configuration() -> Any:
        base = provider.issuer
        return jsonify(
            {
                "issuer": provider.faults.issuer or base,
                "authorization_endpoint": f"{base}/authorize",
                "token_endpoint": f"{base}/token",
                "jwks_uri": f"{base}/jwks",
                "id_token_signing_alg_values_supported": ["RS256", "HS256", "none"],
            }
        )

    @app.get("/jwks")
    def jwks() -> Any:
        return jsonify(KeySet([provider.key]).as_dict(private=False))

    @app.get("/authorize")
    def form() -> str:
        server.get_consent_grant(end_user=None)
        return "<form method=post><input name=user><input name=password type=password></form>"

    @app.post("/authorize")
    def log_in() -> Any:
        user = request.form["user"]
        right = user in USERS and request.form["password"] == PASSWORD
        grant = server.get_consent_grant(end_user=user if right else None)
        return server.create_authorization_response(grant_user=user if right else None, grant=grant)

    @app.post("/token")
    def token() -> Any:
        provider.token_requests.append(dict(request.form))
        if provider.faults.token_answer is not None:
            status, body = provider.faults.token_answer
            return body, status
        answer = server.create_token_response()
        if provider.faults.access_token is not None and answer.status_code == 200:
            return jsonify({**answer.get_json(), "access_token": provider.faults.access_token})
        return answer

    return app


@contextmanager
def running_provider(redirect_uri: str, *, public: bool = False) -> Iterator[Provider]:
    """The provider on a free port of loopback, for a confidential or a public client."""
    key = RSAKey.generate_key(2048, {"kid": "key-1", "use": "sig", "alg": "RS256"}, private=True)
    provider = Provider("", key)
    server = make_server("127.0.0.1", 0, _app(provider, redirect_uri, public), threaded=True)
    provider.issuer = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")  # The server side insists on https; this is loopback.
        try:
            yield provider
        finally:
            server.shutdown()
            thread.join()
            server.server_close()
