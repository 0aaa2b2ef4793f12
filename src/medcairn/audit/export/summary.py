"""What a ledger holds, in the figures that an auditor asks for first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from medcairn.audit.events import Event, EventType, StoredEvent
from medcairn.audit.signed import Signed, signature_of
from medcairn.core.artifacts import ArtifactRef
from medcairn.core.canonical import JSON

FORMAT = 1
_REFUSALS = (".refused", ".denied", ".failed", ".alerted")
_WHY = ("code", "gate", "check", "reason")


@dataclass(frozen=True)
class ArtifactNoted:
    """The latest artifact of a path, and the entry that recorded it."""

    ref: ArtifactRef
    entry: int

    def as_json(self) -> dict[str, JSON]:
        return {**self.ref.as_json(), "entry": self.entry}


@dataclass(frozen=True)
class SignatureNoted:
    """Who signed what, when, and what it meant (21 CFR 11.50)."""

    entry: int
    signed: Signed

    def as_json(self) -> dict[str, JSON]:
        return {"entry": self.entry, **self.signed.as_json()}


@dataclass(frozen=True)
class Noted:
    """Something that happened to a model or was refused, in few words."""

    entry: int
    recorded_at: str
    actor: str
    what: str

    def as_json(self) -> dict[str, JSON]:
        return {
            "entry": self.entry,
            "recorded_at": self.recorded_at,
            "actor": self.actor,
            "what": self.what,
        }


@dataclass(frozen=True)
class AuditSummary:
    """The figures of a ledger of ``tree_size`` entries with ``root_hash`` (hex); nothing about a subject."""

    origin: str
    public_key: str
    tree_size: int
    root_hash: str
    first_recorded_at: str
    last_recorded_at: str
    by_type: Mapping[str, int]
    by_actor: Mapping[str, int]
    artifacts: tuple[ArtifactNoted, ...]
    signatures: tuple[SignatureNoted, ...]
    transitions: tuple[Noted, ...]
    refusals: tuple[Noted, ...]
    latest_package: str | None

    def as_json(self) -> dict[str, JSON]:
        return {
            "format": FORMAT,
            "origin": self.origin,
            "public_key": self.public_key,
            "tree_size": self.tree_size,
            "root_hash": self.root_hash,
            "first_recorded_at": self.first_recorded_at,
            "last_recorded_at": self.last_recorded_at,
            "by_type": dict(self.by_type),
            "by_actor": dict(self.by_actor),
            "artifacts": [noted.as_json() for noted in self.artifacts],
            "signatures": [noted.as_json() for noted in self.signatures],
            "transitions": [noted.as_json() for noted in self.transitions],
            "refusals": [noted.as_json() for noted in self.refusals],
        }


def summarise(events: Iterable[StoredEvent], *, origin: str, public_key: str, root_hash: str) -> AuditSummary:
    """The figures, in one pass. ``origin``, ``public_key`` and ``root_hash`` (hex) are the ledger's."""
    types, actors = Counter[str](), Counter[str]()
    artifacts: dict[str, ArtifactNoted] = {}
    signatures: list[SignatureNoted] = []
    transitions: list[Noted] = []
    refusals: list[Noted] = []
    first, last, size = "", "", 0
    for stored in events:
        event = stored.event
        first, last, size = first or event.recorded_at, event.recorded_at, size + 1
        types[event.type.value] += 1
        actors[event.actor] += 1
        artifacts.update((ref.path, ArtifactNoted(ref, stored.index)) for ref in event.outputs)
        if (signed := signature_of(event)) is not None:
            signatures.append(SignatureNoted(stored.index, signed))
        elif event.type is EventType.MODEL_TRANSITIONED:
            transitions.append(_noted(stored, _transition(event)))
        elif event.type.value.endswith(_REFUSALS):
            refusals.append(_noted(stored, _refusal(event)))
    packages = [noted.ref.digest for noted in artifacts.values() if noted.ref.kind == "package"]
    return AuditSummary(
        origin=origin,
        public_key=public_key,
        tree_size=size,
        root_hash=root_hash,
        first_recorded_at=first,
        last_recorded_at=last,
        by_type=dict(sorted(types.items())),
        by_actor=dict(sorted(actors.items())),
        artifacts=tuple(artifacts.values()),
        signatures=tuple(signatures),
        transitions=tuple(transitions),
        refusals=tuple(refusals),
        latest_package=packages[-1] if packages else None,
    )


def _noted(stored: StoredEvent, what: str) -> Noted:
    return Noted(stored.index, stored.event.recorded_at, stored.event.actor, what)


def _transition(event: Event) -> str:
    record = event.record
    before = record.get("previous") or "none"
    return f"{record.get('model')} version {record.get('version')}: {before} → {record.get('state')}"


def _refusal(event: Event) -> str:
    """The type, the stage and the code: constant words of ours."""
    why = next((event.record[key] for key in _WHY if key in event.record), None)
    return ", ".join(str(part) for part in (event.type.value, event.stage, why) if part)


__all__ = ["ArtifactNoted", "AuditSummary", "Noted", "SignatureNoted", "summarise"]
