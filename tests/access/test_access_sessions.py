"""A session of signing: all components first, one later, all again after a pause or in a new session."""

from __future__ import annotations

from pathlib import Path

import pytest

from access.conftest import ADA, QUINN, ROOT, STRICT, App, MovingClock, enrolled, open_store
from medcairn.access import Meaning, People, Person, ProofMethod, SigningPolicy, SigningSession
from medcairn.core.digests import digest_bytes
from medcairn.core.errors import PolicyError

RECORD = digest_bytes(b"the record")


@pytest.fixture
def app(store: Path, people: People, moving: MovingClock) -> App:
    people = open_store(store, signing=SigningPolicy(idle_minutes=15, longest_minutes=60))
    return enrolled(people, moving, "ada", ADA)


@pytest.fixture
def session(app: App, moving: MovingClock) -> SigningSession:
    return SigningSession(app.people, "ada", policy=app.people.policy.signing, clock=moving)


def sign(session: SigningSession, password: str = ADA, code: str | None = None) -> None:
    session.sign(password, code=code, record=RECORD, meaning=Meaning.APPROVED)


@pytest.mark.part11("11.200(a)(1)", "11.200(a)(1)(i)", "11.10(f)")
def test_the_first_takes_all_components_and_later_ones_the_password(
    session: SigningSession, app: App
) -> None:
    with pytest.raises(PolicyError):
        sign(session)
    assert session.needs_all_components
    sign(session, code=app.next_code())
    assert not session.needs_all_components
    sign(session)
    with pytest.raises(PolicyError):
        sign(session, password="a wrong password")


PAUSES = [
    # minutes between signings, does the last go on
    ([14], True),
    ([15], False),
    ([14, 14, 14, 14], True),
    ([14, 14, 14, 14, 5], False),
    ([-1], False),
]


@pytest.mark.part11("11.200(a)(1)(ii)", "11.10(f)")
@pytest.mark.parametrize(("pauses", "goes_on"), PAUSES)
def test_an_idle_or_long_session_starts_over(
    session: SigningSession, app: App, moving: MovingClock, pauses: list[int], goes_on: bool
) -> None:
    sign(session, code=app.next_code())
    for minutes in pauses[:-1]:
        moving.move(minutes=minutes)
        sign(session)
    moving.move(minutes=pauses[-1])
    if goes_on:
        sign(session)
        return
    assert session.needs_all_components
    with pytest.raises(PolicyError):
        sign(session)
    moving.move(minutes=2)
    sign(session, code=app.next_code())


@pytest.mark.part11("11.200(a)(1)(ii)")
def test_a_new_session_starts_over(session: SigningSession, app: App, moving: MovingClock) -> None:
    sign(session, code=app.next_code())
    other = SigningSession(app.people, "ada", policy=app.people.policy.signing, clock=moving)
    with pytest.raises(PolicyError):
        sign(other)


def test_a_wrong_password_and_an_end_start_over(session: SigningSession, app: App) -> None:
    sign(session, code=app.next_code())
    with pytest.raises(PolicyError):
        sign(session, password="a wrong password")
    with pytest.raises(PolicyError):
        sign(session)
    sign(session, code=app.next_code())
    session.end()
    assert session.needs_all_components


@pytest.mark.part11("11.200(a)(2)")
def test_nothing_that_could_sign_stays_in_memory(session: SigningSession, app: App) -> None:
    """Between signings the session holds two times and no key: the owner's password is needed each time."""
    sign(session, code=app.next_code())
    held = {name: value for name, value in vars(session).items() if name not in ("_people", "_lock")}
    assert not [value for value in held.values() if isinstance(value, bytes)]
    assert ADA not in repr(held) and app.secret not in repr(held).encode()


def vouch(people: People, by: str, password: str, moving: MovingClock) -> None:
    method = ProofMethod.DOCUMENT_IN_PERSON
    people.standing.prove_identity("ada", method=method, by=by, password=password, clock=moving)


@pytest.mark.part11("11.200(a)(3)", "11.100(b)")
def test_an_administrator_alone_does_not_sign_for_another(
    store: Path, people: People, root: Person, quinn: Person, moving: MovingClock
) -> None:
    """The administrator resets Ada, sets a password in her place, enrols a second factor and vouches for it.
    It takes a second person, who looks at who Ada is, before that key signs."""
    strict = open_store(store, signing=STRICT.model_copy(update={"training": ()}))
    vouch(strict, "quinn", QUINN, moving)
    temporary = strict.administration.reset("ada", by=root, clock=moving)
    with pytest.raises(PolicyError, match="one of your own"):
        strict.sign("ada", temporary, record=RECORD, meaning=Meaning.APPROVED, clock=moving)
    strict.change_password("ada", temporary, "six woven baskets", clock=moving)
    app = enrolled(strict, moving, "ada", "six woven baskets")
    for by, password in (("", ""), ("root", ROOT), ("quinn", QUINN)):
        if by:
            vouch(strict, by, password, moving)
        session = SigningSession(strict, "ada", policy=strict.policy.signing, clock=moving)
        if by == "quinn":
            sign(session, "six woven baskets", app.next_code())
        else:
            with pytest.raises(PolicyError, match="cannot sign"):
                sign(session, "six woven baskets", app.next_code())
