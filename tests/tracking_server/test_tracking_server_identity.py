"""Who somebody is: passwords, tokens, and a proxy that signs people in."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path

import pytest

from medcairn.access import Action, Passwords, People, Role, Scope
from medcairn.core.clock import FixedClock
from medcairn.tracking.server.app import Guards
from medcairn.tracking.server.identity import Authenticator, Caller
from medcairn.tracking.server.refusals import RequestRefused
from medcairn.tracking.server.settings import ProxySettings

from .in_process import Ask, Trap, ask
from .tracking_server import CHEAP, PASSWORD

CLOCK = FixedClock(datetime(2026, 3, 1, 12, 0, tzinfo=UTC))
SECRET = b"s" * 40
PROXY = ProxySettings(
    (ip_network("10.0.3.0/28"),), "x-forwarded-user", "x-forwarded-groups", "x-medcairn-proxy", SECRET,
    {"ml-team": (Role.DATA_SCIENTIST,)},
)  # fmt: skip


@dataclass
class Moment:
    """A clock for what is remembered."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def people(tmp_path: Path) -> Iterator[People]:
    people = People(tmp_path / "people.db", passwords=Passwords(CHEAP))
    root = people.add("root", printed_name="Root", roles=[Role.ADMINISTRATOR], password=PASSWORD)
    people.add("dora", printed_name="Dora", roles=[Role.DATA_SCIENTIST], password=PASSWORD, by=root)
    yield people


def _basic(name: str, password: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}


def _who(authenticator: Authenticator, headers: dict[str, str], peer: str = "127.0.0.1") -> Caller | int:
    try:
        return authenticator.identify(headers, peer)
    except RequestRefused as refused:
        return refused.status


def test_a_changed_password_and_a_removed_person_are_noticed_after_seconds(people: People) -> None:
    moment = Moment()
    authenticator = Authenticator(people, clock=CLOCK, remember_seconds=30, monotonic=moment)
    headers = _basic("dora", PASSWORD)
    assert authenticator.remembered(headers) is None
    assert isinstance(_who(authenticator, headers), Caller)
    people.change_password("dora", PASSWORD, "violet granite otter", clock=CLOCK)
    assert authenticator.remembered(headers) is not None
    moment.now = 30.0
    assert authenticator.remembered(headers) is None
    assert _who(authenticator, headers) == 401
    assert authenticator.remembered(_basic("dora", "another")) is None


@pytest.mark.parametrize(
    ("scope", "may"),
    [
        (Scope.RUN_PIPELINE, {Action.READ_REPORTS, Action.RUN_PIPELINE, Action.REGISTER_MODEL}),
        (Scope.READ_REPORTS, {Action.READ_REPORTS}),
        (Scope.PREDICT, None),
        (Scope.EXPORT_AUDIT, None),
    ],
)
def test_a_token_lets_a_service_do_what_its_scope_says(
    people: People, scope: Scope, may: set[Action] | None
) -> None:
    root = people.find("root")
    assert root is not None
    token = people.tokens.issue("trainer", [scope], days=1, by=root, clock=CLOCK)
    who = _who(Authenticator(people, clock=CLOCK), {"authorization": f"Bearer {token.text}"})
    assert who == (401 if may is None else Caller("service:trainer", who.name, frozenset(may)))  # type: ignore[union-attr]


GOOD = {"x-forwarded-user": "dora", "x-medcairn-proxy": SECRET.decode()}


@pytest.mark.parametrize(
    ("name", "headers", "peer", "status"),
    [
        ("from the proxy", GOOD, "10.0.3.7", 200),
        ("from elsewhere", GOOD, "10.0.4.7", 401),
        ("from no address", GOOD, "", 401),
        ("without the secret", {"x-forwarded-user": "dora"}, "10.0.3.7", 401),
        ("with another secret", {**GOOD, "x-medcairn-proxy": "t" * 40}, "10.0.3.7", 401),
        ("a name that is none", {**GOOD, "x-forwarded-user": "Dora Doe"}, "10.0.3.7", 401),
        ("with a password as well, from elsewhere", {**GOOD, **_basic("dora", PASSWORD)}, "10.0.4.7", 401),
    ],
)
def test_a_proxys_word_counts_from_its_address_and_with_its_secret(
    people: People, name: str, headers: dict[str, str], peer: str, status: int
) -> None:
    who = _who(Authenticator(people, clock=CLOCK, proxy=PROXY), headers, peer)
    assert (200 if isinstance(who, Caller) else who) == status


def test_without_a_proxy_in_the_settings_its_header_fields_say_nothing(people: People) -> None:
    assert _who(Authenticator(people, clock=CLOCK), GOOD, "10.0.3.7") == 401


def test_roles_come_from_the_people_store_and_the_groups(people: People) -> None:
    authenticator = Authenticator(people, clock=CLOCK, proxy=PROXY)
    stranger = {**GOOD, "x-forwarded-user": "sam@example.org"}
    for groups, may in (("", False), ("other", False), ("other, ml-team", True)):
        who = _who(authenticator, {**stranger, "x-forwarded-groups": groups}, "10.0.3.7")
        assert isinstance(who, Caller)
        assert who.actor == "person:sam@example.org"
        assert (Action.RUN_PIPELINE in who.actions) == may


def test_header_fields_of_the_proxy_and_credentials_end_before_mlflow(guards: Guards) -> None:
    trap = Trap()
    headers = (
        *_basic("dora", PASSWORD).items(), ("content-type", "application/json"), ("cookie", "a=b"),
        ("x-forwarded-user", "olga"), ("x-forwarded-for", "10.0.3.7"), ("x-mlflow-workspace", "other"),
    )  # fmt: skip
    (answer,) = ask(guards, trap, Ask("POST", "/api/2.0/mlflow/runs/create", b'{"a": 1}', headers))
    assert answer.status_code == 200
    assert {name for name, _ in trap.headers} <= {
        b"host", b"accept", b"user-agent", b"content-type", b"content-length"
    }  # fmt: skip
    assert trap.body == b'{"a": 1}'


def test_a_header_field_that_comes_twice_is_refused(guards: Guards) -> None:
    twice = (*_basic("dora", PASSWORD).items(), *_basic("olga", PASSWORD).items())
    (answer,) = ask(replace(guards), Trap(), Ask("GET", "/api/2.0/mlflow/experiments/search", b"", twice))
    assert answer.status_code == 400
