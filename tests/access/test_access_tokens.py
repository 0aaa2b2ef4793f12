"""API tokens: shown once, kept as a hash, good for some scopes and some days, ended at once."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from access.conftest import MovingClock, denials, kinds, open_store
from medcairn.access import IssuedToken, NoticeKind, People, Person, Reason, Role, Scope
from medcairn.core.errors import PolicyError, UsageError


@pytest.fixture
def issued(people: People, root: Person, moving: MovingClock) -> IssuedToken:
    return people.tokens.issue("ward-3", [Scope.PREDICT], days=30, by=root, clock=moving)


@pytest.mark.part11("11.10(h)")
def test_a_token_does_what_its_scopes_say(people: People, issued: IssuedToken, moving: MovingClock) -> None:
    token = people.tokens.check(issued.text, Scope.PREDICT, clock=moving)
    assert (token.actor, token.made_by) == ("service:ward-3", "root")
    for scope in set(Scope) - {Scope.PREDICT}:
        with pytest.raises(PolicyError, match="this far"):
            people.tokens.check(issued.text, scope, clock=moving)
    assert denials(people) == [("service:ward-3", Reason.TOKEN_SCOPE)] * (len(Scope) - 1)


def test_no_scope_signs_or_manages() -> None:
    assert not [scope for scope in Scope if scope.startswith(("sign", "manage", "reset", "rotate"))]


def other_secret(text: str) -> str:
    return text[:-1] + ("A" if text[-1] != "A" else "B")


NOT_GOOD = {
    "nothing": lambda _: "",
    "no form": lambda _: "mct_x",
    "another secret": lambda text: other_secret(text),
    "another id": lambda text: "mct_" + "0" * 12 + text[16:],
    "a line end": lambda text: text + "\n",
    "a letter more": lambda text: text + "A",
    "upper case": lambda text: text.upper(),
}


@pytest.mark.part11("11.300(d)")
@pytest.mark.parametrize("change", NOT_GOOD.values(), ids=NOT_GOOD.keys())
def test_what_is_no_token_is_refused(
    people: People, issued: IssuedToken, moving: MovingClock, change: object
) -> None:
    assert callable(change)
    with pytest.raises(PolicyError, match="not known or not good"):
        people.tokens.check(change(issued.text), Scope.PREDICT, clock=moving)
    assert denials(people) == [("unknown", Reason.TOKEN_UNKNOWN)]


DAYS = [(0, True), (29, True), (30, False), (-1, False)]


@pytest.mark.parametrize(("days", "good"), DAYS)
def test_a_token_is_good_for_its_days(
    people: People, issued: IssuedToken, moving: MovingClock, days: int, good: bool
) -> None:
    moving.move(days=days)
    if good:
        people.tokens.check(issued.text, Scope.PREDICT, clock=moving)
        return
    with pytest.raises(PolicyError, match="not known or not good"):
        people.tokens.check(issued.text, Scope.PREDICT, clock=moving)
    assert denials(people)[-1] == ("service:ward-3", Reason.TOKEN_EXPIRED)


@pytest.mark.part11("11.300(c)")
def test_a_revoked_token_is_refused_at_once(
    people: People, issued: IssuedToken, root: Person, moving: MovingClock
) -> None:
    people.tokens.revoke(issued.token.id, by=root, clock=moving)
    people.tokens.revoke(issued.token.id, by=root, clock=moving)
    with pytest.raises(PolicyError, match="not known or not good"):
        people.tokens.check(issued.text, Scope.PREDICT, clock=moving)
    assert denials(people)[-1] == ("service:ward-3", Reason.TOKEN_REVOKED)
    assert kinds(people).count(NoticeKind.TOKEN_REVOKED) == 1


def test_only_a_hash_is_kept(people: People, issued: IssuedToken, store: Path) -> None:
    secret = issued.text.split("_", 2)[2]
    assert secret.encode() not in store.read_bytes()
    assert secret not in repr(issued) and secret not in str(people.tokens.list()[0].as_json())


def test_a_token_is_listed_with_when_it_was_used(
    people: People, issued: IssuedToken, moving: MovingClock
) -> None:
    moving.move(days=1)
    people.tokens.check(issued.text, Scope.PREDICT, clock=moving)
    (token,) = people.tokens.list()
    assert (token.id, token.used_at) == (issued.token.id, moving.now())


REFUSED = [
    # service, scopes, days
    ("two words", [Scope.PREDICT], 1),
    ("", [Scope.PREDICT], 1),
    ("ward-3", [], 1),
    ("ward-3", [Scope.PREDICT], 0),
    ("ward-3", [Scope.PREDICT], 367),
]


@pytest.mark.parametrize(("service", "scopes", "days"), REFUSED)
def test_no_token_without_name_scope_and_end(
    people: People, root: Person, moving: MovingClock, service: str, scopes: list[Scope], days: int
) -> None:
    with pytest.raises(UsageError):
        people.tokens.issue(service, scopes, days=days, by=root, clock=moving)


def test_only_who_may_makes_and_ends_tokens(people: People, issued: IssuedToken, moving: MovingClock) -> None:
    dan = people.find("dan")
    assert dan and dan.roles == {Role.DATA_SCIENTIST}
    with pytest.raises(PolicyError):
        people.tokens.issue("mine", [Scope.PREDICT], days=1, by=dan, clock=moving)
    with pytest.raises(PolicyError):
        people.tokens.revoke(issued.token.id, by=dan, clock=moving)
    with pytest.raises(UsageError, match="no such token"):
        root = people.find("root")
        assert root
        people.tokens.revoke("0" * 12, by=root, clock=moving)


def test_a_row_of_ones_own_shows_in_the_trail_by_its_absence(
    people: People, store: Path, issued: IssuedToken, moving: MovingClock
) -> None:
    """Who writes the database can give himself a token; but no `token.issued` tells of it."""
    with closing(sqlite3.connect(store, isolation_level=None)) as database:
        database.execute("UPDATE service_token SET id = 'ffffffffffff'")
    text = "mct_ffffffffffff_" + issued.text.split("_", 2)[2]
    token = open_store(store).tokens.check(text, Scope.PREDICT, clock=moving)
    told = {one.record["id"] for one in people.outbox.pending() if one.kind is NoticeKind.TOKEN_ISSUED}
    assert token.id not in told
