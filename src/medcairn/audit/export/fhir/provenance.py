"""What an entry made, or who signed what, as a FHIR R4 Provenance: https://hl7.org/fhir/R4/provenance.html."""

from __future__ import annotations

import base64

from medcairn.audit.events import Event, EventType, StoredEvent
from medcairn.audit.export.fhir import coding
from medcairn.audit.signed import Signed, signature_of
from medcairn.core.canonical import JSON, canonical_json
from medcairn.core.digests import Digest

_SIGNATURES = "urn:iso-astm:E1762-95:2013"
_CREATE = coding.data_operation("CREATE", "create")
_SIGN = coding.coding(
    "http://terminology.hl7.org/CodeSystem/v3-DocumentCompletion", "LA", "legally authenticated"
)
_BY_MEANING = {
    "authored": ("1.2.840.10065.1.12.1.1", "Author's Signature"),
    "reviewed": ("1.2.840.10065.1.12.1.13", "Review Signature"),
}
_VERIFIES = ("1.2.840.10065.1.12.1.5", "Verification Signature")


def provenance(stored: StoredEvent) -> dict[str, JSON] | None:
    """The resource of an event that made something or signed something; None for any other."""
    event = stored.event
    targets = _targets(event)
    if not targets:
        return None
    signed = signature_of(event)
    found: dict[str, JSON] = {
        "resourceType": "Provenance",
        "id": coding.event_uri(event.id).removeprefix("urn:uuid:"),
        "target": targets,
        "recorded": event.recorded_at,
        "activity": {
            "coding": [_SIGN if signed else _CREATE, coding.own_coding(event.stage or event.type.value)],
        },
        "agent": [_agent(event, "verifier" if signed else "performer")],
    }
    sources: list[JSON] = [
        {"role": "source", "what": coding.artifact_reference(ref)} for ref in event.inputs if signed is None
    ]
    if sources:
        found["entity"] = sources
    if signed is not None:
        found["signature"] = [_signature(event.actor, signed)]
    return found


def _targets(event: Event) -> list[JSON]:
    if event.type is EventType.PREDICTION_MADE:
        identifier = str(event.record.get("prediction_id", event.id))
        return [coding.uri_reference(coding.event_uri(identifier), "prediction")]
    if (signed := signature_of(event)) is not None:
        record = coding.digest_reference(Digest(signed.record), "the record that was signed")
        return [record, *(coding.artifact_reference(ref) for ref in event.inputs)]
    return [coding.artifact_reference(ref) for ref in event.outputs]


def _agent(event: Event, role: str) -> dict[str, JSON]:
    return {
        "type": coding.participant(role),
        "who": coding.agent_reference(event.actor),
    }


def _signature(actor: str, signed: Signed) -> dict[str, JSON]:
    """The e-signature whole, so that its Ed25519 seal can be checked from the Provenance alone."""
    code, display = _BY_MEANING.get(signed.meaning, _VERIFIES)
    return {
        "type": [coding.coding(_SIGNATURES, code, display), coding.own_coding(signed.meaning)],
        "when": signed.signed_at,
        "who": {**coding.agent_reference(actor), "display": signed.printed_name},
        "sigFormat": "application/json",
        "data": base64.b64encode(canonical_json(signed.whole)).decode(),
    }


__all__ = ["provenance"]
