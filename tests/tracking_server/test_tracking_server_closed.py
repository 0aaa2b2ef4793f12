"""Whatever goes wrong in front of MLflow, the request does not reach it."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator

import httpx
import pytest

from .tracking_server import PASSWORD, Server
from .writes import API, FILES, WRITES, Clean

SSN = "417-82-6350"
JSON_TYPE = {"content-type": "application/json"}
BATCH = API + "runs/log-batch"


@pytest.fixture(scope="module")
def clean(server: Server) -> Iterator[Clean]:
    with server.client() as http:
        yield Clean.made(http, "closed")


@pytest.mark.parametrize("way", WRITES)
def test_without_signing_in_it_is_401_before_anything_is_looked_at(
    server: Server, clean: Clean, way: str
) -> None:
    with httpx.Client(base_url=server.url) as stranger:
        answer = WRITES[way](
            Clean(stranger, clean.experiment, clean.run, clean.model, clean.logged_model), SSN
        )
    assert answer.status_code == 401
    assert "ssn" not in answer.text


@pytest.mark.parametrize(
    ("name", "password"),
    [("dora", "wrong"), ("nobody", PASSWORD), ("", ""), ("dora", ""), ("Dora\u0000", PASSWORD)],
)
def test_wrong_credentials_are_401(server: Server, name: str, password: str) -> None:
    with server.client(name, password) as http:
        assert http.get(API + "experiments/search").status_code == 401


@pytest.mark.parametrize(
    "authorization",
    ["Basic", "Basic !!!", "Basic ZG9yYQ==", "Bearer mct_000000000000_x", "Digest a=b", "Negotiate"],
)
def test_unreadable_credentials_are_401(server: Server, authorization: str) -> None:
    answer = httpx.get(server.url + API + "experiments/search", headers={"authorization": authorization})
    assert answer.status_code == 401


def _text(**body: object) -> bytes:
    return json.dumps(body).encode()


FORMS: list[tuple[str, bytes, dict[str, str], int]] = [
    ("one key twice", b'{"run_id": "a", "run_id": "b"}', JSON_TYPE, 400),
    ("one key twice, within", b'{"tags": [{"key": "a", "key": "b"}]}', JSON_TYPE, 400),
    ("no JSON", b'{"run_id": ', JSON_TYPE, 400),
    ("a list", b"[]", JSON_TYPE, 400),
    ("JSON in JSON", json.dumps(json.dumps({"run_id": "a"})).encode(), JSON_TYPE, 400),
    ("UTF-16", json.dumps({"run_id": "a"}).encode("utf-16"), JSON_TYPE, 400),
    ("half a surrogate pair", b'{"run_id": "\\ud800"}', JSON_TYPE, 400),
    ("not UTF-8", b'{"run_id": "\xff"}', JSON_TYPE, 400),
    ("too deep", b'{"a":' * 100_000 + b"1" + b"}" * 100_000, JSON_TYPE, 400),
    ("another type", _text(run_id="a"), {"content-type": "text/plain"}, 415),
    ("a form", b"run_id=a", {"content-type": "application/x-www-form-urlencoded"}, 415),
    ("another charset", _text(run_id="a"), {"content-type": "application/json; charset=utf-16"}, 415),
    ("deflate", b"x", {**JSON_TYPE, "content-encoding": "deflate"}, 415),
    ("twice gzip", gzip.compress(gzip.compress(b"{}")), {**JSON_TYPE, "content-encoding": "gzip, gzip"}, 415),
    ("no gzip", b"{}", {**JSON_TYPE, "content-encoding": "gzip"}, 400),
    ("gzip cut off", gzip.compress(_text(a="b"))[:-4], {**JSON_TYPE, "content-encoding": "gzip"}, 400),
    ("gzip and more", gzip.compress(b"{}") + b"more", {**JSON_TYPE, "content-encoding": "gzip"}, 400),
    ("two gzips", gzip.compress(b"{}") * 2, {**JSON_TYPE, "content-encoding": "gzip"}, 400),
    ("too large", _text(run_id="a" * (1 << 20)), JSON_TYPE, 413),
    ("a bomb", gzip.compress(_text(run_id="a" * (64 << 20))), {**JSON_TYPE, "content-encoding": "gzip"}, 413),
]  # fmt: skip


@pytest.mark.parametrize(("name", "body", "headers", "status"), FORMS, ids=[row[0] for row in FORMS])
def test_forms_that_two_readers_could_read_apart_are_refused(
    clean: Clean, name: str, body: bytes, headers: dict[str, str], status: int
) -> None:
    answer = clean.http.post(BATCH, content=body, headers=headers)
    assert answer.status_code == status, answer.text


def test_a_body_without_a_declared_length_is_counted_as_it_comes(clean: Clean) -> None:
    answer = clean.http.post(BATCH, content=iter([b" " * (1 << 16)] * 20), headers=JSON_TYPE)
    assert answer.status_code == 413


def test_an_artifact_beyond_the_cap_is_refused(clean: Clean) -> None:
    path = f"{FILES}{clean.experiment}/{clean.run}/artifacts/big.txt"
    assert clean.http.put(path, content=b"a" * ((4 << 20) + 1)).status_code == 413


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/2.0/mlflow/runs//log-batch"),
        ("POST", "/api/2.0/mlflow/runs/log-batch/"),
        ("POST", "/api/4.0/mlflow/runs/log-batch"),
        ("PUT", "/api/2.0/mlflow/runs/log-batch"),
        ("BREW", "/api/2.0/mlflow/runs/log-batch"),
        ("OPTIONS", "/api/2.0/mlflow/runs/log-batch"),
        ("GET", "/graphql"),
        ("POST", "/api/2.0/mlflow/webhooks"),
        ("POST", "/gateway/a/mlflow/invocations"),
        ("POST", "/ajax-api/3.0/mlflow/assistant/message"),
        ("POST", "/ajax-api/3.0/jobs/"),
        ("POST", "/api/2.0/mlflow/artifacts/presigned-upload-url"),
        ("POST", "/api/2.0/mlflow-artifacts/mpu/create/0/a.txt"),
        ("GET", "/api/2.0/mlflow-artifacts/presigned/0/a.txt"),
    ],
)
def test_routes_that_nobody_opened_are_closed(clean: Clean, method: str, path: str) -> None:
    answer = clean.http.request(method, path, json={})
    assert answer.status_code == 403
    assert answer.json()["error_code"] == "PERMISSION_DENIED"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("experiments/create", {"name": "out", "artifact_location": "s3://bucket/out"}),
        ("experiments/create", {"name": "out", "artifactLocation": "file:///tmp/out"}),
        ("model-versions/create", {"name": "closed", "source": "s3://bucket/model"}),
    ],
)
def test_artifacts_may_not_lie_where_clients_reach_them(
    clean: Clean, path: str, body: dict[str, str]
) -> None:
    answer = clean.post(API + path, **body)
    assert answer.status_code == 400
    assert "behind this server" in answer.json()["message"]


@pytest.mark.parametrize(
    "text", ['mutation { testMutation(inputString: "a") { output } }', "subscription { a }", "{ a", "", 7]
)
def test_graphql_is_for_queries_alone(clean: Clean, text: object) -> None:
    assert clean.post("/graphql", query=text).status_code == 403


def test_a_web_socket_is_closed(server: Server) -> None:
    answer = httpx.get(
        server.url + "/graphql",
        headers={"connection": "upgrade", "upgrade": "websocket", "sec-websocket-version": "13",
                 "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA=="},
    )  # fmt: skip
    assert answer.status_code in (401, 403, 426)
