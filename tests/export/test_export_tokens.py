"""Tokens: where they go, when they are renewed, and that nothing ever shows them."""

from __future__ import annotations

import base64
import json
import logging
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jwt
import pytest

from medcairn.core.errors import ExternalError, MedcairnError, UsageError
from medcairn.export import (
    SmartCredentials,
    credentials_of,
    load_credentials,
    load_secret,
    new_client_key,
    public_jwks,
)

from .conftest import CLIENT_ID, Export, FakeTime
from .simulator import Reply, SimFile, Simulator, resource

CONFIGURATION = "GET /fhir/.well-known/smart-configuration"


def test_one_token_serves_the_whole_export(
    guarded: Simulator, export: Export, credentials: SmartCredentials
) -> None:
    export(guarded, credentials=credentials)
    assert len(guarded.tokens) == 1
    assert guarded.assertion_problems == []


def test_a_token_is_renewed_before_it_expires(
    guarded: Simulator, export: Export, credentials: SmartCredentials, fake_time: FakeTime
) -> None:
    guarded.token_life_seconds = 5
    guarded.polls_until_ready = 20
    export(guarded, credentials=credentials)
    assert fake_time.total > 5
    assert len(guarded.tokens) > 1
    first_used_after = [seen.token for seen in guarded.requests("/status/")]
    assert len(set(first_used_after)) > 1


@pytest.mark.parametrize("endpoint", ["GET /fhir/$export", "GET /status/job1", "GET /files/output/0"])
def test_one_401_is_answered_with_a_new_token(
    guarded: Simulator, export: Export, credentials: SmartCredentials, endpoint: str
) -> None:
    guarded.script[endpoint] = [Reply(401)]
    export(guarded, credentials=credentials)
    assert len(guarded.tokens) == 2


def test_a_second_401_is_final(guarded: Simulator, export: Export, credentials: SmartCredentials) -> None:
    guarded.script["GET /fhir/$export"] = [Reply(401)] * 5
    with pytest.raises(ExternalError, match="refused to start"):
        export(guarded, credentials=credentials)
    assert len(guarded.tokens) == 2


def test_an_unregistered_key(guarded: Simulator, export: Export) -> None:
    stranger = credentials_of(CLIENT_ID, new_client_key())
    with pytest.raises(ExternalError, match="no access token") as caught:
        export(guarded, credentials=stranger)
    assert caught.value.fields["reason"] == "invalid_client"
    assert "CANARY" not in str(caught.value)


def test_an_open_server_needs_no_configuration_but_a_client_does(
    hospital: Simulator, export: Export, credentials: SmartCredentials
) -> None:
    with pytest.raises(ExternalError, match="where to get a token"):
        export(hospital, credentials=credentials)


def test_a_server_that_does_not_take_the_keys_algorithm(
    guarded: Simulator, export: Export, credentials: SmartCredentials
) -> None:
    body = {
        "token_endpoint": f"{guarded.root}/auth/token",
        "token_endpoint_auth_signing_alg_values_supported": ["RS384"],
    }
    guarded.script[CONFIGURATION] = [Reply(200, json.dumps(body).encode())]
    with pytest.raises(UsageError) as caught:
        export(guarded, credentials=credentials)
    assert caught.value.fields["algorithm"] == "ES384"


def test_a_token_with_a_line_end_is_refused(
    guarded: Simulator, export: Export, credentials: SmartCredentials
) -> None:
    body = json.dumps({"access_token": "a\r\nX-Evil: 1", "expires_in": 300}).encode()
    guarded.script["POST /auth/token"] = [Reply(200, body)]
    with pytest.raises(ExternalError, match="no access token"):
        export(guarded, credentials=credentials)


def test_no_token_assertion_address_or_text_of_the_server_in_logs_files_or_errors(
    guarded: Simulator,
    export: Export,
    credentials: SmartCredentials,
    out: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.NOTSET)
    file = SimFile("Patient", resource("Patient", 9), url="../files/output/99/x?sig=CANARYSIG")
    guarded.files.append(file)
    guarded.script["GET /files/output/99/x"] = [Reply(403, b"CANARY-BODY")]
    with pytest.raises(MedcairnError) as caught:
        export(guarded, credentials=credentials)
    assert guarded.tokens
    texts = [caplog.text, str(caught.value), repr(credentials), repr(caught.value.fields)]
    log = (out / "log.ndjson").read_text().replace("CANARY-PROGRESS-TEXT", "")  # the format asks for that
    texts += [path.read_text() for path in out.rglob("*.journal")] + [log]
    forms = ("secret-token", "CANARY", "eyJ", "Bearer", CLIENT_ID)
    for text in texts:
        assert not [form for form in forms if form in text and text is not texts[2]]
    assert "secret-token" not in repr(credentials)
    assert "client_assertion" not in caplog.text
    assert "HTTP Request" not in caplog.text
    assert stat.S_IMODE((out / "job.journal").stat().st_mode) == 0o600


def test_credentials_do_not_print_their_key(client_key: bytes, credentials: SmartCredentials) -> None:
    secret = json.loads(client_key)["d"]
    assert secret not in repr(credentials)
    assert "PrivateKey" not in repr(credentials)


@pytest.mark.parametrize("algorithm", ["ES384", "RS384"])
def test_the_public_half_holds_nothing_secret(algorithm: str) -> None:
    private = json.loads(new_client_key(algorithm))  # type: ignore[arg-type]
    (public,) = public_jwks(json.dumps(private).encode())["keys"]
    assert not {"d", "p", "q", "dp", "dq", "qi"} & set(public)
    assert public["kid"] == private["kid"]
    assert public["alg"] == algorithm


def test_the_key_id_is_the_thumbprint_of_rfc_7638() -> None:
    """The example of RFC 7638, section 3.1, given a private exponent so that it passes for a private key."""
    modulus = (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCi"
        "FV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnY"
        "b9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0"
        "Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
    )
    jwk = {"kty": "RSA", "n": modulus, "e": "AQAB", "d": "AQAB"}
    (public,) = public_jwks(json.dumps(jwk).encode())["keys"]
    assert public["kid"] == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"


def test_a_key_file_that_others_may_read_is_refused(tmp_path: Path, client_key: bytes) -> None:
    file = tmp_path / "client.jwk"
    file.write_bytes(client_key)
    file.chmod(0o640)
    with pytest.raises(UsageError) as caught:
        load_credentials("me", file)
    assert "chmod 600" in caught.value.hint
    file.chmod(0o600)
    assert load_credentials("me", file).algorithm == "ES384"


def test_the_first_private_key_of_a_set_is_taken(client_key: bytes) -> None:
    jwks = {"keys": [*public_jwks(new_client_key())["keys"], json.loads(client_key)]}
    assert credentials_of("me", json.dumps(jwks).encode()).key_id == json.loads(client_key)["kid"]


def _broken(client_key: bytes, **changes: object) -> bytes:
    return json.dumps({**json.loads(client_key), **changes}).encode()


@pytest.mark.parametrize(
    "changes",
    [
        {"d": None},
        {"crv": "P-256"},
        {"alg": "ES256"},
        {"kty": "oct", "k": "CANARY"},
        {"d": "CANARY"},
        {"x": "!"},
    ],
    ids=str,
)
def test_a_key_of_no_use_is_refused_without_being_shown(
    client_key: bytes, changes: dict[str, object]
) -> None:
    with pytest.raises(UsageError) as caught:
        credentials_of("me", _broken(client_key, **changes))
    assert "CANARY" not in str(caught.value)
    assert caught.value.__context__ is None


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"null", b'{"keys": 3}', b"\xff\xfe", b"-----BEGIN"])
def test_bytes_that_are_no_key(data: bytes) -> None:
    with pytest.raises(UsageError):
        credentials_of("me", data)


def test_a_short_rsa_key_is_refused() -> None:
    from cryptography.hazmat.primitives.asymmetric import rsa
    from jwt.algorithms import RSAAlgorithm

    weak = RSAAlgorithm.to_jwk(rsa.generate_private_key(65537, 1024))  # noqa: S505  (weak on purpose)
    with pytest.raises(UsageError, match="too short"):
        credentials_of("me", weak.encode())


def test_a_wrong_client_id_is_refused(client_key: bytes) -> None:
    for client_id in ("", "a\nb"):
        with pytest.raises(UsageError):
            credentials_of(client_id, client_key)


def test_assertions_are_base64url_json_and_differ(credentials: SmartCredentials) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    one, two = (
        credentials.assertion(
            audience="https://as/token", issued_at=now, life=timedelta(minutes=4), assertion_id=name
        )
        for name in ("a", "b")
    )
    assert one != two
    middle = one.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))
    assert claims["exp"] - claims["iat"] == 240
    assert claims["iss"] == claims["sub"] == CLIENT_ID


def test_the_header_names_the_key_and_where_the_public_keys_are(client_key: bytes) -> None:
    credentials = credentials_of("me", client_key, jku="https://me.example.org/jwks.json")
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assertion = credentials.assertion(
        audience="https://as/token", issued_at=now, life=timedelta(minutes=4), assertion_id="a"
    )
    header = jwt.get_unverified_header(assertion)
    assert header["kid"] == json.loads(client_key)["kid"]
    assert header["jku"] == "https://me.example.org/jwks.json"


@pytest.mark.parametrize(
    "jku",
    ["http://me.example.org/jwks", "ftp://x", "https://a@h/jwks", "https://h/a b", "jwks", "https://[x"],
)
def test_an_address_of_keys_that_is_none(client_key: bytes, jku: str) -> None:
    with pytest.raises(UsageError):
        credentials_of("me", client_key, jku=jku)


def test_one_key_of_several_is_chosen_by_its_id() -> None:
    keys = [json.loads(new_client_key(algorithm)) for algorithm in ("ES384", "RS384")]
    jwks = json.dumps({"keys": keys}).encode()
    assert credentials_of("me", jwks, key_id=keys[1]["kid"]).algorithm == "RS384"
    with pytest.raises(UsageError, match="no private key of that id"):
        credentials_of("me", jwks, key_id="other")


@pytest.mark.parametrize(
    ("mode", "text"), [(0o644, "word"), (0o600, ""), (0o600, "two\nlines"), (0o600, "ä")]
)
def test_a_secret_file_that_is_refused(tmp_path: Path, mode: int, text: str) -> None:
    file = tmp_path / "secret"
    file.write_text(text)
    file.chmod(mode)
    with pytest.raises(UsageError):
        load_secret("me", file)


def test_a_lost_answer_of_the_token_endpoint_is_asked_for_with_a_new_assertion(
    guarded: Simulator, export: Export, credentials: SmartCredentials
) -> None:
    """A server takes each assertion once, so the same one again would be refused as a replay."""
    guarded.script["POST /auth/token"] = [Reply(200, b"x" * 50, cut_after=10), Reply(503)]
    export(guarded, credentials=credentials)
    assert guarded.assertion_problems == []
    assert len(guarded.requests("/auth/token", "POST")) == 3


def test_a_redirect_to_another_port_or_host_drops_the_token_for_the_status_too(
    guarded: Simulator, export: Export, credentials: SmartCredentials
) -> None:
    with Simulator([]) as other:
        guarded.script["GET /status/job1"] = [Reply(307, headers={"Location": f"{other.root}/status/x"})]
        with pytest.raises(ExternalError):
            export(guarded, credentials=credentials)
        assert [seen.token for seen in other.seen] == [None]
