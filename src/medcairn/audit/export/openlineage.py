"""Runs and stages of the ledger as OpenLineage run events, spec 2-0-2: https://openlineage.io/spec/2-0-2.

A run of ours is a job run, each stage of it one with the run as its parent. Datasets are artifacts by their
path, their version the digest. Events that belong to no run, like predictions and signatures, have no place
in OpenLineage and are left out.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from medcairn.audit.events import Event, EventType, StoredEvent
from medcairn.core.artifacts import ArtifactRef
from medcairn.core.canonical import JSON, canonical_json
from medcairn.core.files import write_file

_SPEC = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs"
_FACETS = "https://openlineage.io/spec/facets"
_STATES = {
    EventType.RUN_STARTED: "START",
    EventType.STAGE_STARTED: "START",
    EventType.STAGE_FINISHED: "COMPLETE",
    EventType.RUN_FINISHED: "COMPLETE",
    EventType.STAGE_FAILED: "FAIL",
}


def write_openlineage(
    path: Path, events: Callable[[], Iterable[StoredEvent]], *, origin: str, version: str
) -> int:
    """Write the run events to ``path``, one JSON document a line; how many there are.

    ``version`` is that of medcairn, which names the producer. The same ledger gives the same bytes.
    """
    lines = [canonical_json(event) for event in run_events(events(), origin=origin, version=version)]
    write_file(path, b"".join(line + b"\n" for line in lines))
    return len(lines)


def run_events(events: Iterable[StoredEvent], *, origin: str, version: str) -> Iterator[dict[str, JSON]]:
    """The run events, in the ledger's order. ``origin`` names the ledger and so the namespace."""
    form = _Form(f"medcairn://{origin}", f"pkg:generic/medcairn@{version}")
    for stored in events:
        event = stored.event
        if event.run_id is None or event.type not in _STATES:
            continue
        if event.stage is None:
            yield form.run(event, event.run_id, _STATES[event.type])
            continue
        yield form.stage(event, event.run_id, event.stage)
        if event.type is EventType.STAGE_FAILED:  # a run that failed has no event of its end
            yield form.run(event, event.run_id, "FAIL")


class _Form:
    """How a ledger's runs, stages and artifacts are named."""

    def __init__(self, namespace: str, producer: str) -> None:
        self._namespace, self._producer = namespace, producer

    def run(self, event: Event, run_id: str, state: str) -> dict[str, JSON]:
        return self._event(event, state, {"runId": _uuid(run_id)}, self._job("run", "RUN"))

    def stage(self, event: Event, run_id: str, stage: str) -> dict[str, JSON]:
        facets: dict[str, JSON] = {
            "parent": {
                **self._facet("1-2-0", "ParentRunFacet"),
                "run": {"runId": _uuid(run_id)},
                "job": {"namespace": self._namespace, "name": "run"},
            }
        }
        if event.type is EventType.STAGE_FAILED:
            facets["errorMessage"] = {
                **self._facet("1-0-1", "ErrorMessageRunFacet"),
                "message": str(event.record.get("code", "error")),
                "programmingLanguage": "Python",
            }
        run: dict[str, JSON] = {"runId": _uuid(f"{run_id} {stage}"), "facets": facets}
        return self._event(event, _STATES[event.type], run, self._job(stage, "STAGE"))

    def _event(self, event: Event, state: str, run: dict[str, JSON], job: dict[str, JSON]) -> dict[str, JSON]:
        return {
            "eventType": state,
            "eventTime": event.recorded_at,
            "run": run,
            "job": job,
            "inputs": [self._dataset(ref) for ref in event.inputs],
            "outputs": [self._dataset(ref) for ref in event.outputs],
            "producer": self._producer,
            "schemaURL": f"{_SPEC}/RunEvent",
        }

    def _job(self, name: str, kind: str) -> dict[str, JSON]:
        about: dict[str, JSON] = {"processingType": "BATCH", "integration": "MEDCAIRN", "jobType": kind}
        facet = {**self._facet("2-0-4", "JobTypeJobFacet"), **about}
        return {"namespace": self._namespace, "name": name, "facets": {"jobType": facet}}

    def _dataset(self, ref: ArtifactRef) -> dict[str, JSON]:
        version = {**self._facet("1-0-1", "DatasetVersionDatasetFacet"), "datasetVersion": ref.digest}
        artifact: dict[str, JSON] = {
            "_producer": self._producer,
            "_schemaURL": f"{_SPEC}/DatasetFacet",
            "name": ref.name,
            "kind": ref.kind,
            "zone": ref.zone.value,
            "seal": ref.seal,
        }
        return {
            "namespace": self._namespace,
            "name": ref.path,
            "facets": {"version": version, "medcairn_artifact": artifact},
        }

    def _facet(self, version: str, name: str) -> dict[str, JSON]:
        return {"_producer": self._producer, "_schemaURL": f"{_FACETS}/{version}/{name}.json#/$defs/{name}"}


def _uuid(identifier: str) -> str:
    """A run id as the UUID that OpenLineage asks for; what is none is hashed to one."""
    try:
        return str(uuid.UUID(identifier))
    except ValueError:
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"medcairn run {identifier}"))


__all__ = ["run_events", "write_openlineage"]
