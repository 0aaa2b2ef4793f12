"""How tokens are got and lost: keys behind an address, client secrets, short lives, few uses, scopes."""

from __future__ import annotations

import http.server
import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from medcairn.core.canonical import JSON
from medcairn.core.errors import UsageError
from medcairn.synthetic.server import Faults, HospitalServer

from .server_visitor import KICK_OFF, Visitor, issue, small_hospital, visiting

ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
SECRETS = {"cli:ent": "se cret%"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_hospital(tmp_path_factory.mktemp("tokens") / "records")


@pytest.fixture(scope="module")
def key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP384R1())


def _jwks(key: ec.EllipticCurvePrivateKey, kid: str = "k1") -> dict[str, JSON]:
    public: dict[str, JSON] = {**ECAlgorithm.to_jwk(key.public_key(), as_dict=True), "kid": kid}
    return {"keys": [public]}


def _by_key(
    visitor: Visitor, key: ec.EllipticCurvePrivateKey, kid: str = "k1", scope: str = "system/*.read"
) -> httpx.Response:
    claims = {
        "iss": "trial",
        "sub": "trial",
        "aud": f"{visitor.server.base_url}/auth/token",
        "exp": int(time.time()) + 60,
        "jti": str(time.monotonic_ns()),
    }
    form = {
        "grant_type": "client_credentials",
        "client_assertion_type": ASSERTION,
        "client_assertion": jwt.encode(claims, key, "ES384", headers={"kid": kid}),
        "scope": scope,
    }
    return visitor.http.post("/auth/token", data=form)


def _by_secret(visitor: Visitor, client: str, secret: str, scope: str = "system/*.rs") -> httpx.Response:
    form = {"grant_type": "client_credentials", "scope": scope}
    return visitor.http.post("/auth/token", data=form, auth=(quote(client), quote(secret)))


def _bearer(answer: httpx.Response) -> dict[str, str]:
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


@contextmanager
def _serving(documents: Mapping[str, bytes]) -> Iterator[tuple[str, list[str]]]:
    """The root of a server of ``documents``, and the paths that it was asked for."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200 if self.path in documents else 404)
            self.end_headers()
            self.wfile.write(documents.get(self.path, b""))

        def log_message(self, format: str, *args: object) -> None:
            return

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()


def test_keys_behind_an_address_are_fetched_when_they_are_needed(
    folder: Path, key: ec.EllipticCurvePrivateKey
) -> None:
    documents = {"/jwks": json.dumps(_jwks(key)).encode()}
    with _serving(documents) as (root, asked), visiting(folder, clients={"trial": f"{root}/jwks"}) as visitor:
        assert asked == []
        assert [_by_key(visitor, key).status_code for _ in range(2)] == [200, 200]
        assert asked == ["/jwks"]
        rotated = ec.generate_private_key(ec.SECP384R1())
        assert _by_key(visitor, rotated, "k2").status_code == 401
        documents["/jwks"] = json.dumps(_jwks(rotated, "k2")).encode()
        assert _by_key(visitor, rotated, "k2").status_code == 200
        assert _by_key(visitor, key).status_code == 401


@pytest.mark.parametrize("content", [b"", b"[]", b"<html>", b'{"keys":[{"kty":"EC","kid":"k1"}]}'])
def test_an_address_without_keys_lets_nobody_in(
    folder: Path, key: ec.EllipticCurvePrivateKey, content: bytes
) -> None:
    with (
        _serving({"/jwks": content}) as (root, _),
        visiting(folder, clients={"trial": f"{root}/jwks"}) as visitor,
    ):
        assert _by_key(visitor, key).json()["error"] == "invalid_client"


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org/jwks",
        "http://127.0.0.1.example.org/",
        "ftp://localhost/",
        "http://[",
        "jwks.json",
    ],
)
def test_keys_are_fetched_from_this_machine_alone(folder: Path, url: str) -> None:
    with pytest.raises(UsageError, match="on this machine"):
        HospitalServer(folder, {"trial": url})


def test_a_client_with_a_secret_gets_a_token(folder: Path) -> None:
    with visiting(folder, client_secrets=SECRETS) as visitor:
        smart = visitor.http.get("/.well-known/smart-configuration").json()
        assert "client_secret_basic" in smart["token_endpoint_auth_methods_supported"]
        granted = _by_secret(visitor, "cli:ent", "se cret%")
        assert granted.status_code == 200
        assert visitor.begin("/$export", headers=KICK_OFF | _bearer(granted)).status_code == 202
        for client, secret in (("cli:ent", "wrong"), ("nobody", "se cret%"), ("cli:ent", ""), ("", "")):
            refused = _by_secret(visitor, client, secret)
            assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")
        broken = {"Authorization": "Basic ***"}
        form = {"grant_type": "client_credentials"}
        assert visitor.http.post("/auth/token", data=form, headers=broken).status_code == 401


def test_a_key_is_asked_for_where_nobody_has_a_secret(folder: Path, key: ec.EllipticCurvePrivateKey) -> None:
    with visiting(folder, clients={"trial": _jwks(key)}) as visitor:
        smart = visitor.http.get("/.well-known/smart-configuration").json()
        assert smart["token_endpoint_auth_methods_supported"] == ["private_key_jwt"]
        assert _by_secret(visitor, "trial", "").status_code == 401


def test_tokens_may_live_for_seconds(folder: Path) -> None:
    with visiting(folder, Faults(token_seconds=1), client_secrets=SECRETS) as visitor:
        granted = _by_secret(visitor, *next(iter(SECRETS.items())))
        assert granted.json()["expires_in"] == 1
        headers = _bearer(granted)
        assert visitor.http.get("/Patient/p1", headers=headers).status_code == 200
        time.sleep(1.05)
        refused = visitor.http.get("/Patient/p1", headers=headers)
        assert (refused.status_code, issue(refused)) == (401, "login")
        assert refused.headers["WWW-Authenticate"] == "Bearer"


def test_tokens_may_be_revoked_after_some_uses(folder: Path) -> None:
    with visiting(folder, Faults(token_uses=2), client_secrets=SECRETS) as visitor:
        client, secret = next(iter(SECRETS.items()))
        headers = _bearer(_by_secret(visitor, client, secret))
        answers = [visitor.http.get("/Patient/p1", headers=headers).status_code for _ in range(4)]
        assert answers == [200, 200, 401, 401]
        again = _bearer(_by_secret(visitor, client, secret))
        assert visitor.http.get("/Patient/p1", headers=again).status_code == 200


def test_files_may_need_no_token_and_then_take_none(folder: Path) -> None:
    with visiting(folder, Faults(files_without_token=True), client_secrets=SECRETS) as visitor:
        headers = _bearer(_by_secret(visitor, *next(iter(SECRETS.items()))))
        where = visitor.begin("/$export?_type=Patient", headers=KICK_OFF | headers).headers[
            "Content-Location"
        ]
        assert visitor.http.get(where).status_code == 401
        while (answer := visitor.http.get(where, headers=headers)).status_code == 202:
            time.sleep(0.01)
        manifest = answer.json()
        assert manifest["requiresAccessToken"] is False
        url = manifest["output"][0]["url"]
        assert visitor.http.get(url, headers=headers).status_code == 400
        assert visitor.http.get(url).status_code == 200


@pytest.mark.parametrize(
    ("scope", "patient", "observation", "export"),
    [
        ("system/*.read", 200, 200, 202),
        ("system/*.rs", 200, 200, 202),
        ("system/Patient.r", 200, 403, 403),
        ("system/Patient.cruds system/Observation.rs", 200, 200, 202),
    ],
)
def test_a_scope_limits_what_is_read(
    folder: Path, scope: str, patient: int, observation: int, export: int
) -> None:
    with visiting(folder, client_secrets=SECRETS) as visitor:
        headers = _bearer(_by_secret(visitor, *next(iter(SECRETS.items())), scope))
        assert visitor.http.get("/Patient/p1", headers=headers).status_code == patient
        assert visitor.http.get("/Observation?_count=1", headers=headers).status_code == observation
        begun = visitor.begin("/$export?_type=Observation", headers=KICK_OFF | headers)
        assert begun.status_code == export


@pytest.mark.parametrize("scope", ["", "user/*.read", "system/*.write", "system/*.cud", "system/Patient"])
def test_scopes_that_read_nothing_are_refused(folder: Path, scope: str) -> None:
    with visiting(folder, client_secrets=SECRETS) as visitor:
        assert _by_secret(visitor, *next(iter(SECRETS.items())), scope).json()["error"] == "invalid_scope"
