"""A self-test before serving: made-up identifiers are sent by several routes, and none may come through.

Behind the guards stands a trap in MLflow's place, so that nothing is stored whatever happens. One clean
request must reach the trap: a guard that refuses everything proves nothing.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import cast

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from starlette.types import Message, Receive, Scope, Send

from medcairn.access import Action
from medcairn.core.labels import Label
from medcairn.tracking.server.app import GuardedMlflow, Guards
from medcairn.tracking.server.identity import Authenticator, Caller
from medcairn.tracking.server.startup import GuardNotWhole

CANARY = "536-22-8147"
"""Made up, in the form of a United States social security number."""


@dataclass(frozen=True)
class _Probe:
    name: str
    method: str
    path: str
    query: bytes = b""
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = (("content-type", "application/json"),)
    expected: tuple[int, ...] = (400,)


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


def _probes() -> Iterator[_Probe]:
    batch = {"run_id": "0" * 32, "params": [{"key": "seed", "value": "1"}, {"key": "note", "value": CANARY}]}
    yield _Probe("batch", "POST", "/api/2.0/mlflow/runs/log-batch", body=_json(batch))
    tag = {"run_id": "0" * 32, "key": "note", "value": json.dumps({"a": [CANARY]})}
    yield _Probe("json_in_text", "POST", "/ajax-api/2.0/mlflow/runs/set-tag", body=_json(tag))
    named = {"name": f"trial {CANARY}"}
    zipped = (("content-type", "application/json"), ("content-encoding", "gzip"))
    yield _Probe(
        "gzip", "POST", "/api/2.0/mlflow/experiments/create", body=gzip.compress(_json(named)), headers=zipped
    )
    yield _Probe(
        "query", "GET", "/api/2.0/mlflow/experiments/get-by-name", query=f"experiment_name={CANARY}".encode()
    )
    yield _Probe("model", "POST", "/api/2.0/mlflow/registered-models/create", body=_json(named))
    yield _Probe("artifact_name", "PUT", f"/api/2.0/mlflow-artifacts/artifacts/0/{CANARY}.txt", body=b"clean")
    yield _Probe(
        "artifact",
        "PUT",
        "/api/2.0/mlflow-artifacts/artifacts/0/a.txt",
        body=CANARY.encode(),
        expected=(400, 415),
    )
    spans = ExportTraceServiceRequest()
    span = spans.resource_spans.add().scope_spans.add().spans.add(trace_id=b"0" * 16, span_id=b"0" * 8)
    span.attributes.add(key="note").value.string_value = CANARY
    binary = (("content-type", "application/x-protobuf"), ("x-mlflow-experiment-id", "0"))
    yield _Probe("spans", "POST", "/v1/traces", body=spans.SerializeToString(), headers=binary)
    yield _Probe(
        "presigned", "POST", "/api/2.0/mlflow/artifacts/presigned-upload-url", body=b"{}", expected=(403,)
    )
    yield _Probe("multipart", "POST", "/api/2.0/mlflow-artifacts/mpu/create/0/a", body=b"{}", expected=(403,))
    yield _Probe("unknown", "POST", "/api/9.0/mlflow/not-a-route", body=_json(named), expected=(403,))


class _Anybody:
    """An authenticator that lets the self-test in with every action; it is part of nothing that listens."""

    def remembered(self, headers: object) -> Caller:
        return Caller("pipeline", Label("canary"), frozenset(Action))


class _Trap:
    """Stands where MLflow will stand, and counts what reaches it."""

    def __init__(self) -> None:
        self.reached = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.reached += 1
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})


def check_canaries(guards: Guards) -> None:
    """Pass when every probe was refused as it should be.

    Raises :class:`GuardNotWhole` that names the probe that was not.
    """
    failures: list[BaseException] = []

    def run() -> None:  # in a thread of its own: the server's loop may be running already
        try:
            asyncio.run(_check(guards))
        except BaseException as failure:  # noqa: BLE001 - handed over to the thread that waits
            failures.append(failure)

    thread = threading.Thread(target=run, name="tracking-canary")
    thread.start()
    thread.join()
    if failures:
        raise failures[0]


async def _check(guards: Guards) -> None:
    trap = _Trap()
    stranger = GuardedMlflow(trap, guards)
    anybody = cast("Authenticator", _Anybody())
    known = GuardedMlflow(trap, replace(guards, authenticator=anybody))
    for probe in _probes():
        if await _ask(stranger, probe) != 401 or trap.reached:
            raise _through(probe.name)
        if await _ask(known, probe) not in probe.expected or trap.reached:
            raise _through(probe.name)
    clean = _Probe("clean", "POST", "/api/2.0/mlflow/experiments/search", body=_json({"max_results": 1}))
    if await _ask(known, clean) != 200 or trap.reached != 1:
        raise GuardNotWhole("The guard refuses what is clean, so its self-test says nothing")


def _through(name: str) -> GuardNotWhole:
    return GuardNotWhole(
        "A canary was not refused as it should be; the server does not start", probe=Label(name)
    )


async def _ask(app: GuardedMlflow, probe: _Probe) -> int:
    headers = [(name.encode(), value.encode()) for name, value in probe.headers]
    scope: Scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": probe.method,
        "scheme": "http", "path": probe.path, "raw_path": probe.path.encode(), "query_string": probe.query,
        "root_path": "", "headers": headers, "client": ("127.0.0.1", 0), "server": ("127.0.0.1", 0),
    }  # fmt: skip
    status = 0

    async def receive() -> Message:
        return {"type": "http.request", "body": probe.body, "more_body": False}

    async def send(message: Message) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]

    await app(scope, receive, send)
    return status


__all__ = ["CANARY", "check_canaries"]
