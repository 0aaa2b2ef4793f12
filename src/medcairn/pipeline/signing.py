"""Signing a record of a study: the signature and its entry in the ledger, or the refusal and its entry."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from medcairn.access import ESignature, Meaning, SigningSession
from medcairn.audit import Appended, EventType, Ledger, Overtaken, Proposal, StoredEvent
from medcairn.core.artifacts import ArtifactRef
from medcairn.core.canonical import JSON
from medcairn.core.digests import Digest, digest_json
from medcairn.core.errors import IntegrityError, MedcairnError, UsageError
from medcairn.core.files import storage_errors
from medcairn.pipeline.people import RolesThen, key_ring, people_of
from medcairn.pipeline.study import Study
from medcairn.registry import Approval


def sign_record(
    study: Study,
    name: str,
    password: str,
    *,
    signed: Mapping[str, JSON],
    meaning: Meaning,
    code: str | None = None,
    looked_at: Sequence[ArtifactRef] = (),
    session: SigningSession | None = None,
) -> ESignature:
    """Sign the record ``signed`` as ``name``, and record it; a refusal is recorded too.

    A receipt of the entry goes to the study's receipts folder. ``code`` is the one-time code of who has a
    second factor; ``looked_at`` the artifacts that the record is about; in a ``session`` of ``name`` the
    first signing alone takes the code.

    Raises what :meth:`People.sign` raises, and :class:`UsageError` for somebody who signed this already:
    of two processes that sign the same record for the same person, one alone does.
    """
    digest = digest_json(dict(signed))
    with study.ledger() as ledger:
        _check_first(study, _signed(study), name, digest, meaning)
        session = session or new_session(study, name)
        signature = made_signature(ledger, session, password, record=digest, meaning=meaning, code=code)
        proposal = signing_proposal(signed, signature, looked_at)
        recorded = _record_first(study, ledger, proposal, signature)
        leave_receipt(study, ledger, recorded)
    return signature


def new_session(study: Study, name: str) -> SigningSession:
    """A session of signing in which ``name`` has not signed yet (21 CFR 11.200(a)(1))."""
    people = people_of(study)
    return SigningSession(people, name, policy=people.policy.signing, clock=study.clock)


def made_signature(
    ledger: Ledger,
    session: SigningSession,
    password: str,
    *,
    record: Digest,
    meaning: Meaning,
    code: str | None,
    about: Mapping[str, JSON] | None = None,
) -> ESignature:
    """The e-signature, not recorded yet; that somebody was refused one is recorded, with ``about``."""
    try:
        return session.sign(password, record=record, meaning=meaning, code=code)
    except MedcairnError as failure:
        refused: dict[str, JSON] = {
            **(about or {}),
            "code": failure.code,
            "record": record,
            "meaning": meaning.value,
        }
        ledger.append(EventType.SIGNING_REFUSED, actor="pipeline", record=refused)
        raise


def signing_proposal(
    signed: Mapping[str, JSON], signature: ESignature, looked_at: Sequence[ArtifactRef] = ()
) -> Proposal:
    """The event that a record was signed."""
    record: dict[str, JSON] = {"signed": dict(signed), "signature": signature.as_json()}
    return Proposal(EventType.RECORD_SIGNED, f"person:{signature.signer}", record, inputs=tuple(looked_at))


def leave_receipt(study: Study, ledger: Ledger, recorded: Appended) -> None:
    """Seal the entry, and put its receipt where the signer finds it."""
    receipt = ledger.receipt(recorded.index)
    with storage_errors():
        study.receipts_folder.mkdir(exist_ok=True)
        receipt.write(study.receipts_folder)


def approvals_of(study: Study, record: Digest, *, before: int | None = None) -> tuple[Approval, ...]:
    """The approving signatures over ``record`` that the ledger holds, before the entry ``before`` if given.

    Of one person the latest that holds counts, else the latest.
    """
    latest: dict[str, Approval] = {}
    for found in _signatures_over(study, _signed(study), record, Meaning.APPROVED):
        early_enough = before is None or found.entry < before
        if early_enough and (found.holds or not latest.get(found.person, found).holds):
            latest[found.person] = found
    return tuple(latest.values())


def _signatures_over(
    study: Study, signed: Iterable[StoredEvent], record: Digest, meaning: Meaning
) -> Iterator[Approval]:
    """Each of ``signed`` that is over ``record`` with ``meaning``, judged by the keys and roles that the
    ledger knew when it recorded the signature."""
    ring, roles = key_ring(study), RolesThen.of(study)
    for stored in signed:
        signature = _signature(stored)
        if (signature.record, signature.meaning) != (record, meaning):
            continue
        at = datetime.fromisoformat(stored.event.recorded_at)
        holds = False
        with suppress(IntegrityError):
            holds = bool(ring.verify(signature, recorded_at=at, record=record))
        yield Approval(signature, stored.index, at, roles.at(signature.signer, stored.index), holds)


def _record_first(study: Study, ledger: Ledger, proposal: Proposal, signature: ESignature) -> Appended:
    """Record the signature unless the same person's came in meanwhile; others' do no harm."""
    while True:
        signed = _signed(study)
        _check_first(study, signed, signature.signer, signature.record, signature.meaning)
        seen = signed[-1].index if signed else -1
        with suppress(Overtaken):
            return ledger.append_unless(EventType.RECORD_SIGNED, seen, proposal)[0]


def _check_first(
    study: Study, signed: Sequence[StoredEvent], name: str, record: Digest, meaning: Meaning
) -> None:
    """Refuse a second signature by the same person while the first one counts."""
    days = study.gates().approval_days
    oldest = study.clock.now() - timedelta(days=days) if days is not None else None
    for made in _signatures_over(study, signed, record, meaning):
        if made.person == name.casefold() and made.holds and (oldest is None or made.recorded_at >= oldest):
            raise UsageError(
                "This person signed this record with this meaning already",
                hint="One signature of a person counts; `medcairn audit show` tells of it",
                entry=made.entry,
            )


def _signed(study: Study) -> list[StoredEvent]:
    return study.events(EventType.RECORD_SIGNED)


def _signature(stored: StoredEvent) -> ESignature:
    value = stored.event.record["signature"]
    assert isinstance(value, Mapping)  # as signing_proposal has it
    return ESignature.from_json(value)


__all__ = [
    "approvals_of",
    "leave_receipt",
    "made_signature",
    "new_session",
    "sign_record",
    "signing_proposal",
]
