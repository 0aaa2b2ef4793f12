"""What this package reads of a resource: which it is, when it changed, and whose it is."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Final

import msgspec

from medcairn.export.ndjson import read_head

NEVER: Final = -1
"""The change time of a resource that tells none: older than any."""

_INSTANT: Final = re.compile(
    r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?(Z|[+-]\d\d:\d\d)\Z", re.ASCII
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_PATIENT: Final = re.compile(r"(?:.*/)?Patient/([A-Za-z0-9\-.]{1,64})(?:/_history/[^/]*)?\Z", re.DOTALL)
_URN: Final = "urn:uuid:"


class _Meta(msgspec.Struct):
    lastUpdated: str | None = None  # noqa: N815  (FHIR's name)


class Dated(msgspec.Struct):
    """A resource's type, id and time of change."""

    resourceType: str = ""  # noqa: N815  (FHIR's name)
    id: str = ""
    meta: _Meta | None = None

    @property
    def key(self) -> bytes:
        """16 bytes for type and id."""
        return key_of(self.resourceType, self.id)

    @property
    def changed(self) -> int:
        """``meta.lastUpdated`` in nanoseconds since 1970, :data:`NEVER` without one that can be read."""
        told = self.meta.lastUpdated if self.meta is not None else None
        moment = nanoseconds(told) if told is not None else None
        return NEVER if moment is None else moment


class _Reference(msgspec.Struct):
    reference: str | None = None


class _Participant(msgspec.Struct):
    actor: _Reference | None = None


class _Entity(msgspec.Struct):
    what: _Reference | None = None


class _Owned(msgspec.Struct, rename={"for_": "for", "security": "securityContext"}):
    """The elements that say whose a resource is, in whatever type; each is read on its own, tolerantly."""

    resourceType: str = ""  # noqa: N815  (FHIR's name)
    id: str = ""
    subject: msgspec.Raw = msgspec.Raw()
    patient: msgspec.Raw = msgspec.Raw()
    beneficiary: msgspec.Raw = msgspec.Raw()
    individual: msgspec.Raw = msgspec.Raw()
    candidate: msgspec.Raw = msgspec.Raw()
    actor: msgspec.Raw = msgspec.Raw()
    for_: msgspec.Raw = msgspec.Raw()
    security: msgspec.Raw = msgspec.Raw()
    participant: msgspec.Raw = msgspec.Raw()
    entity: msgspec.Raw = msgspec.Raw()
    target: msgspec.Raw = msgspec.Raw()


_references = msgspec.json.Decoder(_Reference | list[_Reference]).decode
_participants = msgspec.json.Decoder(list[_Participant]).decode
_entities = msgspec.json.Decoder(list[_Entity]).decode
_decode_dated = msgspec.json.Decoder(Dated).decode
_decode_owned = msgspec.json.Decoder(_Owned).decode


def key_of(resource_type: str, resource_id: str) -> bytes:
    """16 bytes that stand for a resource. No type has a slash, so no two resources share their text."""
    return blake2b(f"{resource_type}/{resource_id}".encode("utf-8", "surrogatepass"), digest_size=16).digest()


def read_dated(line: bytes) -> Dated | None:
    """Type, id and time of change of the resource on ``line``; None when it has no type and id.

    A ``meta`` of another shape tells no time.
    """
    found: Dated | None = None
    try:
        found = _decode_dated(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        found = None
    if found is None:
        head = read_head(line)
        found = Dated(head.resourceType or "", head.id or "") if head is not None else None
    return found if found is not None and found.resourceType and found.id else None


def nanoseconds(text: str) -> int | None:
    """A FHIR instant in nanoseconds since 1970, so that instants of different zones and digits compare."""
    match = _INSTANT.match(text)
    if match is None:
        return None
    try:
        moment = datetime.fromisoformat(match[1] + match[3])
    except ValueError:
        return None
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * 10**9 + int((match[2] or "0").ljust(9, "0"))


def patients_of(line: bytes) -> frozenset[str]:
    """Ids of the patients whose resource this is: its subject, not who recorded or performed it.

    Our reading of the Patient compartment (FHIR R4): of the elements by which a resource can belong to it,
    those that name whom it is about. A practitioner or a place is about nobody.
    """
    found: _Owned | None = None
    try:
        found = _decode_owned(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        found = None
    if found is None:
        return frozenset()
    if found.resourceType == "Patient":
        return frozenset({found.id})
    single = (found.subject, found.patient, found.beneficiary, found.individual, found.candidate)
    texts = [text for raw in (*single, found.actor, found.for_, found.security) for text in _texts(raw)]
    texts += _participant_texts(found.participant)
    texts += _entity_texts(found.entity)
    texts += _texts(found.target)
    return frozenset(patient for text in texts if (patient := patient_id(text)) is not None)


def targets_of(line: bytes) -> list[bytes]:
    """Keys of the resources that a Provenance is about."""
    found: _Owned | None = None
    try:
        found = _decode_owned(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        found = None
    keys = []
    for text in _texts(found.target) if found is not None else ():
        kind, _, resource_id = text.partition("/_history/")[0].rpartition("/")
        if kind:
            keys.append(key_of(kind.rpartition("/")[2], resource_id))
    return keys


def patient_id(reference: str) -> str | None:
    """The patient that a reference names, by ``Patient/id`` (also absolute) or ``urn:uuid:id``."""
    if reference.startswith(_URN):
        return reference.removeprefix(_URN)
    match = _PATIENT.match(reference)
    return match[1] if match else None


def _texts(raw: msgspec.Raw) -> list[str]:
    if not raw:
        return []
    try:
        found = _references(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return []
    listed = found if isinstance(found, list) else [found]
    return [item.reference for item in listed if item.reference is not None]


def _participant_texts(raw: msgspec.Raw) -> list[str]:
    try:
        listed = _participants(raw) if raw else []
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return []
    return [item.actor.reference for item in listed if item.actor and item.actor.reference is not None]


def _entity_texts(raw: msgspec.Raw) -> list[str]:
    try:
        listed = _entities(raw) if raw else []
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return []
    return [item.what.reference for item in listed if item.what and item.what.reference is not None]


__all__ = [
    "NEVER",
    "Dated",
    "key_of",
    "nanoseconds",
    "patient_id",
    "patients_of",
    "read_dated",
    "targets_of",
]
