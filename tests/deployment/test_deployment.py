"""Deployment records, the order of states, and the smoke test against services that are not well."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from medcairn.core.clock import FixedClock
from medcairn.core.digests import digest_bytes
from medcairn.core.errors import ExternalError, IntegrityError, UsageError
from medcairn.core.files import write_json
from medcairn.core.labels import Label
from medcairn.deployment import (
    SmokeCheck,
    SmokeReport,
    deploy,
    read_deployment,
    smoke_test,
)

CLOCK = FixedClock(datetime(2026, 3, 1, 12, 0, tzinfo=UTC))
DIGEST = digest_bytes(b"package")


@pytest.fixture
def package(tmp_path: Path) -> Path:
    folder = tmp_path / "package"
    write_json(folder / "package.json", {"name": "readmission_30d", "version": "1"})
    described = (folder / "package.json").read_bytes()
    write_json(folder / "digests.json", {"package.json": digest_bytes(described)})
    return folder


def test_a_deployment_is_recorded_and_read_back(tmp_path: Path, package: Path) -> None:
    report = deploy(package, tmp_path, environment=Label("ward-7"), clock=CLOCK)
    assert read_deployment(tmp_path) == report
    assert report.facts() == {
        "name": "readmission_30d",
        "version": "1",
        "package_digest": digest_bytes((package / "digests.json").read_bytes()),
        "environment": "ward-7",
        "state": "shadow",
    }


def test_the_operator_may_state_the_digest_of_the_image(tmp_path: Path, package: Path) -> None:
    image = digest_bytes(b"image")
    report = deploy(package, tmp_path, environment=Label("ward-7"), clock=CLOCK, image_digest=image)
    assert report.facts()["image_digest"] == image
    assert read_deployment(tmp_path) == report


def test_what_is_no_package_is_not_deployed(tmp_path: Path, package: Path) -> None:
    with pytest.raises(UsageError):
        deploy(tmp_path, tmp_path, environment=Label("ward-7"), clock=CLOCK)
    (package / "package.json").write_text('{"name": "other", "version": "1"}')
    with pytest.raises(IntegrityError):
        deploy(package, tmp_path, environment=Label("ward-7"), clock=CLOCK)


def test_a_broken_record_is_an_integrity_failure(tmp_path: Path) -> None:
    (tmp_path / "deployment.json").write_text("{}")
    with pytest.raises(IntegrityError):
        read_deployment(tmp_path)


class Service(BaseHTTPRequestHandler):
    """Answers every vector with ``probability``; ``broken`` names the path that fails."""

    probability: object = 0.25
    first_probability: object = None
    digest: str = DIGEST
    broken = ""
    purposes: list[str]

    def do_GET(self) -> None:
        self._answer({})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.purposes.append(body["purpose"])
        first = self.first_probability is not None and len(self.purposes) == 1
        given = self.first_probability if first else self.probability
        self._answer({"probability": given, "model": {"digest": self.digest}})

    def log_message(self, format: str, *args: object) -> None:
        pass

    def _answer(self, value: object) -> None:
        data = b"<html>" if self.broken == "all" else json.dumps(value).encode()
        self.send_response(503 if self.path == self.broken else 200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@contextmanager
def serving(**attributes: object) -> Iterator[tuple[str, list[str]]]:
    purposes: list[str] = []
    handler = type("Handler", (Service,), {**attributes, "purposes": purposes})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}", purposes
        server.shutdown()
        thread.join()


@pytest.fixture
def vectors(tmp_path: Path) -> Path:
    path = tmp_path / "test-vectors.json"
    missing, zero = {"features": {"a": None}}, {"features": {"a": 0.0}}
    write_json(path, {"vectors": [{**missing, "probability": 0.25}, {**zero, "probability": 0.25}]})
    return path


def failed(report: SmokeReport) -> set[SmokeCheck]:
    return {check for check, passed in report.outcomes if not passed}


def test_a_healthy_service_passes(vectors: Path) -> None:
    with serving() as (url, purposes):
        report = smoke_test(url, vectors, package_digest=DIGEST)
    assert report.passed
    assert report.facts()["largest_difference"] == 0.0
    assert purposes == ["smoke_test", "smoke_test"]


UNWELL: list[tuple[dict[str, object], set[SmokeCheck]]] = [
    ({"probability": 0.25 + 0.9e-9}, set()),
    ({"probability": 0.25 + 1.1e-9}, {SmokeCheck.VECTORS}),
    ({"probability": None}, {SmokeCheck.VECTORS}),
    ({"probability": True}, {SmokeCheck.VECTORS}),
    ({"probability": float("nan")}, {SmokeCheck.VECTORS}),
    ({"probability": float("nan"), "first_probability": 0.25}, {SmokeCheck.VECTORS}),
    ({"first_probability": 0.3}, {SmokeCheck.VECTORS}),
    ({"digest": str(digest_bytes(b"another"))}, {SmokeCheck.MODEL}),
    ({"broken": "/health/live"}, {SmokeCheck.LIVE}),
    ({"broken": "/health/ready"}, {SmokeCheck.READY}),
    ({"broken": "/model-card"}, {SmokeCheck.CARD}),
    ({"broken": "/predict"}, {SmokeCheck.VECTORS, SmokeCheck.MODEL}),
    ({"broken": "all"}, {SmokeCheck.VECTORS, SmokeCheck.MODEL}),
]


@pytest.mark.parametrize(("attributes", "expected"), UNWELL)
def test_what_is_not_well_is_named(
    vectors: Path, attributes: dict[str, object], expected: set[SmokeCheck]
) -> None:
    with serving(**attributes) as (url, _):
        report = smoke_test(url, vectors, package_digest=DIGEST)
    assert failed(report) == expected
    assert report.passed is (expected == set())


def test_a_service_that_is_not_there(vectors: Path) -> None:
    with pytest.raises(ExternalError, match="running there"):
        smoke_test("http://127.0.0.1:9", vectors)


@pytest.mark.parametrize("text", ["", "{}", '{"vectors": []}', '{"vectors": [{}]}'])
def test_without_vectors_nothing_passes(tmp_path: Path, text: str) -> None:
    (tmp_path / "v.json").write_text(text)
    with pytest.raises(UsageError):
        smoke_test("http://127.0.0.1:9", tmp_path / "v.json")
