"""Do the acts that the ledger records hold: e-signatures, approvals, and artifacts as they lie there now?

A signature in a ``record.signed`` event is the JSON that the signing person's seal is over: its ``seal`` is
Ed25519 over the RFC 8785 bytes of all its other members, of which ``record`` is the digest of what was
signed (the event's ``signed``), ``public_key`` the signer's, and ``signer`` the signer's name.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TypeAlias

from medcairn.audit.events import EventType, StoredEvent
from medcairn.audit.findings import Attack, Finding
from medcairn.audit.seals import is_signed
from medcairn.core.artifacts import ArtifactRef
from medcairn.core.canonical import JSON, canonical_json
from medcairn.core.digests import digest_json
from medcairn.core.errors import DataError

People: TypeAlias = Mapping[str, Collection[str]]
"""For each person's name every public key (hex) that was ever theirs."""

ArtifactCheck: TypeAlias = Callable[[ArtifactRef], Iterable[tuple[str, str]]]
"""(what, where) for everything about an artifact that is not as it was recorded."""


MAKERS = (EventType.ARTIFACT_MADE, EventType.NOTE_RECORDED)
"""The events that say what an artifact is: what steps say at their end says it again."""


def check_acts(
    events: Sequence[StoredEvent], people: People | None, artifacts: ArtifactCheck | None
) -> Iterator[Finding]:
    """What the marked events show by themselves and against the people and artifacts there are."""
    yield from _check_signatures(events, people)
    yield from _check_approvals(events)
    if artifacts is not None:
        yield from _check_artifacts(events, artifacts)


def _check_signatures(events: Sequence[StoredEvent], people: People | None) -> Iterator[Finding]:
    seen: set[str] = set()
    for stored in events:
        signature = _signature(stored)
        if signature is None:
            continue
        if wrong := _wrong(stored.event.record, signature, people):
            yield Finding.at(Attack.TRANSPLANTED_SIGNATURE, stored.index, wrong)
        seal = str(signature.get("seal"))
        if seal in seen:
            what = "An approval is recorded a second time"
            yield Finding.at(Attack.REPLAYED_APPROVAL, stored.index, what)
        seen.add(seal)


def _signature(stored: StoredEvent) -> Mapping[str, JSON] | None:
    signature = stored.event.record.get("signature")
    signed = stored.event.type is EventType.RECORD_SIGNED and isinstance(signature, Mapping)
    return signature if signed and isinstance(signature, Mapping) and "seal" in signature else None


def _wrong(record: Mapping[str, JSON], signature: Mapping[str, JSON], people: People | None) -> str | None:
    signer, key = str(signature.get("signer")), str(signature.get("public_key"))
    if "signed" in record and _digest(record["signed"]) != signature.get("record"):
        return "An e-signature belongs to another record"
    if people is not None and key not in people.get(signer, ()):
        return "An e-signature was made with a key that is not its signer's"
    with suppress(ValueError, DataError):
        body = canonical_json({name: value for name, value in signature.items() if name != "seal"})
        if is_signed(bytes.fromhex(key), bytes.fromhex(str(signature["seal"])), body):
            return None
    return "An e-signature's seal is broken"


def _digest(value: JSON) -> str | None:
    with suppress(DataError):
        return digest_json(value)
    return None


def _check_approvals(events: Sequence[StoredEvent]) -> Iterator[Finding]:
    """A package must be of the model that its signers looked at, not of one that came after."""
    models: dict[str, set[str]] = {}
    for stored in events:
        signature = _signature(stored)
        if signature is not None:
            models.setdefault(str(signature.get("record")), set()).update(_models(stored))
        approval = stored.event.record.get("approval_digest")
        approved = models.get(str(approval)) if stored.event.type is EventType.STAGE_FINISHED else None
        used = _models(stored)
        if approved and used and not used <= approved:
            what = "An approval of one model is used for another"
            yield Finding.at(Attack.REPLAYED_APPROVAL, stored.index, what)


def _models(stored: StoredEvent) -> set[str]:
    return {str(ref.digest) for ref in stored.event.inputs if ref.name == "model"}


def _check_artifacts(events: Sequence[StoredEvent], check: ArtifactCheck) -> Iterator[Finding]:
    """The latest artifact of each path: an earlier one was replaced by a run that recorded it."""
    latest: dict[str, tuple[int, ArtifactRef]] = {}
    for stored in events:
        if stored.event.type in MAKERS:
            latest |= {ref.path: (stored.index, ref) for ref in stored.event.outputs}
    for entry, ref in latest.values():
        for what, where in check(ref):
            yield Finding(what, where, Attack.SWAPPED_ARTIFACT, entry)


__all__ = ["MAKERS", "ArtifactCheck", "People", "check_acts"]
