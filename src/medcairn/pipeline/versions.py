"""The versions of a study's model, as the ledger tells of them: who trained, how validated, what packaged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from medcairn.audit import EventType, StoredEvent
from medcairn.core.artifacts import ArtifactRef
from medcairn.core.canonical import JSON
from medcairn.core.digests import Digest
from medcairn.core.errors import UsageError
from medcairn.core.labels import Label
from medcairn.pipeline.study import Study
from medcairn.registry import BY_SIGNATURE


@dataclass(frozen=True)
class Validated:
    """The last validation of a version. ``pinned`` is the entry that fixed the protocol before it."""

    entry: int
    passed: bool
    pinned: int | None
    protocol: Digest | None


@dataclass(frozen=True)
class Packaged:
    """The package of a version: its place, its digest, and what its release rests on."""

    entry: int
    artifact: ArtifactRef
    digest: Digest
    signed: Digest
    authority: str
    registry_version: int | None


@dataclass(frozen=True)
class ModelVersion:
    """One version: the Nth model that training made, counting each content once."""

    version: str
    model: ArtifactRef
    author: Label
    trained: int
    validated: Validated | None = None
    packaged: Packaged | None = None


def model_versions(study: Study) -> dict[str, ModelVersion]:
    """Every version by its number, oldest first."""
    events = study.events(EventType.STAGE_FINISHED, EventType.CRITERIA_PINNED)
    trained: dict[str, tuple[StoredEvent, ArtifactRef]] = {}
    validated: dict[str, Validated] = {}
    packaged: dict[str, Packaged] = {}
    pinned: dict[str | None, StoredEvent] = {}
    for stored in events:
        event = stored.event
        if event.type is EventType.CRITERIA_PINNED:
            pinned[event.run_id] = stored
        elif event.stage == "train":
            for ref in event.outputs:
                if ref.name == "model":
                    trained.setdefault(ref.digest, (stored, ref))
        elif event.stage == "validate":
            validated[_model_used(event.inputs)] = _validated(stored, pinned.get(event.run_id))
        elif event.stage == "package" and (found := _packaged(stored)) is not None:
            packaged[_model_used(event.inputs)] = found
    return {
        str(number): ModelVersion(
            str(number),
            ref,
            Label(stored.event.actor.removeprefix("person:")),
            stored.index,
            validated.get(ref.digest),
            packaged.get(ref.digest),
        )
        for number, (stored, ref) in enumerate(trained.values(), start=1)
    }


def version_named(study: Study, version: str) -> ModelVersion:
    """The version of this number. Raises :class:`UsageError` that lists what there is."""
    found = model_versions(study)
    if version not in found:
        there_are = ", ".join(found) or "none yet"
        raise UsageError("The model has no such version", hint=f"Versions: {there_are}")
    return found[version]


def present_version(study: Study) -> ModelVersion:
    """The candidate: the version of the model that training left last. Raises :class:`UsageError`."""
    artifacts = study.artifacts()
    if "model" not in artifacts:
        raise UsageError("There is no model yet", hint="medcairn run --until train")
    digest = artifacts["model"].digest
    return next(one for one in model_versions(study).values() if one.model.digest == digest)


def _model_used(inputs: tuple[ArtifactRef, ...]) -> str:
    return next((str(ref.digest) for ref in inputs if ref.name == "model"), "")


def _validated(stored: StoredEvent, pinned: StoredEvent | None) -> Validated:
    facts = stored.event.record.get("validation")
    passed = isinstance(facts, Mapping) and facts.get("verdict") == "passed"
    protocol = pinned.event.record.get("protocol_digest") if pinned else None
    return Validated(
        stored.index, passed, pinned.index if pinned else None, Digest(str(protocol)) if protocol else None
    )


def _packaged(stored: StoredEvent) -> Packaged | None:
    record: Mapping[str, JSON] = stored.event.record
    facts = record.get("package")
    artifact = next((ref for ref in stored.event.outputs if ref.name == "package"), None)
    if artifact is None or not isinstance(facts, Mapping) or "approval_digest" not in record:
        return None
    registered = record.get("registry_version")
    return Packaged(
        stored.index,
        artifact,
        Digest(str(facts["package_digest"])),
        Digest(str(record["approval_digest"])),
        str(record.get("authority", BY_SIGNATURE)),
        int(str(registered)) if registered is not None else None,
    )


__all__ = [
    "ModelVersion",
    "Packaged",
    "Validated",
    "model_versions",
    "present_version",
    "version_named",
]
