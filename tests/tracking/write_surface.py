"""Every way in which a user of MLflow's client writes, tried once with an identifier in it.

Run as a program, ``write_surface.py ARTIFACT_ROOT SECRET``, it prints in its last line what came of each try,
as JSON: the error's status and text, or that none was raised. It uses MLflow alone, as a user would.
"""

from __future__ import annotations

import json
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

Try = Callable[["Surface"], object]


class Surface:
    """A run, an experiment and a registered model to write to, and the text that must not be written."""

    def __init__(self, artifact_root: str, secret: str) -> None:
        import mlflow
        from mlflow import MlflowClient

        self.mlflow, self.client, self.secret = mlflow, MlflowClient(), secret
        location = artifact_root if "://" in artifact_root else None
        self.experiment = self.client.create_experiment("surface", artifact_location=location)
        mlflow.set_experiment(experiment_id=self.experiment)
        self.run = self.client.create_run(self.experiment).info.run_id
        self.model = "readmission"
        self.client.create_registered_model(self.model)
        source = self.client.get_run(self.run).info.artifact_uri
        self.version = self.client.create_model_version(self.model, source=source, run_id=self.run).version
        self.text = f"patient with SSN {secret}"
        self.folder = Path(tempfile.mkdtemp(prefix="surface-"))

    def file(self, name: str, content: bytes) -> str:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return str(path)


def _batch(at: Surface) -> None:
    from mlflow.entities import Metric, Param, RunTag

    params = [Param(f"clean_{n}", str(n)) for n in range(5)] + [Param("note", at.text)]
    at.client.log_batch(at.run, [Metric("clean_metric", 1, 1, 1)], params, [RunTag("clean", "yes")])


def _dataset(at: Surface, **given: Any) -> None:
    from mlflow.entities import Dataset, DatasetInput

    fields = {"name": "d", "digest": "abc", "source_type": "code", "source": "{}", "schema": "{}"} | given
    at.client.log_inputs(at.run, datasets=[DatasetInput(Dataset(**fields), [])])


def _zip(at: Surface) -> str:
    path = at.folder / "data.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inner.txt", (at.text + "\n") * 50)
    return str(path)


def _parquet(at: Surface) -> str:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = at.folder / "data.parquet"
    pq.write_table(pa.table({"note": [at.text] * 50}), path)
    return str(path)


def _folder(at: Surface) -> str:
    at.file("many/clean.txt", b"clean")
    at.file("many/deep/dirty.txt", at.text.encode())
    return str(at.folder / "many")


def _table(at: Surface) -> None:
    at.client.log_table(at.run, {"note": [at.text]}, "table.json")


def _model(at: Surface) -> None:
    class Constant(at.mlflow.pyfunc.PythonModel):  # type: ignore[misc, name-defined]
        def predict(self, model_input: list[str]) -> list[str]:
            return model_input

    with at.mlflow.start_run(run_id=at.run):
        given = {"name": "fitted", "pip_requirements": [], "metadata": {"note": at.text}}
        at.mlflow.pyfunc.log_model(python_model=Constant(), **given)


def _fluent(at: Surface) -> None:
    with at.mlflow.start_run(experiment_id=at.experiment, description=at.text):
        pass


REFUSED: dict[str, Try] = {
    "param key": lambda at: at.client.log_param(at.run, f"ssn {at.secret}", 1),
    "param value": lambda at: at.client.log_param(at.run, "p", at.text),
    "param in JSON": lambda at: at.client.log_param(at.run, "p", json.dumps({"a": [{"note": at.text}]})),
    "tag key": lambda at: at.client.set_tag(at.run, f"ssn {at.secret}", "1"),
    "tag value": lambda at: at.client.set_tag(at.run, "t", at.text),
    "metric name": lambda at: at.client.log_metric(at.run, f"ssn {at.secret}", 1.0),
    "param, asynchronous": lambda at: at.client.log_param(at.run, "p", at.text, synchronous=False),
    "batch": _batch,
    "run name": lambda at: at.client.create_run(at.experiment, run_name=at.text),
    "run renamed": lambda at: at.client.update_run(at.run, name=at.text),
    "run description": _fluent,
    "experiment name": lambda at: at.client.create_experiment(at.text),
    "experiment renamed": lambda at: at.client.rename_experiment(at.experiment, at.text),
    "experiment tag": lambda at: at.client.set_experiment_tag(at.experiment, "t", at.text),
    "registered model name": lambda at: at.client.create_registered_model(f"ssn {at.secret}"),
    "registered model description": lambda at: at.client.update_registered_model(at.model, at.text),
    "registered model tag": lambda at: at.client.set_registered_model_tag(at.model, "t", at.text),
    "registered model alias": lambda at: at.client.set_registered_model_alias(
        at.model, f"ssn-{at.secret}", at.version
    ),
    "version description": lambda at: at.client.update_model_version(at.model, at.version, at.text),
    "version tag": lambda at: at.client.set_model_version_tag(at.model, at.version, "t", at.text),
    "prompt": lambda at: at.mlflow.genai.register_prompt("prompt", at.text),
    "dataset name": lambda at: _dataset(at, name=at.text),
    "dataset source": lambda at: _dataset(at, source=json.dumps({"query": at.text})),
    "dataset profile": lambda at: _dataset(at, profile=json.dumps({"note": at.text})),
    "logged model parameter": lambda at: at.client.create_logged_model(
        at.experiment, name="m", params={"note": at.text}
    ),
    "logged model tag": lambda at: at.client.create_logged_model(at.experiment, "m", tags={"t": at.text}),
    "logged model files": _model,
    "artifact name": lambda at: at.client.log_artifact(at.run, at.file(f"ssn {at.secret}.txt", b"x")),
    "artifact folder name": lambda at: at.client.log_artifact(at.run, at.file("x.txt", b"x"), at.secret),
    "artifact text": lambda at: at.client.log_text(at.run, at.text, "note.txt"),
    "artifact CSV": lambda at: at.client.log_artifact(
        at.run, at.file("a.csv", f"id,ssn\n1,{at.secret}\n".encode())
    ),
    "artifact JSON": lambda at: at.client.log_dict(at.run, {"a": {"b": at.text}}, "a.json"),
    "artifact table": _table,
    "artifact Parquet": lambda at: at.client.log_artifact(at.run, _parquet(at)),
    "artifact zip": lambda at: at.client.log_artifact(at.run, _zip(at)),
    "artifact folder": lambda at: at.client.log_artifacts(at.run, _folder(at)),
    "trace tag": lambda at: at.client.set_trace_tag(_clean_trace(at), "t", at.text),
    "assessment": lambda at: at.mlflow.log_feedback(
        trace_id=_clean_trace(at), name="seen", value=True, rationale=at.text
    ),
}
"""By what is written. Each raises."""


def _clean_trace(at: Surface) -> str:
    with at.mlflow.start_span("clean") as span:
        span.set_inputs({"rows": 3})
    at.mlflow.flush_trace_async_logging()
    return str(span.trace_id)


def _span(at: Surface, change: Callable[[Any], None], *, child: bool = False) -> str:
    if not child:
        with at.mlflow.start_span("work") as span:
            change(span)
        return str(span.trace_id)
    with at.mlflow.start_span("parent") as span, at.mlflow.start_span("child") as inner:
        change(inner)
    return str(span.trace_id)


def _event(span: Any, text: str) -> None:
    from mlflow.entities import SpanEvent

    span.add_event(SpanEvent("seen", attributes={"note": text}))  # type: ignore[abstract]


def _raising(at: Surface) -> str:
    """A processor that should redact raises, and MLflow goes on with the span as it was."""

    def redact(span: Any) -> None:
        raise ValueError("no redaction today")

    with at.mlflow.tracing.configure(span_processors=[redact]):
        return _span(at, lambda span: span.set_inputs({"note": at.text}))


def _tagged(at: Surface) -> str:
    def change(span: Any) -> None:
        at.mlflow.update_current_trace(tags={"t": at.text})

    return _span(at, change)


def _failing(at: Surface) -> str:
    trace_id = ""
    try:
        with at.mlflow.start_span("work") as span:
            trace_id = span.trace_id
            raise ValueError(at.text)
    except ValueError:
        return trace_id


def _named(at: Surface) -> str:
    with at.mlflow.start_span(at.text) as span:
        pass
    return str(span.trace_id)


DROPPED: dict[str, Callable[[Surface], str]] = {
    "span name": _named,
    "span inputs": lambda at: _span(at, lambda span: span.set_inputs({"note": at.text})),
    "span outputs": lambda at: _span(at, lambda span: span.set_outputs([at.text])),
    "span attribute": lambda at: _span(at, lambda span: span.set_attribute("note", at.text)),
    "span event": lambda at: _span(at, lambda span: _event(span, at.text)),
    "span whose work failed": _failing,
    "child span": lambda at: _span(at, lambda span: span.set_inputs({"note": at.text}), child=True),
    "span, processor raises": _raising,
    "tag of the trace": _tagged,
}
"""Spans are dropped and nobody gets an error. Each gives the trace's id."""


def _outcome(at: Surface, attempt: Try) -> dict[str, Any]:
    try:
        attempt(at)
    except Exception as failure:  # noqa: BLE001 - whatever is raised is told
        chain = [str(link) for link in (failure, failure.__cause__, failure.__context__) if link]
        status = getattr(failure, "get_http_status_code", lambda: None)()
        return {"status": status, "text": chain[0], "chain": chain}
    return {"status": None, "text": "", "chain": []}


def _spans_left(at: Surface, trace_ids: dict[str, str]) -> dict[str, list[str] | None]:
    """The names of the spans that are stored of each trace; None for a trace that is not stored."""
    at.mlflow.flush_trace_async_logging()
    found = at.client.search_traces(experiment_ids=[at.experiment])
    stored = {trace.info.trace_id: [span.name for span in trace.data.spans] for trace in found}
    return {name: stored.get(trace_id) for name, trace_id in trace_ids.items()}


def main(artifact_root: str, secret: str) -> None:
    at = Surface(artifact_root, secret)
    raised = {name: _outcome(at, attempt) for name, attempt in REFUSED.items()}
    trace_ids = {name: attempt(at) for name, attempt in DROPPED.items()}
    params = at.client.get_run(at.run).data.params
    retry = _outcome(at, lambda at: at.client.log_param(at.run, "note", "clean"))
    spans = _spans_left(at, trace_ids | {"clean": _clean_trace(at)})
    sys.stdout.write("\n" + json.dumps({"raised": raised, "spans": spans, "params": params, "retry": retry}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
