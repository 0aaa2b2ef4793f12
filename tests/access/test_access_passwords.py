"""Passwords: which are refused, how one is changed, when one is too old, which may not come back."""

from __future__ import annotations

import unicodedata
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from access.conftest import ADA, MovingClock, denials, enrolled, kinds, open_store
from medcairn.access import (
    Meaning,
    NoticeKind,
    PasswordPolicy,
    People,
    Reason,
    Role,
    SigningSession,
    check_new_password,
    verify_signature,
)
from medcairn.core.clock import FixedClock
from medcairn.core.digests import digest_bytes
from medcairn.core.errors import PolicyError

NEW = "seven silent pelicans"
RECORD = digest_bytes(b"the record")

RULES = [
    # password, what the refusal says (empty: fine)
    ("mare horse battery", ""),
    ("ein langes Wort über Bäume", ""),
    ("xK3-vQ9_mZ7", "too short"),
    ("x1y2z3" * 400, "too long"),
    ("tab\there and there", "cannot be typed"),
    ("i am margarethe 7", "person's name"),
    ("MARGARETHE-held-1", "person's name"),
    ("my name is heldin!", "person's name"),
    ("abababababab", "too few different"),
    ("Password2026!", "many people choose"),
    ("P@ssw0rd2026!!", "many people choose"),
    ("hospital12345", "many people choose"),
    ("Summer2026Summer", "many people choose"),
    ("qwertyuiop123", "many people choose"),
    ("123456789012345", "many people choose"),
    ("abcdefghijkl", "many people choose"),
    ("xyzxyzxyzxyzXY", "too few different"),
    ("1qaz2wsx3edc", "many people choose"),
    ("medcairn-admin1", "many people choose"),
    ("passwordpassword", "many people choose"),
]


@pytest.mark.part11("11.300(b)")
@pytest.mark.parametrize(("password", "says"), RULES)
def test_the_rules_for_a_new_password(password: str, says: str) -> None:
    if not says:
        check_new_password(password, name="margarethe", printed_name="M. Heldin")
        return
    with pytest.raises(PolicyError, match=says) as refused:
        check_new_password(password, name="margarethe", printed_name="M. Heldin")
    assert password not in str(refused.value)


@given(st.lists(st.sampled_from(["otter", "granite", "violin", "meadow", "copper"]), min_size=4, max_size=8))
def test_four_uncommon_words_are_enough_unless_they_repeat(words: list[str]) -> None:
    if len(set(words)) == len(words):
        check_new_password(" ".join(words), name="ada")


@given(st.text(min_size=1, max_size=200))
def test_the_rules_take_any_text(password: str) -> None:
    try:
        check_new_password(password, name="ada", printed_name="Ada Okafor")
    except PolicyError as refused:
        assert refused.message
    else:
        assert len(password) >= 12


def test_an_accent_may_be_typed_either_way(people: People, clock: FixedClock) -> None:
    composed = "pâté sur l'étagère"
    people.add("eve", printed_name="Eve", roles=[Role.AUDITOR], password=composed)
    people.authenticate("eve", unicodedata.normalize("NFD", composed), clock=clock)


def change(
    people: People, clock: FixedClock | MovingClock, old: str, new: str, code: str | None = None
) -> None:
    people.change_password("ada", old, new, code=code, clock=clock)


@pytest.mark.part11("11.300(b)")
def test_a_changed_password_keeps_the_signing_key_and_the_second_factor(
    people: People, moving: MovingClock
) -> None:
    before = people.public_keys()["ada"]
    app = enrolled(people, moving, "ada", ADA)
    change(people, moving, ADA, NEW, app.next_code())
    with pytest.raises(PolicyError):
        people.authenticate("ada", ADA, code=app.next_code(), clock=moving)
    signature = people.sign(
        "ada", NEW, code=app.next_code(), record=RECORD, meaning=Meaning.APPROVED, clock=moving
    )
    verify_signature(signature, public_key=before, record=RECORD)
    assert NoticeKind.PASSWORD_CHANGED in kinds(people)


def test_a_changed_password_needs_the_old_one(people: People, clock: FixedClock) -> None:
    with pytest.raises(PolicyError, match="wrong"):
        change(people, clock, "not the password", NEW)
    people.authenticate("ada", ADA, clock=clock)


def test_a_session_does_not_go_on_with_the_old_password(people: People, clock: FixedClock) -> None:
    session = SigningSession(people, "ada", policy=people.policy.signing, clock=clock)
    session.sign(ADA, record=RECORD, meaning=Meaning.APPROVED)
    change(people, clock, ADA, NEW)
    with pytest.raises(PolicyError):
        session.sign(ADA, record=RECORD, meaning=Meaning.APPROVED)
    assert session.needs_all_components


@pytest.mark.part11("11.300(b)")
def test_the_last_ones_may_not_come_back(store: Path, people: People, clock: FixedClock) -> None:
    people = open_store(store, password=PasswordPolicy(remembered=2))
    chosen = [ADA, NEW, "five quiet lanterns", "one brass compass x"]
    for old, new in pairwise(chosen):
        change(people, clock, old, new)
    for again in chosen[1:]:
        with pytest.raises(PolicyError, match="used before"):
            change(people, clock, chosen[-1], again)
    change(people, clock, chosen[-1], ADA)


@pytest.mark.part11("11.300(b)")
def test_an_old_password_only_changes_itself(store: Path, people: People, moving: MovingClock) -> None:
    people = open_store(store, password=PasswordPolicy(maximum_age_days=90))
    moving.move(days=90)
    people.authenticate("ada", ADA, clock=moving)
    moving.move(seconds=1)
    with pytest.raises(PolicyError, match="too old"):
        people.authenticate("ada", ADA, clock=moving)
    with pytest.raises(PolicyError, match="too old"):
        people.sign("ada", ADA, record=RECORD, meaning=Meaning.APPROVED, clock=moving)
    assert denials(people) == [("person:ada", Reason.EXPIRED_PASSWORD)] * 2
    with pytest.raises(PolicyError, match="wrong"):
        people.authenticate("ada", "a wrong password", clock=moving)
    change(people, moving, ADA, NEW)
    people.sign("ada", NEW, record=RECORD, meaning=Meaning.APPROVED, clock=moving)


def test_a_new_password_follows_the_rules(people: People, clock: FixedClock) -> None:
    for weak in ("short", "ada okafor okafor", "Password2026!"):
        with pytest.raises(PolicyError):
            change(people, clock, ADA, weak)
    people.authenticate("ada", ADA, clock=clock)
