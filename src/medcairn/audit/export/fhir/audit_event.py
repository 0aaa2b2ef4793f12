"""An entry of the ledger as a FHIR R4 AuditEvent: https://hl7.org/fhir/R4/auditevent.html."""

from __future__ import annotations

from medcairn.audit.events import StoredEvent
from medcairn.audit.export.fhir import coding
from medcairn.audit.merkle import leaf_hash
from medcairn.audit.signed import signature_of
from medcairn.core.artifacts import ArtifactRef
from medcairn.core.canonical import JSON

_ENTITY_TYPE = coding.coding("http://terminology.hl7.org/CodeSystem/audit-entity-type", "2", "System Object")
_ROLES = "http://terminology.hl7.org/CodeSystem/object-role"
_DATA = coding.coding(_ROLES, "4", "Domain Resource")
_ENTRY = coding.coding(_ROLES, "13", "Security Resource")
_LIFECYCLE = "http://terminology.hl7.org/CodeSystem/dicom-audit-lifecycle"
_USED = coding.coding(_LIFECYCLE, "6", "Access / Use")
_MADE = {
    "export": coding.coding(_LIFECYCLE, "2", "Import / Copy"),
    "deid": coding.coding(_LIFECYCLE, "7", "De-identification"),
    "validation": coding.coding(_LIFECYCLE, "9", "Report"),
    "quality": coding.coding(_LIFECYCLE, "9", "Report"),
    "monitoring": coding.coding(_LIFECYCLE, "9", "Report"),
}
_DERIVED = coding.coding(_LIFECYCLE, "8", "Aggregation / summarization / derivation")
_AGENT_TYPES = "http://terminology.hl7.org/CodeSystem/extra-security-role-type"


def audit_event(stored: StoredEvent, origin: str) -> dict[str, JSON]:
    """The resource. ``origin`` names the ledger, as its checkpoints do."""
    event = stored.event
    subtypes = [event.type.value, *([event.stage] if event.stage else [])]
    return {
        "resourceType": "AuditEvent",
        "id": coding.event_uri(event.id).removeprefix("urn:uuid:"),
        "type": coding.kind_of(event),
        "subtype": [coding.own_coding(code) for code in subtypes],
        "action": coding.action_of(event),
        "recorded": event.recorded_at,
        "outcome": coding.outcome_of(event),
        "agent": [_agent(stored)],
        "source": {
            "site": origin,
            "observer": {"type": "Device", "display": "medcairn audit ledger"},
        },
        "entity": [
            _ledger_entry(stored),
            *(_artifact(ref, _USED) for ref in event.inputs),
            *(_artifact(ref, _MADE.get(ref.kind, _DERIVED)) for ref in event.outputs),
        ],
    }


def _agent(stored: StoredEvent) -> dict[str, JSON]:
    event = stored.event
    person = event.actor.startswith("person:")
    code, display = ("humanuser", "human user") if person else ("dataprocessor", "data processor")
    agent: dict[str, JSON] = {
        "type": {"coding": [coding.coding(_AGENT_TYPES, code, display)]},
        "who": coding.agent_reference(event.actor),
        "requestor": True,
    }
    if (signed := signature_of(event)) is not None:
        agent["name"] = signed.printed_name
    return agent


def _ledger_entry(stored: StoredEvent) -> dict[str, JSON]:
    event = stored.event
    details = [("entry", str(stored.index)), ("leaf_hash", leaf_hash(event.as_leaf()).hex())]
    if event.run_id:
        details.append(("run_id", event.run_id))
    return {
        "what": coding.uri_reference(coding.event_uri(event.id), f"entry {stored.index} of the ledger"),
        "type": _ENTITY_TYPE,
        "role": _ENTRY,
        "name": f"entry {stored.index}",
        "detail": [{"type": name, "valueString": value} for name, value in details],
    }


def _artifact(ref: ArtifactRef, lifecycle: dict[str, JSON]) -> dict[str, JSON]:
    return {
        "what": coding.artifact_reference(ref),
        "type": _ENTITY_TYPE,
        "role": _DATA,
        "lifecycle": lifecycle,
        "name": ref.name,
        "detail": [
            {"type": "kind", "valueString": ref.kind},
            {"type": "zone", "valueString": ref.zone.value},
            {"type": "digest", "valueString": ref.digest},
            {"type": "seal", "valueString": ref.seal},
        ],
    }


__all__ = ["audit_event"]
