"""What a signer needs under a strict policy: proof of identity, training that is current, a second factor."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from access.conftest import ADA, QUINN, ROOT, STRICT, App, MovingClock, denials, enrolled, open_store
from medcairn.access import Meaning, NoticeKind, People, Person, ProofMethod, Reason, Role
from medcairn.core.digests import digest_bytes
from medcairn.core.errors import PolicyError, UsageError
from medcairn.core.labels import Label

RECORD = digest_bytes(b"the record")
COURSE = Label("esignature-accountability")


@pytest.fixture
def strict(store: Path, people: People, root: Person, quinn: Person) -> People:
    return open_store(store, signing=STRICT)


def sign(people: People, moving: MovingClock, app: App | None) -> None:
    code = app.next_code() if app else None
    people.sign("ada", ADA, code=code, record=RECORD, meaning=Meaning.APPROVED, clock=moving)


def proven(people: People, by: str, moving: MovingClock, name: str = "ada") -> None:
    password = {"root": ROOT, "quinn": QUINN}[by]
    method = ProofMethod.DOCUMENT_IN_PERSON
    people.standing.prove_identity(name, method=method, by=by, password=password, clock=moving)


def trained(people: People, by: Person, moving: MovingClock, until: date = date(2027, 2, 28)) -> None:
    people.standing.record_training(
        "ada", COURSE, completed_on=date(2026, 3, 1), expires_on=until, by=by, clock=moving
    )


@pytest.mark.part11("11.100(b)", "11.100(c)", "11.100(c)(1)", "11.10(i)", "11.10(j)")
def test_each_condition_is_named_until_all_are_met(
    strict: People, moving: MovingClock, root: Person, quinn: Person
) -> None:
    steps = []
    app: App | None = None
    for reason in (Reason.NO_SECOND_FACTOR, Reason.NO_IDENTITY_PROOF, Reason.TRAINING_NOT_CURRENT):
        with pytest.raises(PolicyError, match="cannot sign") as refused:
            sign(strict, moving, app)
        assert refused.value.fields["reason"] is reason and refused.value.hint
        steps.append(("person:ada", reason))
        if reason is Reason.NO_SECOND_FACTOR:
            app = enrolled(strict, moving, "ada", ADA)
        elif reason is Reason.NO_IDENTITY_PROOF:
            proven(strict, "root", moving)
        else:
            trained(strict, quinn, moving)
    sign(strict, moving, app)
    assert denials(strict) == steps


@pytest.mark.part11("11.10(i)")
def test_a_training_that_expired_blocks_signing(
    strict: People, moving: MovingClock, root: Person, quinn: Person
) -> None:
    app = enrolled(strict, moving, "ada", ADA)
    proven(strict, "root", moving)
    trained(strict, quinn, moving, until=date(2026, 3, 2))
    moving.move(days=1)
    sign(strict, moving, app)
    moving.move(hours=12)
    with pytest.raises(PolicyError, match="cannot sign"):
        sign(strict, moving, app)
    trained(strict, quinn, moving)
    sign(strict, moving, app)


@pytest.mark.part11("11.100(b)")
def test_nobody_proves_or_trains_themselves(
    strict: People, moving: MovingClock, root: Person, quinn: Person
) -> None:
    with pytest.raises(PolicyError, match="themselves"):
        proven(strict, "root", moving, name="ROOT")
    with pytest.raises(PolicyError, match="themselves"):
        strict.standing.record_training(
            "quinn",
            COURSE,
            completed_on=date(2026, 3, 1),
            expires_on=date(2027, 3, 1),
            by=quinn,
            clock=moving,
        )
    with pytest.raises(PolicyError, match="roles"):
        trained(strict, root, moving)
    assert [reason for _, reason in denials(strict)] == [Reason.SELF, Reason.SELF, Reason.ROLE]


@pytest.mark.part11("11.200(a)(3)")
def test_who_let_somebody_in_is_not_the_one_to_vouch(
    strict: People, moving: MovingClock, root: Person, quinn: Person
) -> None:
    """Else one administrator could make up a person whose password only the administrator knows."""
    bea = "silent copper meadow"
    roles = [Role.CLINICAL_REVIEWER]
    strict.add("bea", printed_name="Bea Lind", roles=roles, password=bea, by=root, clock=moving)
    app = enrolled(strict, moving, "bea", bea)
    strict.standing.record_training(
        "bea", COURSE, completed_on=date(2026, 3, 1), expires_on=date(2027, 3, 1), by=quinn, clock=moving
    )

    def sign() -> None:
        strict.sign("bea", bea, code=app.next_code(), record=RECORD, meaning=Meaning.APPROVED, clock=moving)

    proven(strict, "root", moving, name="bea")
    with pytest.raises(PolicyError, match="cannot sign"):
        sign()
    proven(strict, "quinn", moving, name="bea")
    sign()


def test_what_was_recorded_can_be_read(
    strict: People, moving: MovingClock, root: Person, quinn: Person
) -> None:
    proven(strict, "root", moving)
    trained(strict, quinn, moving)
    (proof,), (training,) = strict.standing.proofs("ada"), strict.standing.trainings("ada")
    assert (proof.method, proof.endorser, proof.at) == (ProofMethod.DOCUMENT_IN_PERSON, "root", moving.now())
    assert proof.holds() and proof.public_key == strict.public_keys()["ada"]
    assert (training.course, training.recorded_by) == (COURSE, "quinn")
    kinds = {notice.kind for notice in strict.outbox.pending()}
    assert {NoticeKind.IDENTITY_PROVEN, NoticeKind.TRAINING_RECORDED} <= kinds


DATES = [
    # completed, expires, fine
    (date(2026, 3, 1), date(2026, 3, 1), True),
    (date(2026, 3, 2), date(2027, 3, 1), False),
    (date(2026, 3, 1), date(2026, 2, 28), False),
]


@pytest.mark.parametrize(("completed", "expires", "fine"), DATES)
def test_dates_of_a_training(
    strict: People, moving: MovingClock, quinn: Person, completed: date, expires: date, fine: bool
) -> None:
    def record() -> None:
        strict.standing.record_training(
            "ada", COURSE, completed_on=completed, expires_on=expires, by=quinn, clock=moving
        )

    if fine:
        record()
    else:
        with pytest.raises(UsageError):
            record()
