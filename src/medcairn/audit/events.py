"""Events: what the ledger records. A leaf is an event's canonical JSON (RFC 8785)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from medcairn.core.artifacts import ArtifactRef
from medcairn.core.canonical import JSON, canonical_json

FORMAT = 1
"""Version of the leaf's form; a change of the form gets the next number."""


class EventType(StrEnum):
    """Everything that is recorded. Names are `subject.past participle`."""

    LEDGER_CREATED = "ledger.created"
    STUDY_CREATED = "study.created"
    RUN_STARTED = "run.started"
    RUN_FINISHED = "run.finished"
    STAGE_STARTED = "stage.started"
    ARTIFACT_MADE = "artifact.made"
    STAGE_FINISHED = "stage.finished"
    STAGE_FAILED = "stage.failed"
    CRITERIA_PINNED = "criteria.pinned"
    GATE_REFUSED = "gate.refused"
    PERSON_ADDED = "person.added"
    PERSON_CHANGED = "person.changed"
    PERSON_REMOVED = "person.removed"
    PASSWORD_CHANGED = "password.changed"  # noqa: S105 - the name of an event
    PASSWORD_RESET = "password.reset"  # noqa: S105
    SIGNING_KEY_MADE = "signing_key.made"
    SIGNING_KEY_REVOKED = "signing_key.revoked"
    SECOND_FACTOR_SET = "second_factor.set"
    SECOND_FACTOR_REMOVED = "second_factor.removed"
    RECOVERY_CODE_USED = "recovery_code.used"
    IDENTITY_PROVEN = "identity.proven"
    TRAINING_RECORDED = "training.recorded"
    ORGANISATION_LINKED = "organisation.linked"
    TOKEN_ISSUED = "token.issued"  # noqa: S105
    TOKEN_REVOKED = "token.revoked"  # noqa: S105
    ACCESS_DENIED = "access.denied"
    ACCESS_ALERTED = "access.alerted"
    RECORD_SIGNED = "record.signed"
    SIGNING_REFUSED = "signing.refused"
    MODEL_TRANSITIONED = "model.transitioned"
    CONTEXT_LOGGED = "context.logged"
    PREDICTION_MADE = "prediction.made"
    TRAIL_VERIFIED = "trail.verified"
    SUBJECT_REIDENTIFIED = "subject.reidentified"
    KEY_ROTATED = "key.rotated"
    NOTE_RECORDED = "note.recorded"
    TRACKING_ACCESSED = "tracking.accessed"
    TRACKING_REFUSED = "tracking.refused"


@dataclass(frozen=True)
class Event:
    """One entry of the ledger.

    ``actor`` is who acted (``person:ada``, ``pipeline``, ``service:readmission_30d``); ``recorded_at`` the
    ledger writer's clock, RFC 3339 in UTC; ``record`` aggregate facts, digests and ids that we minted.
    No value of a patient belongs here.
    """

    id: str
    type: EventType
    recorded_at: str
    actor: str
    run_id: str | None = None
    stage: str | None = None
    inputs: tuple[ArtifactRef, ...] = ()
    outputs: tuple[ArtifactRef, ...] = ()
    record: Mapping[str, JSON] = field(default_factory=dict)

    def as_json(self) -> dict[str, JSON]:
        return {
            "format": FORMAT,
            "id": self.id,
            "type": self.type.value,
            "recorded_at": self.recorded_at,
            "actor": self.actor,
            "run_id": self.run_id,
            "stage": self.stage,
            "inputs": [ref.as_json() for ref in self.inputs],
            "outputs": [ref.as_json() for ref in self.outputs],
            "record": self.record,
        }

    def as_leaf(self) -> bytes:
        """The bytes that are hashed into the tree."""
        return canonical_json(self.as_json())

    @classmethod
    def from_leaf(cls, leaf: bytes) -> Event:
        """The event of a leaf. Raises ``ValueError`` or ``KeyError`` when the leaf is no event."""
        value = json.loads(leaf)
        return cls(
            id=value["id"],
            type=EventType(value["type"]),
            recorded_at=value["recorded_at"],
            actor=value["actor"],
            run_id=value["run_id"],
            stage=value["stage"],
            inputs=tuple(ArtifactRef.from_json(ref) for ref in value["inputs"]),
            outputs=tuple(ArtifactRef.from_json(ref) for ref in value["outputs"]),
            record=value["record"],
        )


@dataclass(frozen=True)
class StoredEvent:
    """An event and its place in the tree, counted from 0."""

    index: int
    event: Event


__all__ = ["Event", "EventType", "StoredEvent"]
