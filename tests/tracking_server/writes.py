"""Every way to write that the specification names, each with a place for one identifier.

A row sends a request to a running server and gives back the answer. ``run``, ``experiment`` and ``model`` are
ids of clean things that are there already.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass

import httpx
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

API = "/api/2.0/mlflow/"
AJAX = "/ajax-api/2.0/mlflow/"
V3 = "/api/3.0/mlflow/"
FILES = "/api/2.0/mlflow-artifacts/artifacts/"


@dataclass(frozen=True)
class Clean:
    """A server's client, and things in its store that nothing is wrong with."""

    http: httpx.Client
    experiment: str
    run: str
    model: str
    logged_model: str

    @classmethod
    def made(cls, http: httpx.Client, name: str = "trial") -> Clean:
        experiment = sent(http, API + "experiments/create", "experiment_id", name=name)
        run = sent(http, API + "runs/create", "run", "info", "run_id", experiment_id=experiment)
        sent(http, API + "registered-models/create", name=name)
        steps = ("model", "info", "model_id")
        logged_model = sent(http, API + "logged-models", *steps, experiment_id=experiment, name="forest")
        source = f"mlflow-artifacts:/{experiment}/{run}/artifacts/model"
        sent(http, API + "model-versions/create", name=name, source=source, run_id=run)
        return cls(http, experiment, run, name, logged_model)

    def post(self, path: str, **body: object) -> httpx.Response:
        return self.http.post(path, json=body)


def sent(http: httpx.Client, path: str, *steps: str, **body: object) -> str:
    """Send ``body``, which must succeed; what lies at the end of ``steps`` in the answer."""
    answer = http.post(path, json=body)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    for step in steps:
        found = found[step]
    return str(found)


Send = Callable[[Clean, str], httpx.Response]


def _spans(phi: str, *, where: str) -> ExportTraceServiceRequest:
    export = ExportTraceServiceRequest()
    resource = export.resource_spans.add()
    span = resource.scope_spans.add().spans.add(
        trace_id=b"\1" * 16, span_id=b"\2" * 8, name=phi if where == "name" else "predict",
        start_time_unix_nano=1_700_000_000_000_000_000, end_time_unix_nano=1_700_000_001_000_000_000,
    )  # fmt: skip
    if where == "attribute":
        span.attributes.add(key="input").value.string_value = phi
    elif where == "key":
        span.attributes.add(key=phi).value.int_value = 1
    elif where == "bytes":
        span.attributes.add(key="input").value.bytes_value = phi.encode()
    elif where == "event":
        span.events.add(name="log").attributes.add(key="note").value.string_value = phi
    elif where == "list":
        span.attributes.add(key="inputs").value.array_value.values.add().string_value = phi
    elif where == "resource":
        resource.resource.attributes.add(key="host").value.string_value = phi
    return export


def _otlp(where: str, *, zipped: bool = False) -> Send:
    def send(clean: Clean, phi: str) -> httpx.Response:
        body = _spans(phi, where=where).SerializeToString()
        headers = {"content-type": "application/x-protobuf", "x-mlflow-experiment-id": clean.experiment}
        if zipped:
            body, headers["content-encoding"] = gzip.compress(body), "gzip"
        return clean.http.post("/v1/traces", content=body, headers=headers)

    return send


def _header(clean: Clean, phi: str) -> httpx.Response:
    headers = {
        "content-type": "application/x-protobuf",
        "x-mlflow-experiment-id": clean.experiment,
        "x-mlflow-run-id": phi,
    }
    return clean.http.post("/v1/traces", content=_spans("", where="").SerializeToString(), headers=headers)


def _otlp_json(clean: Clean, phi: str) -> httpx.Response:
    attribute = {"key": "input", "value": {"stringValue": phi}}
    span = {"traceId": "01" * 16, "spanId": "02" * 8, "name": "predict", "attributes": [attribute]}
    body = {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}
    return clean.http.post("/v1/traces", json=body, headers={"x-mlflow-experiment-id": clean.experiment})


def _trace_info(clean: Clean, **more: object) -> dict[str, object]:
    place = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": clean.experiment}}
    info = {
        "trace_id": "tr-" + "03" * 16, "trace_location": place, "request_time": "2026-01-31T09:30:00Z",
        "execution_duration": "1s", "state": "OK", **more,
    }  # fmt: skip
    return {"trace": {"trace_info": info}}


def _dataset(clean: Clean, **more: str) -> dict[str, object]:
    dataset = {"name": "beds", "digest": "0a1b2c3d", "source_type": "local", "source": "{}", **more}
    return {"run_id": clean.run, "datasets": [{"dataset": dataset, "tags": []}]}


def _zipped(path: str, body: object) -> Send:
    def send(clean: Clean, phi: str) -> httpx.Response:
        text = json.dumps(body).replace("RUN", clean.run).replace("PHI", phi)
        headers = {"content-type": "application/json", "content-encoding": "gzip"}
        return clean.http.post(path, content=gzip.compress(text.encode()), headers=headers)

    return send


def _escaped(clean: Clean, phi: str) -> httpx.Response:
    text = json.dumps({"run_id": clean.run, "key": "note", "value": "PHI"})
    hidden = "".join(f"\\u{ord(letter):04x}" for letter in phi)
    headers = {"content-type": "application/json"}
    return clean.http.post(API + "runs/set-tag", content=text.replace("PHI", hidden), headers=headers)


def _percent(text: str) -> str:
    return "".join(f"%{byte:02X}" for byte in text.encode())


_TEXT = {"key": "note", "value": "clean"}

WRITES: dict[str, Send] = {
    "parameter key": lambda c, p: c.post(API + "runs/log-parameter", run_id=c.run, key=p, value="1"),
    "parameter value": lambda c, p: c.post(API + "runs/log-parameter", run_id=c.run, key="who", value=p),
    "parameter by the twin": lambda c, p: c.post(
        AJAX + "runs/log-parameter", run_id=c.run, key="who", value=p
    ),
    "tag key": lambda c, p: c.post(API + "runs/set-tag", run_id=c.run, key=p, value="1"),
    "tag value": lambda c, p: c.post(API + "runs/set-tag", run_id=c.run, key="note", value=p),
    "metric name": lambda c, p: c.post(
        API + "runs/log-metric", run_id=c.run, key=p, value=0.5, timestamp=1700000000000, step=0
    ),
    "batch": lambda c, p: c.post(
        API + "runs/log-batch", run_id=c.run,
        params=[{"key": "batched", "value": "1"}, {"key": "b", "value": p}],
        metrics=[{"key": "batched_metric", "value": 1, "timestamp": 1700000000000, "step": 0}],
    ),
    "run name": lambda c, p: c.post(API + "runs/create", experiment_id=c.experiment, run_name=f"for {p}"),
    "new run name": lambda c, p: c.post(API + "runs/update", run_id=c.run, run_name=f"for {p}"),
    "run description": lambda c, p: c.post(
        API + "runs/set-tag", run_id=c.run, key="mlflow.note.content", value=f"like {p}"
    ),
    "experiment name": lambda c, p: c.post(API + "experiments/create", name=f"study {p}"),
    "experiment rename": lambda c, p: c.post(
        API + "experiments/update", experiment_id=c.experiment, new_name=f"renamed {p}"
    ),
    "experiment tag": lambda c, p: c.post(
        API + "experiments/set-experiment-tag", experiment_id=c.experiment, key="note", value=p
    ),
    "model name": lambda c, p: c.post(API + "registered-models/create", name=f"model {p}"),
    "model description": lambda c, p: c.http.patch(
        API + "registered-models/update", json={"name": c.model, "description": f"made for {p}"}
    ),
    "model tag": lambda c, p: c.post(API + "registered-models/set-tag", name=c.model, key="note", value=p),
    "model alias": lambda c, p: c.post(API + "registered-models/alias", name=c.model, alias=p, version="1"),
    "version description": lambda c, p: c.http.patch(
        API + "model-versions/update", json={"name": c.model, "version": "1", "description": p}
    ),
    "version tag": lambda c, p: c.post(
        API + "model-versions/set-tag", name=c.model, version="1", key="note", value=p
    ),
    "dataset name": lambda c, p: c.post(API + "runs/log-inputs", **_dataset(c, name=p)),
    "dataset profile": lambda c, p: c.post(
        API + "runs/log-inputs", **_dataset(c, profile=json.dumps({"first": p}))
    ),
    "dataset source": lambda c, p: c.post(
        API + "runs/log-inputs", **_dataset(c, source=json.dumps({"uri": p}))
    ),
    "evaluation dataset": lambda c, p: c.post(
        V3 + "datasets/create", name="rows", experiment_ids=[c.experiment], tags=json.dumps({"who": p})
    ),
    "logged model name": lambda c, p: c.post(API + "logged-models", experiment_id=c.experiment, name=p),
    "logged model parameter": lambda c, p: c.post(
        API + f"logged-models/{c.logged_model}/params",
        model_id=c.logged_model, params=[{"key": "who", "value": p}],
    ),
    "logged model tag": lambda c, p: c.http.patch(
        API + f"logged-models/{c.logged_model}/tags", json={"tags": [{"key": "who", "value": p}]}
    ),
    "trace (v3)": lambda c, p: c.post(V3 + "traces", **_trace_info(c, request_preview=p)),
    "trace tag (v3)": lambda c, p: c.post(V3 + "traces", **_trace_info(c, tags={"who": p})),
    "trace (v2)": lambda c, p: c.post(
        API + "traces", experiment_id=c.experiment, timestamp_ms=1700000000000,
        request_metadata=[{"key": "mlflow.traceInputs", "value": p}], tags=[],
    ),
    "assessment": lambda c, p: c.post(
        V3 + "traces/tr-" + "03" * 16 + "/assessments",
        assessment={
            "assessment_name": "ok", "rationale": p, "trace_id": "tr-" + "03" * 16,
            "source": {"source_type": "HUMAN", "source_id": "reviewer"}, "feedback": {"value": "yes"},
        },
    ),
    "spans in JSON": _otlp_json,
    "spans, name": _otlp("name"),
    "spans, attribute": _otlp("attribute"),
    "spans, attribute, gzip": _otlp("attribute", zipped=True),
    "spans, attribute's key": _otlp("key"),
    "spans, bytes": _otlp("bytes"),
    "spans, event": _otlp("event"),
    "spans, list": _otlp("list"),
    "spans, resource": _otlp("resource"),
    "scorer": lambda c, p: c.post(
        V3 + "scorers/register", experiment_id=c.experiment, name="s", serialized_scorer=json.dumps({"i": p})
    ),
    "gzip JSON": _zipped(API + "runs/set-tag", {"run_id": "RUN", "key": "note", "value": "PHI"}),
    "JSON in a text": lambda c, p: c.post(
        API + "runs/set-tag", run_id=c.run, key="note", value=json.dumps({"rows": [json.dumps([p])]})
    ),
    "escapes in JSON": _escaped,
    "percent-encoded query": lambda c, p: c.http.get(
        API + f"experiments/get-by-name?experiment_name={_percent(p)}"
    ),
    "percent-encoded path": lambda c, p: c.http.delete(
        API + f"logged-models/{c.logged_model}/tags/{_percent(p)}"
    ),
    "search": lambda c, p: c.post(
        API + "runs/search", experiment_ids=[c.experiment], filter=f"params.who = '{p}'"
    ),
    "graphql": lambda c, p: c.post(
        "/graphql",
        query="query Q($d: MlflowGetRunInput!) { mlflowGetRun(input: $d) { apiError { code } } }",
        variables={"d": {"runId": p}},
    ),
    "header of a span": _header,
}  # fmt: skip

__all__ = ["AJAX", "API", "FILES", "V3", "WRITES", "Clean", "Send", "sent"]
