"""Approvals of a study's candidate: what is signed, who signed it, and the events about it."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime

from medcairn.access import ESignature, Meaning
from medcairn.audit import EventType
from medcairn.audit.events import StoredEvent
from medcairn.core.canonical import JSON
from medcairn.core.errors import IntegrityError, MedcairnError, UsageError
from medcairn.core.files import storage_errors
from medcairn.core.labels import Label
from medcairn.packaging import ApprovalRecord, Approvals
from medcairn.packaging import approval_record as packaged_record
from medcairn.pipeline.people import key_ring, people_of
from medcairn.pipeline.plan import last_finishes
from medcairn.pipeline.study import Study


def approval_record(study: Study) -> ApprovalRecord:
    """What there is to sign now: the candidate as it was validated.

    Raises :class:`UsageError` when nothing was validated yet.
    """
    artifacts = study.artifacts()
    if not {"model", "gold", "validation"} <= artifacts.keys():
        raise UsageError("There is no validated candidate to sign", hint="medcairn run --until validate")
    folders = {f"{name}_dir": study.root / artifacts[name].path for name in ("model", "gold", "validation")}
    return packaged_record(
        name=Label(study.model_name), version=model_version(study), author=author(study), **folders
    )


def model_version(study: Study) -> Label:
    """The candidate's version: 1 for the first model of the study, counting each new one."""
    seen: list[str] = []
    for stored in study.events(EventType.STAGE_FINISHED):
        for ref in stored.event.outputs:
            if ref.name == "model" and ref.digest not in seen:
                seen.append(ref.digest)
    if not seen:
        raise UsageError("There is no model yet", hint="medcairn run --until train")
    latest = study.artifacts()["model"].digest
    return Label(str(seen.index(latest) + 1))


def author(study: Study) -> Label:
    """Who trained the candidate: the account under which the training ran."""
    finish = last_finishes(study)["train"]
    return Label(finish.event.actor.removeprefix("person:"))


def sign_candidate(
    study: Study, name: str, password: str, *, meaning: Meaning, code: str | None = None
) -> ESignature:
    """Sign the candidate as ``name`` and record it; a refusal is recorded too.

    A receipt of the entry goes to the study's receipts folder. ``code`` is the one-time code of who has a
    second factor.

    Raises what :meth:`People.sign` raises, and :class:`UsageError` when there is nothing to sign.
    """
    record = approval_record(study)
    artifacts = study.artifacts()
    looked_at = tuple(artifacts[key] for key in ("model", "gold", "validation"))
    with study.ledger() as ledger:
        try:
            signature = people_of(study).sign(
                name, password, record=record.digest, meaning=meaning, clock=study.clock, code=code
            )
        except MedcairnError as failure:
            refused: dict[str, JSON] = {
                "code": failure.code,
                "record": record.digest,
                "meaning": meaning.value,
            }
            ledger.append(EventType.SIGNING_REFUSED, actor="pipeline", inputs=looked_at, record=refused)
            raise
        recorded = ledger.append(
            EventType.RECORD_SIGNED,
            actor=f"person:{signature.signer}",
            inputs=looked_at,
            record={"signed": record.as_json(), "signature": signature.as_json()},
        )
        receipt = ledger.receipt(recorded.index)  # it seals the entry
    with storage_errors():
        study.receipts_folder.mkdir(exist_ok=True)
        receipt.write(study.receipts_folder)
    return signature


def approvals(study: Study, record: ApprovalRecord) -> Approvals:
    """The signatures that the ledger holds over exactly ``record``, and how many are needed.

    Trusted are the keys that were their signers' when the ledger recorded the signatures.
    """
    ring = key_ring(study)
    signatures: list[ESignature] = []
    trusted: dict[str, str] = {}
    for stored in study.events(EventType.RECORD_SIGNED):
        signature = _signature(stored)
        if signature.record == record.digest:
            signatures.append(signature)
            with suppress(IntegrityError):
                recorded_at = datetime.fromisoformat(stored.event.recorded_at)
                trusted[signature.signer] = ring.verify(signature, recorded_at=recorded_at).public_key
    return Approvals(tuple(signatures), study.settings.approval.signatures, trusted)


def _signature(stored: StoredEvent) -> ESignature:
    value = stored.event.record["signature"]
    assert isinstance(value, dict)  # written by sign_candidate
    return ESignature.from_json(value)


__all__ = ["approval_record", "approvals", "author", "model_version", "sign_candidate"]
