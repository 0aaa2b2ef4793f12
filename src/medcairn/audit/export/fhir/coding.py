"""The codes and references that the FHIR export uses, in R4 (4.0.1).

Artifacts, people and entries of the ledger are no FHIR resources, so they are named by logical references:
a digest as an RFC 6920 name (``ni:///sha-256;…``), an event as its ``urn:uuid``, both under the identifier
system that FHIR has for URIs.
"""

from __future__ import annotations

import base64
import uuid

from medcairn.audit.events import Event, EventType
from medcairn.core.artifacts import ArtifactRef
from medcairn.core.canonical import JSON
from medcairn.core.digests import Digest

_URI_SYSTEM = "urn:ietf:rfc:3986"
_PARTICIPANTS = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"
_OPERATIONS = "http://terminology.hl7.org/CodeSystem/v3-DataOperation"
OURS = f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, 'medcairn types of event and stages')}"
"""Our own code system, for the types of event and the names of steps; it has no address on the web."""

_DCM = "http://dicom.nema.org/resources/ontology/DCM"
_ACTIVITY = ("110100", "Application Activity")
_DCM_BY_TYPE = {"trail.verified": ("110101", "Audit Log Used"), "subject.reidentified": ("110112", "Query")}
_ATTRIBUTES = ("110137", "User Security Attributes Changed")
_ABOUT_PEOPLE = (
    "person.", "password.", "signing_key.", "second_factor.", "recovery_code.", "identity.", "training.",
    "organisation.", "token.",
)  # fmt: skip
_ALERT = ("110113", "Security Alert")
_DENIALS = (".refused", ".denied", ".alerted")
_FAILURES = (".failed",)


def coding(system: str, code: str, display: str) -> dict[str, JSON]:
    return {"system": system, "code": code, "display": display}


def own_coding(code: str) -> dict[str, JSON]:
    """A code of ours; it is its own display."""
    return coding(OURS, code, code)


def participant(role: str) -> dict[str, JSON]:
    """``Provenance.agent.type``: a code of provenance-participant-type, whose display is its code."""
    return {"coding": [coding(_PARTICIPANTS, role, role.capitalize())]}


def data_operation(code: str, display: str) -> dict[str, JSON]:
    """``Provenance.activity``: what was done to data, a code of v3-DataOperation."""
    return coding(_OPERATIONS, code, display)


def kind_of(event: Event) -> dict[str, JSON]:
    """``AuditEvent.type``: an event ID of DICOM PS3.16, as R4's value set asks for."""
    name = event.type.value
    if name.endswith(_DENIALS) and event.type is not EventType.GATE_REFUSED:
        return coding(_DCM, *_ALERT)
    if name.startswith(_ABOUT_PEOPLE):
        return coding(_DCM, *_ATTRIBUTES)
    return coding(_DCM, *_DCM_BY_TYPE.get(name, _ACTIVITY))


def action_of(event: Event) -> str:
    """``AuditEvent.action``: create, read, update, delete or execute."""
    if event.outputs or event.type in (EventType.PREDICTION_MADE, EventType.PERSON_ADDED):
        return "C"
    if event.type is EventType.TRACKING_ACCESSED and event.record.get("kind") == "write":
        return "D" if event.record.get("method") == "DELETE" else "U"
    if event.type is EventType.TRACKING_ACCESSED:
        return "R"
    if event.type in (EventType.TRAIL_VERIFIED, EventType.SUBJECT_REIDENTIFIED):
        return "R"
    return "U" if event.type is EventType.MODEL_TRANSITIONED else "E"


def outcome_of(event: Event) -> str:
    """``AuditEvent.outcome``: 0 success, 4 refused, 8 failed."""
    name = event.type.value
    return "8" if name.endswith(_FAILURES) else "4" if name.endswith(_DENIALS) else "0"


def digest_uri(digest: Digest) -> str:
    """A digest as a name of RFC 6920."""
    return "ni:///sha-256;" + base64.urlsafe_b64encode(bytes.fromhex(digest.hex)).rstrip(b"=").decode()


def digest_reference(digest: Digest, display: str) -> dict[str, JSON]:
    return {"identifier": {"system": _URI_SYSTEM, "value": digest_uri(digest)}, "display": display}


def artifact_reference(ref: ArtifactRef) -> dict[str, JSON]:
    """An artifact, by its identity."""
    return digest_reference(ref.digest, f"{ref.name} {ref.digest.short} ({ref.zone.value})")


def event_uri(identifier: str) -> str:
    """An event id, or another id of ours, as a URI; ids that are no UUID are hashed to one."""
    try:
        return uuid.UUID(identifier).urn
    except ValueError:
        return uuid.uuid5(uuid.NAMESPACE_URL, f"medcairn event {identifier}").urn


def uri_reference(uri: str, display: str) -> dict[str, JSON]:
    return {"identifier": {"system": _URI_SYSTEM, "value": uri}, "display": display}


def agent_reference(actor: str) -> dict[str, JSON]:
    """Who acted: a person of the study as a practitioner, anything else as a device."""
    kind, _, name = actor.rpartition(":")
    resource = "Practitioner" if kind == "person" else "Device"
    return {"type": resource, "identifier": {"system": OURS, "value": actor}, "display": name or actor}


__all__ = [
    "OURS",
    "action_of",
    "agent_reference",
    "artifact_reference",
    "coding",
    "data_operation",
    "digest_reference",
    "digest_uri",
    "event_uri",
    "kind_of",
    "outcome_of",
    "own_coding",
    "participant",
    "uri_reference",
]
