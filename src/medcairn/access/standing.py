"""May they sign? A proven identity, trainings that are current, and the other conditions of the policy.

21 CFR 11.100(b) (identity is verified before a signature is assigned) and 11.10(i) (education, training and
experience). Kept is that somebody checked and how, never a document or its number.
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from datetime import UTC, date, datetime

from medcairn.access.authentication import Given, authenticated
from medcairn.access.notices import Notice, NoticeKind, Reason, person_actor, put_notice
from medcairn.access.person import Person
from medcairn.access.policy import SigningPolicy
from medcairn.access.roles import Action
from medcairn.access.signing.endorsements import Endorsement, ProofMethod
from medcairn.access.signing.keys import unlock_key
from medcairn.access.store.accounts import Account
from medcairn.access.store.people_store import PeopleStore
from medcairn.access.store.second_factors import locked_factor
from medcairn.core.canonical import JSON, canonical_json
from medcairn.core.clock import Clock
from medcairn.core.errors import UsageError
from medcairn.core.labels import Label


@dataclass(frozen=True)
class Training:
    """A course that a person completed; it counts up to and including ``expires_on`` (UTC)."""

    course: Label
    completed_on: date
    expires_on: date
    recorded_by: Label

    def is_current(self, today: date) -> bool:
        return self.completed_on <= today <= self.expires_on

    def as_json(self) -> dict[str, JSON]:
        return {
            "course": self.course,
            "completed_on": self.completed_on.isoformat(),
            "expires_on": self.expires_on.isoformat(),
            "recorded_by": self.recorded_by,
        }


_HINTS = {
    Reason.NO_SIGNING_KEY: "Set a password of your own with `medcairn users password NAME`",
    Reason.NO_SECOND_FACTOR: "Set one up with `medcairn users second-factor NAME`",
    Reason.NO_IDENTITY_PROOF: "A colleague, not who let them in, vouches: `medcairn users prove NAME`",
    Reason.TRAINING_NOT_CURRENT: "Quality records it with `medcairn users trained NAME COURSE`",
}


class Standing:
    """Records proofs of identity and trainings, and tells what a person has."""

    def __init__(self, store: PeopleStore) -> None:
        self._store = store

    def prove_identity(
        self, name: str, *, method: ProofMethod, by: str, password: str, clock: Clock, code: str | None = None
    ) -> Endorsement:
        """``by`` made sure who ``name`` is, who holds their present signing key, and seals that.

        It counts for that key alone: after a reset it takes another proof. Raises :class:`UsageError` when
        the person has no key yet, and :class:`~medcairn.core.errors.PolicyError` when ``by`` is not
        authenticated, may not, has no key, or is that person.
        """
        at = clock.now()
        prover = authenticated(self._store, Given(by, password, code), at=at)
        self._store.permit(prover.person, Action.PROVE_IDENTITY, at=at, about=name)
        if prover.key is None:
            self._store.deny(
                Reason.NO_SIGNING_KEY,
                "Who vouches for others needs a signing key",
                hint=_HINTS[Reason.NO_SIGNING_KEY],
                at=at,
                name=prover.person,
            )
        private = unlock_key(prover.key, prover.person, password, self._store.passwords)
        with self._store.change() as database:
            account = self._store.active(database, name)
            if account.key is None:
                raise UsageError("This person has no signing key yet", hint=_HINTS[Reason.NO_SIGNING_KEY])
            endorsement = Endorsement(
                name=account.person.name,
                printed_name=account.person.printed_name,
                public_key=account.key.public_key,
                method=method,
                endorser=prover.person.name,
                endorser_key=prover.key.public_key,
                at=at,
            ).sealed_with(private)
            database.execute(
                "INSERT INTO identity_proof (person_id, public_key, proven_by, endorsement)"
                " VALUES (?, ?, ?, ?)",
                (
                    account.person_id,
                    endorsement.public_key,
                    str(endorsement.endorser),
                    canonical_json(endorsement.as_json()).decode(),
                ),
            )
            actor = person_actor(endorsement.endorser)
            put_notice(database, Notice(NoticeKind.IDENTITY_PROVEN, at, actor, endorsement.as_json()))
        return endorsement

    def record_training(
        self, name: str, course: Label, *, completed_on: date, expires_on: date, by: Person, clock: Clock
    ) -> Training:
        """Record that ``name`` completed ``course``.

        Raises :class:`UsageError` for dates that cannot be, and :class:`~medcairn.core.errors.PolicyError`
        when ``by`` may not, or is that person.
        """
        at = clock.now()
        recorder = self._store.permit(by, Action.RECORD_TRAINING, at=at, about=name)
        if not completed_on <= at.astimezone(UTC).date() or expires_on < completed_on:
            raise UsageError("A training is completed today or earlier, and expires later than that")
        training = Training(course, completed_on, expires_on, recorder.name)
        with self._store.change() as database:
            account = self._store.active(database, name)
            database.execute(
                "INSERT INTO training (person_id, course, completed_on, expires_on, recorded_by)"
                " VALUES (?, ?, ?, ?, ?)",
                (
                    account.person_id,
                    str(course),
                    completed_on.isoformat(),
                    expires_on.isoformat(),
                    str(recorder.name),
                ),
            )
            record: dict[str, JSON] = {"name": account.person.name, **training.as_json()}
            put_notice(
                database, Notice(NoticeKind.TRAINING_RECORDED, at, person_actor(recorder.name), record)
            )
        return training

    def proofs(self, name: str) -> tuple[Endorsement, ...]:
        """The proofs of a person's identity, the oldest first."""
        with self._store.read() as database:
            rows = database.execute(
                "SELECT endorsement FROM identity_proof WHERE person_id = ? ORDER BY id",
                (self._store.active(database, name).person_id,),
            ).fetchall()
        return tuple(Endorsement.from_json(json.loads(text)) for (text,) in rows)

    def trainings(self, name: str) -> tuple[Training, ...]:
        """The trainings of a person, the oldest first."""
        with self._store.read() as database:
            return _trainings(database, self._store.active(database, name).person_id)


def check_may_sign(store: PeopleStore, account: Account, *, at: datetime, **more: str) -> None:
    """Pass when ``account`` has what the policy asks of a signer; a denial is a notice.

    Raises :class:`~medcairn.core.errors.PolicyError` that names the first thing that is missing.
    """
    with store.read() as database:
        reason = _missing(database, account, store.policy.signing, at)
    if reason is not None:
        store.deny(
            reason,
            "This person cannot sign now",
            hint=_HINTS[reason],
            at=at,
            name=account.person,
            **more,
        )


def _missing(
    database: sqlite3.Connection, account: Account, policy: SigningPolicy, at: datetime
) -> Reason | None:
    if account.key is None:
        return Reason.NO_SIGNING_KEY
    if (
        policy.second_factor == "required"
        and locked_factor(database, account.person_id, confirmed=True) is None
    ):
        return Reason.NO_SECOND_FACTOR
    # Who let somebody in may know their first password: another person must vouch.
    proof = database.execute(
        "SELECT 1 FROM identity_proof JOIN person ON person.id = person_id"
        " WHERE person_id = ? AND public_key = ? AND proven_by != let_in_by",
        (account.person_id, account.key.public_key),
    )
    if policy.identity_proof and proof.fetchone() is None:
        return Reason.NO_IDENTITY_PROOF
    today = at.astimezone(UTC).date()
    current = {one.course for one in _trainings(database, account.person_id) if one.is_current(today)}
    return None if current >= set(policy.training) else Reason.TRAINING_NOT_CURRENT


def _trainings(database: sqlite3.Connection, person_id: int) -> tuple[Training, ...]:
    rows = database.execute(
        "SELECT course, completed_on, expires_on, recorded_by FROM training WHERE person_id = ? ORDER BY id",
        (person_id,),
    ).fetchall()
    return tuple(
        Training(Label(course), date.fromisoformat(completed), date.fromisoformat(expires), Label(recorder))
        for course, completed, expires, recorder in rows
    )


__all__ = ["Standing", "Training", "check_may_sign"]
