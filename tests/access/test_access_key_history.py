"""The keys that the trail tells of, and what somebody gets into it who writes the store's outbox."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from access.conftest import ADA, QUINN, ROOT, MovingClock
from medcairn.access import (
    Endorsement,
    ESignature,
    KeyRing,
    Meaning,
    Notice,
    NoticeKind,
    People,
    Person,
    ProofMethod,
    Role,
    key_ring_of,
)
from medcairn.access.signing.keys import new_private_key, public_half
from medcairn.access.signing.signatures import seal_signature
from medcairn.core.clock import instant
from medcairn.core.digests import digest_bytes
from medcairn.core.errors import IntegrityError
from medcairn.core.labels import Label

RECORD = digest_bytes(b"the record")
NEW = "seven silent pelicans"


@pytest.fixture
def team(store: Path, moving: MovingClock) -> People:
    """Root is first and vouches for Quinn, who vouches for Ada."""
    from access.conftest import open_store

    people = open_store(store)
    for name, role, password in (
        ("root", Role.ADMINISTRATOR, ROOT),
        ("quinn", Role.QUALITY_REVIEWER, QUINN),
        ("ada", Role.CLINICAL_REVIEWER, ADA),
    ):
        people.add(name, printed_name=f"The {name}", roles=[role], password=password, clock=moving)
    vouch(people, moving, "quinn", "root", ROOT)
    vouch(people, moving, "ada", "quinn", QUINN)
    return people


def vouch(people: People, moving: MovingClock, name: str, by: str, password: str) -> Endorsement:
    moving.move(minutes=10)
    method = ProofMethod.DOCUMENT_IN_PERSON
    return people.standing.prove_identity(name, method=method, by=by, password=password, clock=moving)


def trail(people: People) -> list[Notice]:
    """The ledger: what was delivered, in order."""
    return list(people.outbox.pending())


def sign(people: People, moving: MovingClock, password: str = ADA) -> ESignature:
    moving.move(minutes=10)
    return people.sign("ada", password, record=RECORD, meaning=Meaning.APPROVED, clock=moving)


def owners(ring: KeyRing) -> list[str]:
    return sorted(key.owner for key in ring.keys)


@pytest.mark.part11("11.100(b)")
def test_a_key_counts_from_its_endorsement(team: People, moving: MovingClock) -> None:
    signature, ring = sign(team, moving), key_ring_of(trail(team), endorsed=True)
    assert owners(ring) == ["ada", "quinn", "root"]
    ring.verify(signature, recorded_at=moving.now(), record=RECORD)
    early = [notice for notice in trail(team) if notice.at < moving.now() - timedelta(minutes=15)]
    assert owners(key_ring_of(early, endorsed=True)) == ["quinn", "root"]
    assert owners(key_ring_of(early, endorsed=False)) == ["ada", "quinn", "root"]


def test_without_endorsements_it_is_what_the_store_says(team: People, moving: MovingClock) -> None:
    root = team.find("root")
    assert root
    moving.move(days=1)
    temporary = team.administration.reset("ada", by=root, clock=moving)
    moving.move(days=1)
    team.change_password("ada", temporary, NEW, clock=moving)
    assert key_ring_of(trail(team), endorsed=False) == team.keys()


@pytest.mark.part11("11.300(c)")
def test_after_a_reset_it_takes_another_endorsement(team: People, moving: MovingClock) -> None:
    before, signed_at, root = sign(team, moving), moving.now(), team.find("root")
    assert root
    moving.move(days=1)
    temporary = team.administration.reset("ada", by=root, clock=moving)
    team.change_password("ada", temporary, NEW, clock=moving)
    after = sign(team, moving, NEW)
    ring = key_ring_of(trail(team), endorsed=True)
    ring.verify(before, recorded_at=signed_at)
    with pytest.raises(IntegrityError, match="another key"):
        ring.verify(after, recorded_at=moving.now())
    vouch(team, moving, "ada", "quinn", QUINN)
    later = sign(team, moving, NEW)
    key_ring_of(trail(team), endorsed=True).verify(later, recorded_at=moving.now())


Forge = Callable[[People, str, datetime], list[Notice]]


def made(kind: NoticeKind, name: str, public_key: str, at: datetime) -> Notice:
    return Notice(kind, at, "person:quinn", {"name": name, "public_key": public_key})


def revoked(people: People, name: str, at: datetime) -> Notice:
    record = {"name": name, "public_key": people.public_keys()[name], "revoked_for": "lost"}
    return Notice(NoticeKind.SIGNING_KEY_REVOKED, at, "person:root", {**record, "revoked_at": at.isoformat()})


def endorsement(
    people: People, name: str, public_key: str, at: datetime, endorser: str = "quinn"
) -> Endorsement:
    return Endorsement(
        Label(name),
        f"The {name}",
        public_key,
        ProofMethod.EMPLOYER_RECORD,
        Label(endorser),
        people.public_keys()[endorser],
        at,
    )


def proven(one: Endorsement, at: datetime) -> Notice:
    return Notice(NoticeKind.IDENTITY_PROVEN, at, f"person:{one.endorser}", one.as_json())


def a_second_ada(people: People, mine: str, at: datetime) -> list[Notice]:
    return [made(NoticeKind.PERSON_ADDED, "ada", mine, at)]


def a_new_key_for_her(people: People, mine: str, at: datetime) -> list[Notice]:
    return [revoked(people, "ada", at), made(NoticeKind.SIGNING_KEY_MADE, "ada", mine, at)]


def with_an_endorsement_without_a_seal(people: People, mine: str, at: datetime) -> list[Notice]:
    return [*a_new_key_for_her(people, mine, at), proven(endorsement(people, "ada", mine, at), at)]


def with_an_old_seal(people: People, mine: str, at: datetime) -> list[Notice]:
    """Quinn's true seal over Ada's true key, on my key."""
    (true,) = people.standing.proofs("ada")
    return [*a_new_key_for_her(people, mine, at), proven(replace(true, public_key=mine), at)]


def with_my_own_seal(people: People, mine: str, at: datetime) -> list[Notice]:
    private = new_private_key()
    own = replace(endorsement(people, "ada", mine, at), endorser_key=public_half(private))
    return [*a_new_key_for_her(people, mine, at), proven(own.sealed_with(private), at)]


def with_what_is_none(people: People, mine: str, at: datetime) -> list[Notice]:
    record = {"name": "ada", "public_key": mine}
    nothing = Notice(NoticeKind.IDENTITY_PROVEN, at, "person:quinn", record)
    return [*a_new_key_for_her(people, mine, at), nothing]


FORGED = [
    a_second_ada,
    a_new_key_for_her,
    with_an_endorsement_without_a_seal,
    with_an_old_seal,
    with_my_own_seal,
    with_what_is_none,
]


@pytest.mark.part11("11.70", "11.200(a)(2)")
@pytest.mark.parametrize("forge", FORGED)
def test_forged_notices_bring_no_key_into_the_ring(
    team: People, store: Path, moving: MovingClock, forge: Forge
) -> None:
    """Who writes the store puts notices on their way to the ledger, which takes them for true."""
    private = new_private_key()
    moving.move(minutes=10)
    with closing(sqlite3.connect(store, isolation_level=None)) as database:
        for notice in forge(team, public_half(private), moving.now()):
            row = (notice.kind.value, notice.at.isoformat(), notice.actor, json.dumps(notice.record))
            database.execute("INSERT INTO notice (kind, at, actor, record) VALUES (?, ?, ?, ?)", row)
    ring = key_ring_of(trail(team), endorsed=True)
    assert public_half(private) not in {key.public_key for key in ring.keys}
    forged = seal_signature(
        private,
        signer=Label("ada"),
        printed_name="The ada",
        signed_at=moving.now(),
        meaning=Meaning.APPROVED,
        record=RECORD,
    )
    with pytest.raises(IntegrityError, match="another key"):
        ring.verify(forged, recorded_at=moving.now(), record=RECORD)


# Histories without a store: Root is the first, then somebody writes a line that should not count.

ROOTS, ADAS = new_private_key(), new_private_key()
AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def said(minutes: int, kind: NoticeKind, **record: str) -> Notice:
    return Notice(kind, AT + timedelta(minutes=minutes), "person:root", record)


def adas_key_is_endorsed(minutes: int, **changes: Label) -> Notice:
    true = Endorsement(
        Label("ada"),
        "Ada Okafor",
        public_half(ADAS),
        ProofMethod.DOCUMENT_IN_PERSON,
        Label("root"),
        public_half(ROOTS),
        AT,
    )
    sealed = replace(true, **changes).sealed_with(ROOTS)  # type: ignore[arg-type]  # labels for labels
    return proven(sealed, AT + timedelta(minutes=minutes))


def ada_signs(minutes: int) -> ESignature:
    return seal_signature(
        ADAS,
        signer=Label("ada"),
        printed_name="Ada Okafor",
        signed_at=AT + timedelta(minutes=minutes),
        meaning=Meaning.APPROVED,
        record=RECORD,
    )


ADDED = [
    said(0, NoticeKind.PERSON_ADDED, name="root", public_key=public_half(ROOTS)),
    said(1, NoticeKind.PERSON_ADDED, name="ada", public_key=public_half(ADAS)),
]


def ends(minutes: int, revoked_for: str, since: int) -> Notice:
    moment = instant(AT + timedelta(minutes=since))
    return said(
        minutes,
        NoticeKind.SIGNING_KEY_REVOKED,
        name="ada",
        public_key=public_half(ADAS),
        revoked_for=revoked_for,
        revoked_at=moment,
    )


HISTORIES: dict[str, tuple[list[Notice], str]] = {
    # what follows the two additions, and what is found wrong with Ada's signature of minute 30
    "nothing": ([], "public_key"),
    "endorsed": ([adas_key_is_endorsed(10)], ""),
    "endorsed later": ([adas_key_is_endorsed(60)], "too_early"),
    "endorsed as somebody else": ([adas_key_is_endorsed(10, name=Label("dan"))], "public_key"),
    "endorsed by a wrong name": ([adas_key_is_endorsed(10, endorser=Label("quinn"))], "public_key"),
    "revoked before": ([adas_key_is_endorsed(10), ends(20, "lost", 20)], "revoked"),
    "revoked after": ([adas_key_is_endorsed(10), ends(40, "lost", 40)], ""),
    "revoked after, from before": ([adas_key_is_endorsed(10), ends(40, "compromised", 20)], "revoked"),
    "revoked before, from after": ([adas_key_is_endorsed(10), ends(20, "lost", 90)], "revoked"),
    "revoked twice: the first counts": (
        [adas_key_is_endorsed(10), ends(40, "lost", 40), ends(50, "compromised", 20)],
        "",
    ),
    "revoked in words that nobody knows": ([adas_key_is_endorsed(10), ends(20, "tired", 90)], "revoked"),
    "revoked, then endorsed": ([ends(5, "lost", 5), adas_key_is_endorsed(10)], "revoked"),
}


@pytest.mark.parametrize(("history", "check"), HISTORIES.values(), ids=HISTORIES.keys())
def test_what_a_history_says_of_a_signature(history: list[Notice], check: str) -> None:
    ring = key_ring_of([*ADDED, *history], endorsed=True)
    recorded_at = AT + timedelta(minutes=30)
    if not check:
        ring.verify(ada_signs(30), recorded_at=recorded_at, record=RECORD)
        return
    with pytest.raises(IntegrityError) as failure:
        ring.verify(ada_signs(30), recorded_at=recorded_at, record=RECORD)
    assert failure.value.fields["check"] == check


@pytest.mark.parametrize("name", ["ada", "ADA"])
@pytest.mark.parametrize("kind", [NoticeKind.PERSON_ADDED, NoticeKind.SIGNING_KEY_MADE])
def test_who_has_a_good_key_gets_no_second_one(name: str, kind: NoticeKind) -> None:
    second = said(5, kind, name=name, public_key=public_half(new_private_key()))
    ring = key_ring_of([*ADDED, second], endorsed=False)
    assert [key.public_key for key in ring.keys] == [public_half(ROOTS), public_half(ADAS)]


def test_a_revoked_key_endorses_nobody_any_more(team: People, moving: MovingClock) -> None:
    root, history = team.find("root"), trail(team)
    assert root
    last = history.pop()
    assert last.kind is NoticeKind.IDENTITY_PROVEN
    revocation = revoked(team, "quinn", last.at)
    ring = key_ring_of([*history, revocation, last], endorsed=True)
    assert owners(ring) == ["quinn", "root"]


def test_an_endorsement_survives_json_and_no_change(team: People) -> None:
    (true,) = team.standing.proofs("ada")
    assert Endorsement.from_json(true.as_json()) == true and true.holds()
    for changed in (
        replace(true, name=Label("dan")),
        replace(true, printed_name="Dan"),
        replace(true, public_key="00" * 32),
        replace(true, method=ProofMethod.EMPLOYER_RECORD),
        replace(true, endorser=Label("root")),
        replace(true, at=true.at + timedelta(seconds=1)),
        replace(true, seal="zz"),
    ):
        assert not changed.holds()
    for broken in ({}, {**true.as_json(), "more": ""}, {**true.as_json(), "method": "guess"}):
        with pytest.raises(IntegrityError):
            Endorsement.from_json(broken)


def test_root_alone_is_trusted_at_first(people: People, root: Person) -> None:
    ring = key_ring_of(trail(people), endorsed=True)
    assert owners(ring) == ["ada"], "the first who was added"
