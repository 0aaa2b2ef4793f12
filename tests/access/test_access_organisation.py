"""Signing in with an organisation's OpenID Connect provider: a real one, on loopback, honest and not."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

pytest.importorskip("authlib", reason="the extra `organisation` is not installed")
pytest.importorskip("flask", reason="the provider of this test is a Flask application")

from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

from access.conftest import ADA, MovingClock, denials, kinds
from access.oidc_server import CLIENT_ID, CLIENT_SECRET, PASSWORD, Claims, Faults, Provider, running_provider
from medcairn.access import NoticeKind, People, Person, Reason, Role
from medcairn.access.organisation import (
    Identity,
    OrganisationLogins,
    OrganisationProvider,
    OrganisationSettings,
    PendingLogin,
    parse_organisation,
)
from medcairn.core.errors import (
    ExternalError,
    MedcairnError,
    PolicyError,
    SettingsError,
    TransientError,
    UsageError,
)

REDIRECT = "http://127.0.0.1:8765/callback"


@pytest.fixture(scope="module")
def running() -> Iterator[Provider]:
    with running_provider(REDIRECT) as provider:
        yield provider


@pytest.fixture
def provider(running: Provider) -> Provider:
    running.faults, running.token_requests = Faults(), []
    return running


@pytest.fixture
def now() -> MovingClock:
    return MovingClock(datetime.now(UTC))


def settings(provider: Provider, **more: Any) -> OrganisationSettings:
    return OrganisationSettings(
        issuer=provider.issuer,
        client_id=CLIENT_ID,
        redirect_uri=REDIRECT,
        roles={"study-reviewers": (Role.CLINICAL_REVIEWER,)},
        **more,
    )


@pytest.fixture
def client(provider: Provider, now: MovingClock) -> Iterator[OrganisationProvider]:
    with httpx.Client(timeout=10) as http:
        yield OrganisationProvider(settings(provider), clock=now, client_secret=CLIENT_SECRET, http=http)


def browser(pending: PendingLogin, user: str = "ada@org", password: str = PASSWORD) -> str:
    """What a browser does: opens the page, fills in the form, and is sent back to this address."""
    with httpx.Client(follow_redirects=False) as http:
        assert http.get(pending.url).status_code == 200
        answer = http.post(pending.url, data={"user": user, "password": password})
    assert answer.status_code == 302
    return answer.headers["location"]


@pytest.mark.part11("11.10(d)")
def test_the_whole_flow(client: OrganisationProvider, provider: Provider, now: MovingClock) -> None:
    pending = client.begin()
    asked = {key: value for key, (value,) in parse_qs(urlsplit(pending.url).query).items()}
    assert asked["code_challenge_method"] == "S256" and asked["response_type"] == "code"
    challenge = hashlib.sha256(pending.code_verifier.encode()).digest()
    assert asked["code_challenge"] == base64.urlsafe_b64encode(challenge).decode().rstrip("=")
    assert pending.code_verifier not in pending.url and pending.nonce not in repr(pending)

    identity = client.finish(pending, browser(pending))

    assert identity == Identity(provider.issuer, "u-1001", frozenset({Role.CLINICAL_REVIEWER}), now.now())
    (request,) = provider.token_requests
    assert request["code_verifier"] == pending.code_verifier
    assert CLIENT_SECRET not in str(request), "the secret goes in the header alone"


def test_a_public_client_needs_no_secret(now: MovingClock) -> None:
    with running_provider(REDIRECT, public=True) as provider, httpx.Client() as http:
        client = OrganisationProvider(settings(provider), clock=now, http=http)
        pending = client.begin()
        assert client.finish(pending, browser(pending)).subject == "u-1001"


def refused(
    client: OrganisationProvider, change: Callable[[PendingLogin, str], tuple[PendingLogin, str]]
) -> str:
    pending = client.begin()
    with pytest.raises(PolicyError) as failure:
        client.finish(*change(pending, browser(pending)))
    return str(failure.value.fields["check"])


ANSWERS: dict[str, tuple[Callable[[PendingLogin, str], tuple[PendingLogin, str]], str]] = {
    "state of another sign-in": (lambda p, url: (replace(p, state="x" * 43), url), "state"),
    "no state": (lambda p, url: (p, url.split("&state=")[0]), "state"),
    "two states": (lambda p, url: (p, url + "&state=" + p.state), "state"),
    "verifier of another sign-in": (lambda p, url: (replace(p, code_verifier="y" * 43), url), "code"),
    "nonce of another sign-in": (lambda p, url: (replace(p, nonce="z" * 43), url), "claims"),
    "an invented code": (lambda p, url: (p, f"{REDIRECT}?code=abc&state={p.state}"), "code"),
    "no code": (lambda p, url: (p, f"{REDIRECT}?state={p.state}"), "denied_there"),
    "another provider's answer": (lambda p, url: (p, url + "&iss=https://evil.example"), "iss"),
}


@pytest.mark.parametrize(("change", "check"), ANSWERS.values(), ids=ANSWERS.keys())
def test_an_answer_that_is_not_of_this_sign_in_is_refused(
    client: OrganisationProvider, change: Callable[[PendingLogin, str], tuple[PendingLogin, str]], check: str
) -> None:
    assert refused(client, change) == check


def test_a_wrong_password_there(client: OrganisationProvider) -> None:
    pending = client.begin()
    with pytest.raises(PolicyError) as failure:
        client.finish(pending, browser(pending, password="no"))
    assert failure.value.fields["check"] == "denied_there"


def test_a_code_counts_once(client: OrganisationProvider) -> None:
    pending = client.begin()
    answer = browser(pending)
    client.finish(pending, answer)
    with pytest.raises(PolicyError) as failure:
        client.finish(pending, answer)
    assert failure.value.fields["check"] == "code"


def test_a_sign_in_does_not_take_for_ever(client: OrganisationProvider, now: MovingClock) -> None:
    pending = client.begin()
    answer = browser(pending)
    now.move(minutes=10, seconds=1)
    with pytest.raises(PolicyError) as failure:
        client.finish(pending, answer)
    assert failure.value.fields["check"] == "too_late"


def put(**values: Any) -> Callable[[Claims], Claims]:
    return lambda claims: {**claims, **values}


def without(name: str) -> Callable[[Claims], Claims]:
    return lambda claims: {key: value for key, value in claims.items() if key != name}


def later(name: str, seconds: int) -> Callable[[Claims], Claims]:
    return lambda claims: {**claims, name: claims[name] + seconds}


CLAIMS: dict[str, tuple[Callable[[Claims], Claims], str]] = {
    "another issuer": (put(iss="https://evil.example"), "claims"),
    "another audience": (put(aud=["another-client"]), "claims"),
    "another audience, made for us to use": (put(aud=["another-client"], azp=CLIENT_ID), "claims"),
    "more audiences and no azp": (put(aud=[CLIENT_ID, "another-client"]), "claims"),
    "more audiences and another azp": (put(aud=[CLIENT_ID, "other"], azp="other"), "claims"),
    "another azp": (put(azp="other"), "claims"),
    "no issuer": (without("iss"), "claims"),
    "no audience": (without("aud"), "claims"),
    "no subject": (without("sub"), "claims"),
    "empty subject": (put(sub=""), "claims"),
    "subject is a number": (put(sub=7), "claims"),
    "long subject": (put(sub="x" * 256), "claims"),
    "no end": (without("exp"), "claims"),
    "ended": (later("exp", -3600 - 120), "claims"),
    "made in the time to come": (later("iat", 600), "claims"),
    "not good yet": (put(nbf=4102444800), "claims"),
    "no nonce": (without("nonce"), "claims"),
    "another nonce": (put(nonce="another"), "claims"),
    "of another access token": (put(at_hash="AAAAAAAAAAAAAAAAAAAAAA"), "claims"),
    "no time of sign-in": (without("auth_time"), "auth_time"),
    "signed in long ago": (later("auth_time", -3600), "auth_time"),
}


@pytest.mark.parametrize(("alter", "check"), CLAIMS.values(), ids=CLAIMS.keys())
def test_a_token_with_a_claim_amiss_is_refused(
    client: OrganisationProvider, provider: Provider, alter: Callable[[Claims], Claims], check: str
) -> None:
    provider.faults = Faults(alter=alter)
    assert refused(client, lambda p, url: (p, url)) == check


def _part(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def none_sealed(claims: Claims, _: RSAKey) -> str:
    return f"{_part({'alg': 'none'})}.{_part(claims)}."


def sealed_with_the_client_secret(claims: Claims, _: RSAKey) -> str:
    return jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(CLIENT_SECRET * 2), ["HS256"])


def sealed_with_the_public_key_as_secret(claims: Claims, key: RSAKey) -> str:
    """The old confusion: the public key, which all know, taken as an HMAC secret."""
    import hmac

    head = f"{_part({'alg': 'HS256', 'kid': 'key-1'})}.{_part(claims)}"
    seal = hmac.digest(key.as_pem(private=False), head.encode(), "sha256")
    return f"{head}.{base64.urlsafe_b64encode(seal).decode().rstrip('=')}"


def sealed_with_another_key(claims: Claims, _: RSAKey) -> str:
    return jwt.encode({"alg": "RS256", "kid": "key-1"}, claims, RSAKey.generate_key(2048))


def with_a_key_of_its_own_in_the_header(claims: Claims, _: RSAKey) -> str:
    own = RSAKey.generate_key(2048)
    return jwt.encode({"alg": "RS256", "jwk": own.as_dict(private=False)}, claims, own)


def of_an_unknown_key(claims: Claims, key: RSAKey) -> str:
    return jwt.encode({"alg": "RS256", "kid": "key-9"}, claims, key)


def with_a_changed_body(claims: Claims, key: RSAKey) -> str:
    head, _, seal = jwt.encode({"alg": "RS256", "kid": "key-1"}, claims, key).split(".")
    return f"{head}.{_part({**claims, 'groups': ['study-reviewers']})}.{seal}"


SEALS = [
    none_sealed,
    sealed_with_the_client_secret,
    sealed_with_the_public_key_as_secret,
    sealed_with_another_key,
    with_a_key_of_its_own_in_the_header,
    of_an_unknown_key,
    with_a_changed_body,
    lambda *_: "not a token",
    lambda *_: "",
]


@pytest.mark.parametrize("seal", SEALS)
def test_a_token_whose_seal_is_amiss_is_refused(
    client: OrganisationProvider, provider: Provider, seal: Callable[[Claims, RSAKey], str]
) -> None:
    provider.faults = Faults(seal=seal)
    assert refused(client, lambda p, url: (p, url)) == "seal"


def test_a_swapped_access_token_is_refused(client: OrganisationProvider, provider: Provider) -> None:
    provider.faults = Faults(access_token="of-somebody-else")
    assert refused(client, lambda p, url: (p, url)) == "claims"


@pytest.mark.parametrize(("method", "good"), [("mfa", True), ("hwk", False)])
def test_a_method_may_be_required(provider: Provider, now: MovingClock, method: str, good: bool) -> None:
    with httpx.Client() as http:
        wanted = settings(provider, required_method=method)
        client = OrganisationProvider(wanted, clock=now, client_secret=CLIENT_SECRET, http=http)
        if good:
            pending = client.begin()
            client.finish(pending, browser(pending))
        else:
            assert refused(client, lambda p, url: (p, url)) == "amr"


def test_a_provider_that_names_itself_otherwise_is_refused(
    client: OrganisationProvider, provider: Provider
) -> None:
    provider.faults = Faults(issuer="https://evil.example")
    with pytest.raises(ExternalError, match="another issuer"):
        client.begin()


TOKEN_ANSWERS: list[tuple[int, str, type[MedcairnError]]] = [
    (200, "no JSON", ExternalError),
    (200, "[]", ExternalError),
    (200, "{}", PolicyError),
    (500, "{}", ExternalError),
    (302, "{}", ExternalError),
    (400, '{"error": "invalid_grant", "error_description": "u-1001 has no grant"}', PolicyError),
    (200, '"' + "x" * (1 << 20) + '"', ExternalError),
]


@pytest.mark.parametrize(("status", "body", "error"), TOKEN_ANSWERS)
def test_what_the_provider_answers_is_not_trusted_and_not_quoted(
    client: OrganisationProvider, provider: Provider, status: int, body: str, error: type[MedcairnError]
) -> None:
    pending = client.begin()
    answer = browser(pending)
    provider.faults = Faults(token_answer=(status, body))
    with pytest.raises(error) as failure:
        client.finish(pending, answer)
    assert "u-1001" not in str(failure.value) and failure.value.__context__ is None


def test_a_provider_that_is_gone(now: MovingClock) -> None:
    with running_provider(REDIRECT) as provider:
        pass
    with httpx.Client() as http, pytest.raises(TransientError, match="not answer"):
        OrganisationProvider(settings(provider), clock=now, http=http).begin()


# Whom the identity belongs to


@pytest.fixture
def logins(people: People) -> OrganisationLogins:
    return OrganisationLogins(people.store)


IDENTITY = Identity("https://login.example", "u-1", frozenset({Role.CLINICAL_REVIEWER}), datetime.now(UTC))


def test_a_person_links_once_and_is_known_then(
    people: People, logins: OrganisationLogins, moving: MovingClock
) -> None:
    with pytest.raises(PolicyError):
        logins.sign_in(IDENTITY, clock=moving)
    with pytest.raises(PolicyError):
        logins.link("ada", "a wrong password", IDENTITY, clock=moving)
    logins.link("ada", ADA, IDENTITY, clock=moving)
    assert logins.sign_in(IDENTITY, clock=moving).name == "ada"
    assert denials(people)[0] == ("unknown", Reason.ORGANISATION)
    assert NoticeKind.ORGANISATION_LINKED in kinds(people)
    with pytest.raises(UsageError, match="already"):
        logins.link("dan", "correct staple cow", IDENTITY, clock=moving)
    for other in (replace(IDENTITY, issuer="https://other.example"), replace(IDENTITY, subject="u-2")):
        with pytest.raises(PolicyError):
            logins.sign_in(other, clock=moving)


def test_roles_follow_the_organisation(
    people: People, logins: OrganisationLogins, moving: MovingClock
) -> None:
    logins.link("ada", ADA, IDENTITY, clock=moving)
    changed = replace(IDENTITY, roles=frozenset({Role.AUDITOR}))
    assert logins.sign_in(changed, clock=moving).roles == {Role.AUDITOR}
    notice = people.outbox.pending()[-1]
    assert (notice.kind, notice.actor) == (NoticeKind.PERSON_CHANGED, "service:organisation")
    with pytest.raises(PolicyError):
        logins.sign_in(replace(IDENTITY, roles=frozenset()), clock=moving)
    assert denials(people)[-1] == ("person:ada", Reason.ROLE)


def test_who_left_here_does_not_get_in_from_there(
    people: People, logins: OrganisationLogins, moving: MovingClock, root: Person
) -> None:
    logins.link("ada", ADA, IDENTITY, clock=moving)
    people.administration.remove("ada", by=root, clock=moving)
    with pytest.raises(PolicyError):
        logins.sign_in(IDENTITY, clock=moving)


# Settings

GOOD = """
issuer: https://login.example
client_id: medcairn
redirect_uri: http://127.0.0.1:8765/callback
roles: {reviewers: [clinical_reviewer], both: [auditor, operator]}
"""

GROUPS: list[tuple[object, set[Role]]] = [
    (["reviewers"], {Role.CLINICAL_REVIEWER}),
    (["reviewers", "both", "cyclists"], {Role.CLINICAL_REVIEWER, Role.AUDITOR, Role.OPERATOR}),
    (["administrator"], set()),
    ("reviewers", set()),
    ({"reviewers": 1}, set()),
    ([["reviewers"]], set()),
    (None, set()),
]


@pytest.mark.part11("11.10(g)")
@pytest.mark.parametrize(("groups", "roles"), GROUPS)
def test_groups_give_roles_by_a_table(groups: object, roles: set[Role]) -> None:
    assert parse_organisation(GOOD).roles_of(groups) == roles


BAD = [
    ("issuer", "issuer: http://login.example"),
    ("issuer", "issuer: https://user@login.example"),
    ("redirect_uri", "redirect_uri: http://elsewhere.example/callback"),
    ("algorithms", "algorithms: [none]"),
    ("algorithms", "algorithms: [HS256]"),
    ("algorithms", "algorithms: []"),
    ("roles", "roles: {reviewers: [king]}"),
    ("file", "colour: red"),
    ("file", "a: ["),
]


@pytest.mark.parametrize(("key", "line"), BAD)
def test_settings_that_cannot_be_used_name_the_key(key: str, line: str) -> None:
    name = line.split(":")[0]
    kept = [one for one in GOOD.strip().splitlines() if not one.startswith(name + ":")]
    with pytest.raises(SettingsError) as failure:
        parse_organisation("\n".join([*kept, line]))
    assert failure.value.fields["key"] == key
