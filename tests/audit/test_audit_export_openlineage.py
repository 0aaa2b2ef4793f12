"""Runs and stages as OpenLineage run events: required members, states, and the project's own classes."""

from __future__ import annotations

import importlib
import json
import re
import uuid
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from audit.trail_history import RELEASE, RUN, ref, study
from medcairn.audit.export import write_openlineage
from medcairn.audit.export.openlineage import run_events

HISTORY = study().events
EVENTS: list[dict[str, Any]] = [dict(e) for e in run_events(HISTORY, origin="medcairn/demo", version="1.0")]
_SCHEMA = re.compile(
    r"https://openlineage\.io/spec/(2-0-2/OpenLineage|facets/\d+-\d+-\d+/\w+)\.json#/\$defs/\w+\Z"
)


@pytest.mark.parametrize("event", EVENTS, ids=lambda e: f"{e['job']['name']}-{e['eventType']}")
def test_required_members_of_spec_2_0_2(event: dict[str, Any]) -> None:
    """eventTime, producer, schemaURL, run.runId (a UUID), job and datasets by namespace and name."""
    assert event["schemaURL"] == "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
    assert event["eventType"] in {"START", "RUNNING", "COMPLETE", "ABORT", "FAIL", "OTHER"}
    assert datetime.fromisoformat(event["eventTime"]).tzinfo is not None
    assert uuid.UUID(event["run"]["runId"])
    for named in (event["job"], *event["inputs"], *event["outputs"]):
        assert named["namespace"] == "medcairn://medcairn/demo"
        assert named["name"]
    for holder in (event["run"], event["job"], *event["inputs"], *event["outputs"]):
        for facet in holder.get("facets", {}).values():
            assert facet["_producer"] == event["producer"] == "pkg:generic/medcairn@1.0"
            assert _SCHEMA.match(facet["_schemaURL"])


def test_every_run_that_began_ended_once() -> None:
    states: dict[str, Counter[str]] = {}
    for event in EVENTS:
        states.setdefault(event["run"]["runId"], Counter())[event["eventType"]] += 1
    for counts in states.values():
        assert counts["START"] <= 1
        assert counts["COMPLETE"] + counts["FAIL"] == 1


def test_a_stage_knows_its_run_its_inputs_and_its_outputs() -> None:
    (deid,) = [e for e in EVENTS if e["job"]["name"] == "deid" and e["eventType"] == "COMPLETE"]
    assert deid["run"]["facets"]["parent"]["run"]["runId"] == RUN
    assert [one["name"] for one in deid["inputs"]] == ["lake/export"]
    assert deid["outputs"][0]["facets"]["version"]["datasetVersion"] == ref("deid").digest


def test_a_failed_stage_fails_its_run_with_the_code_and_no_text() -> None:
    failed = [e for e in EVENTS if e["eventType"] == "FAIL"]
    assert [e["job"]["name"] for e in failed] == ["package", "run"]
    assert failed[0]["run"]["facets"]["errorMessage"]["message"] == "gate_refused"
    assert failed[1]["run"]["runId"] == RELEASE


def test_the_file_has_one_event_a_line_and_the_same_bytes_twice(tmp_path: Path) -> None:
    for name in ("one", "two"):
        count = write_openlineage(tmp_path / name, lambda: HISTORY, origin="medcairn/demo", version="1.0")
        assert count == len(EVENTS)
    lines = (tmp_path / "one").read_bytes().splitlines()
    assert [json.loads(line)["job"]["name"] for line in lines] == [e["job"]["name"] for e in EVENTS]
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_openlineage_s_own_classes_read_and_write_the_same() -> None:
    """Each event and facet rebuilt with the classes that openlineage-python generates from the schemas."""
    pytest.importorskip("openlineage.client", reason="openlineage-python is not installed")
    base = _module("base")
    for event in EVENTS:
        run = base.Run(runId=event["run"]["runId"], facets=_facets(event["run"]))
        job = base.Job(
            namespace=event["job"]["namespace"], name=event["job"]["name"], facets=_facets(event["job"])
        )
        rebuilt = base.RunEvent(
            eventType=base.EventType[event["eventType"]],
            eventTime=event["eventTime"],
            run=run,
            job=job,
            inputs=[_dataset(base.InputDataset, one) for one in event["inputs"]],
            outputs=[_dataset(base.OutputDataset, one) for one in event["outputs"]],
            producer=event["producer"],
        )
        serde = importlib.import_module("openlineage.client.serde").Serde
        assert _filled(json.loads(serde.to_json(rebuilt))) == _filled(json.loads(json.dumps(event)))


_MODULES = {
    "ParentRunFacet": "parent_run",
    "ErrorMessageRunFacet": "error_message_run",
    "JobTypeJobFacet": "job_type_job",
    "DatasetVersionDatasetFacet": "dataset_version_dataset",
    "DatasetFacet": "base",
}


def _module(name: str) -> Any:
    return importlib.import_module(f"openlineage.client.generated.{name}")


def _facets(holder: dict[str, Any]) -> dict[str, Any]:
    return {name: _facet(value) for name, value in holder.get("facets", {}).items()}


def _facet(value: dict[str, Any]) -> Any:
    name = value["_schemaURL"].rsplit("/", 1)[1]
    module = _module(_MODULES[name])
    facet = getattr(module, name)
    assert facet._get_schema() == value["_schemaURL"]
    members = {key: item for key, item in value.items() if not key.startswith("_")}
    if name == "ParentRunFacet":
        members = {"run": module.Run(**members["run"]), "job": module.Job(**members["job"])}
    if name == "DatasetFacet":
        return facet(producer=value["_producer"]).with_additional_properties(**members)
    return facet(producer=value["_producer"], **members)


def _dataset(kind: Any, value: dict[str, Any]) -> Any:
    return kind(namespace=value["namespace"], name=value["name"], facets=_facets(value))


def _filled(value: Any) -> Any:
    """Without members that are empty or that the classes add to every dataset."""
    if isinstance(value, dict):
        kept = {
            k: _filled(v) for k, v in value.items() if k not in ("inputFacets", "outputFacets", "_deleted")
        }
        return {key: item for key, item in kept.items() if item not in (None, {}, [])}
    return [_filled(item) for item in value] if isinstance(value, list) else value
