"""The service as a client sees it, over real HTTP."""

from __future__ import annotations

import json
import logging
import math
import socket
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray

from medcairn.audit import EventType, Ledger
from medcairn.core.clock import FixedClock, RandomIds
from medcairn.core.errors import DataError, ExternalError
from medcairn.core.scoring import Scorer
from medcairn.serving import (
    BackgroundServer,
    KnownScore,
    Limits,
    Prediction,
    ServedModel,
    SqlitePredictionRecorder,
    create_app,
    inputs_digest,
    read_predictions,
    recorded_predictions,
)

CANARY = "Zbigniew-Canary-1931"
BUNDLE = {
    "resourceType": "Bundle",
    "type": "collection",
    "entry": [{"resource": {"resourceType": "Patient"}}],
}
INSTANT = "2026-02-01T08:00:00+01:00"


def bundle_features(resources: Sequence[bytes], moment: datetime) -> Mapping[str, float | None]:
    """Counts resources; refuses or breaks when a resource says so."""
    text = b"".join(resources).decode()
    if "unusable" in text:
        raise DataError("A resource of the Bundle cannot be used")
    if "broken" in text:
        raise ValueError(text)
    return {"age_years": float(len(resources)), "hba1c_mean_90d": math.nan}


@pytest.fixture
def client(
    model: ServedModel, scorer: Scorer, recorder: SqlitePredictionRecorder, clock: FixedClock
) -> Iterator[httpx.Client]:
    app = create_app(
        model,
        scorer=scorer,
        recorder=recorder,
        clock=clock,
        ids=RandomIds(),
        bundle_features=bundle_features,
        limits=Limits(body_bytes=20_000, body_seconds=0.5),
    )
    with BackgroundServer(app) as server, httpx.Client(base_url=server.base_url) as opened:
        yield opened


def test_a_prediction_is_answered_recorded_and_in_the_ledger(
    client: httpx.Client, database: Path, ledger: Ledger, model: ServedModel
) -> None:
    response = client.post("/predict", json={"features": {"age_years": 0.5, "hba1c_mean_90d": None}})

    assert response.status_code == 200
    answer = response.json()
    assert answer["probability"] == pytest.approx(1 / (1 + math.exp(-0.5)), abs=1e-15)
    assert answer["model"] == {"name": "readmission_30d", "version": "1", "digest": model.digest}
    assert answer["missing_features"] == 2
    assert answer["inputs_digest"] == inputs_digest(np.array([[math.nan, 0.5, math.nan]]))

    (recorded,) = recorded_predictions(database)
    assert recorded.id == answer["prediction_id"]
    assert recorded.probability == answer["probability"]
    assert recorded.features == {"creatinine_last_365d": None, "age_years": 0.5, "hba1c_mean_90d": None}

    (event,) = [stored.event for stored in ledger.events(EventType.PREDICTION_MADE)]
    assert event.actor == "service:readmission_30d"
    assert event.record == {
        "prediction_id": answer["prediction_id"],
        "record_digest": recorded.digest,
        "package_digest": model.digest,
        "purpose": "care",
    }


def test_a_bundle_is_turned_into_features_for_its_instant(client: httpx.Client, database: Path) -> None:
    response = client.post("/predict", json={"bundle": BUNDLE, "prediction_time": INSTANT})

    assert response.status_code == 200
    assert response.json()["missing_features"] == 2
    table = read_predictions(database)
    assert table["age_years"].to_pylist() == [1.0]
    assert table["hba1c_mean_90d"].to_pylist() == [None]
    assert table["prediction_time"].to_pylist()[0].isoformat() == "2026-02-01T07:00:00+00:00"


REFUSED = {
    "no json": (b'{"features": {"age_years": "' + CANARY.encode(), 400, "not_json"),
    "not UTF-8": (b'{"features": {"age_years": "\xff"}}', 400, "not_json"),
    "NaN is not JSON": (b'{"features": {"age_years": NaN}}', 400, "not_json"),
    "deep nesting": (b'{"features": ' + b"[" * 9000 + b"}", 400, "not_json"),
    "empty": (b"", 400, "not_json"),
    "an array": (b"[]", 422, "wrong_shape"),
    "unknown key": (json.dumps({CANARY: 1, "features": {}}).encode(), 422, "wrong_shape"),
    "neither": (b"{}", 422, "unclear_request"),
    "both": (json.dumps({"features": {}, "bundle": BUNDLE}).encode(), 422, "unclear_request"),
    "unknown purpose": (
        json.dumps({"features": {}, "purpose": CANARY}).encode(),
        422,
        "wrong_shape",
    ),
    "features is text": (json.dumps({"features": CANARY}).encode(), 422, "wrong_shape"),
    "text": (json.dumps({"features": {"age_years": CANARY}}).encode(), 422, "not_a_number"),
    "true": (b'{"features": {"age_years": true}}', 422, "not_a_number"),
    "object": (json.dumps({"features": {"age_years": {"v": CANARY}}}).encode(), 422, "not_a_number"),
    "beyond a double": (b'{"features": {"age_years": 1' + b"0" * 400 + b"}}", 422, "not_a_number"),
    "unknown feature": (
        json.dumps({"features": {"age_years": 1, CANARY: 2}}).encode(),
        422,
        "unknown_feature",
    ),
    "no instant": (json.dumps({"bundle": BUNDLE}).encode(), 422, "no_instant"),
    "instant without zone": (
        json.dumps({"bundle": BUNDLE, "prediction_time": "2026-02-01T08:00:00"}).encode(),
        422,
        "no_instant",
    ),
    "instant is text": (
        json.dumps({"bundle": BUNDLE, "prediction_time": CANARY}).encode(),
        422,
        "no_instant",
    ),
    "not a Bundle": (
        json.dumps({"bundle": {"resourceType": CANARY}, "prediction_time": INSTANT}).encode(),
        422,
        "no_bundle",
    ),
    "unusable resource": (
        json.dumps(
            {
                "bundle": {
                    "resourceType": "Bundle",
                    "entry": [{"resource": {"id": CANARY, "x": "unusable"}}],
                },
                "prediction_time": INSTANT,
            }
        ).encode(),
        422,
        "unusable_bundle",
    ),
    "features break": (
        json.dumps(
            {
                "bundle": {"resourceType": "Bundle", "entry": [{"resource": {"id": CANARY, "x": "broken"}}]},
                "prediction_time": INSTANT,
            }
        ).encode(),
        500,
        "prediction_failed",
    ),
    "too large": (json.dumps({"features": {}, "x": CANARY * 2000}).encode(), 413, "too_large"),
}


def test_a_refusal_has_a_code_and_carries_nothing_that_was_sent(
    client: httpx.Client,
    database: Path,
    subtests: pytest.Subtests,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    for name, (body, status, code) in REFUSED.items():
        with subtests.test(name), caplog.at_level(logging.DEBUG, logger="medcairn"):
            response = client.post("/predict", content=body, headers={"Content-Type": "application/json"})
            assert (response.status_code, response.json()["error"]["code"]) == (status, code)
            assert CANARY not in response.text + str(response.headers)
    assert CANARY not in caplog.text + "".join(capfd.readouterr())
    assert list(recorded_predictions(database)) == []


def test_a_refusal_names_the_feature_at_fault(client: httpx.Client) -> None:
    refused = client.post("/predict", json={"features": {"age_years": "x"}}).json()["error"]
    assert refused["feature"] == "age_years"

    unknown = client.post("/predict", json={"features": {"age_years": 1, "age_year": 2}}).json()["error"]
    assert (unknown["position"], unknown["did_you_mean"]) == (2, "age_years")


def test_only_json_is_taken_so_that_a_web_page_cannot_post_a_form(client: httpx.Client) -> None:
    response = client.post("/predict", content=b"{}", headers={"Content-Type": "text/plain"})
    assert (response.status_code, response.json()["error"]["code"]) == (415, "not_json")


def test_a_body_without_a_length_is_bounded_too(client: httpx.Client) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(50):
            yield b" " * 1000

    response = client.post("/predict", content=endless(), headers={"Content-Type": "application/json"})
    assert response.status_code == 413


def test_a_body_that_does_not_come_is_not_waited_for(client: httpx.Client) -> None:
    with socket.create_connection((client.base_url.host, client.base_url.port or 0), timeout=10) as slow:
        slow.sendall(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n")
        slow.sendall(b"Content-Length: 100\r\n\r\n{")
        assert slow.recv(1000).startswith(b"HTTP/1.1 408")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/predict", 405), ("GET", f"/{CANARY}", 404), ("GET", "/docs", 404)],
)
def test_wrong_addresses_are_answered_in_the_same_form(
    client: httpx.Client, method: str, path: str, status: int
) -> None:
    response = client.request(method, path)
    assert response.status_code == status
    assert CANARY not in response.text
    assert set(response.json()["error"]) == {"code", "message"}


def test_smoke_tests_are_recorded_and_kept_apart(client: httpx.Client, database: Path) -> None:
    client.post("/predict", json={"features": {}, "purpose": "smoke_test"})
    assert len(list(recorded_predictions(database))) == 1
    assert read_predictions(database).num_rows == 0


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "text/html"),
        ("application/json", "application/json"),
        ("*/*", "application/json"),
        ("application/json, text/html", "application/json"),
    ],
)
def test_the_card_is_a_page_for_browsers_and_json_for_programs(
    client: httpx.Client, model: ServedModel, accept: str, kind: str
) -> None:
    response = client.get("/model-card", headers={"Accept": accept})
    assert response.headers["content-type"].startswith(kind)
    assert response.content == (model.card_page if kind == "text/html" else model.card_json)


def test_metrics_count_outcomes_and_name_no_subject(client: httpx.Client) -> None:
    client.post("/predict", json={"features": {"age_years": 3}})
    client.post("/predict", json={"features": {CANARY: 3}})
    text = client.get("/metrics").text
    assert 'medcairn_prediction_requests_total{outcome="answered"} 1.0' in text
    assert 'medcairn_prediction_requests_total{outcome="refused"} 1.0' in text
    assert 'medcairn_prediction_score_bucket{le="0.9"} 0.0' in text
    assert 'medcairn_prediction_score_bucket{le="1.0"} 1.0' in text
    assert CANARY not in text


def test_ready_says_which_model(client: httpx.Client, model: ServedModel) -> None:
    assert client.get("/health/live").json() == {"status": "live"}
    ready = client.get("/health/ready")
    assert (ready.status_code, ready.json()["model"]["digest"]) == (200, model.digest)


class _FullDisk:
    """A recorder that cannot write."""

    def record(self, prediction: Prediction) -> None:
        raise sqlite3.OperationalError(CANARY)

    def check_ready(self) -> None:
        raise ExternalError("The disk is full")

    def close(self) -> None:
        pass


class _Drifted:
    """A scorer that gives the constant answer that it is told."""

    def __init__(self, answer: float) -> None:
        self.feature_names = ("age_years",)
        self._answer = answer

    def score(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.full(len(rows), self._answer)


def test_without_a_record_there_is_no_answer(
    model: ServedModel, scorer: Scorer, clock: FixedClock, caplog: pytest.LogCaptureFixture
) -> None:
    app = create_app(model, scorer=scorer, recorder=_FullDisk(), clock=clock, ids=RandomIds())
    with BackgroundServer(app) as server, httpx.Client(base_url=server.base_url) as client:
        response = client.post("/predict", json={"features": {"age_years": 1}})
        ready = client.get("/health/ready")
    assert (response.status_code, response.json()["error"]["code"]) == (503, "not_recorded")
    assert "probability" not in response.text
    assert (ready.status_code, ready.json()["check"]) == (503, "record")
    assert CANARY not in response.text + caplog.text


@pytest.mark.parametrize("answer", [math.nan, 1.5, -0.1])
def test_an_answer_that_is_no_probability_is_not_given(
    model: ServedModel, recorder: SqlitePredictionRecorder, clock: FixedClock, database: Path, answer: float
) -> None:
    app = create_app(model, scorer=_Drifted(answer), recorder=recorder, clock=clock, ids=RandomIds())
    with BackgroundServer(app) as server, httpx.Client(base_url=server.base_url) as client:
        assert client.post("/predict", json={"features": {"age_years": 1}}).status_code == 500
    assert list(recorded_predictions(database)) == []


@pytest.mark.parametrize("answer", [0.4, math.nan])
def test_a_model_that_is_not_the_packaged_one_is_not_ready(
    model: ServedModel, recorder: SqlitePredictionRecorder, clock: FixedClock, answer: float
) -> None:
    app = create_app(model, scorer=_Drifted(answer), recorder=recorder, clock=clock, ids=RandomIds())
    with BackgroundServer(app) as server, httpx.Client(base_url=server.base_url) as client:
        ready = client.get("/health/ready")
    assert (ready.status_code, ready.json()["check"]) == (503, "model")


def test_a_bundle_is_refused_where_features_cannot_be_computed(
    model: ServedModel, scorer: Scorer, recorder: SqlitePredictionRecorder, clock: FixedClock
) -> None:
    app = create_app(model, scorer=scorer, recorder=recorder, clock=clock, ids=RandomIds())
    with BackgroundServer(app) as server, httpx.Client(base_url=server.base_url) as client:
        response = client.post("/predict", json={"bundle": BUNDLE, "prediction_time": INSTANT})
    assert (response.status_code, response.json()["error"]["code"]) == (422, "no_bundles")


def test_a_port_in_use_is_a_clear_error(
    model: ServedModel, scorer: Scorer, recorder: SqlitePredictionRecorder, clock: FixedClock
) -> None:
    app = create_app(model, scorer=scorer, recorder=recorder, clock=clock, ids=RandomIds())
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = int(taken.getsockname()[1])
        with pytest.raises(ExternalError, match="in use") as refused, BackgroundServer(app, port=port):
            pass
    assert refused.value.fields["port"] == port


def test_answers_do_not_wait_for_the_clients_acknowledgement(client: httpx.Client) -> None:
    """Without TCP_NODELAY on the listener each answer took 40 ms, the delayed acknowledgement."""
    for _ in range(5):
        client.post("/predict", json={"features": {}})
    seconds = sorted(
        client.post("/predict", json={"features": {}}).elapsed.total_seconds() for _ in range(25)
    )
    assert seconds[2] < 0.035


def test_the_description_is_served(client: httpx.Client) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    assert set(paths) == {"/predict", "/metrics", "/health/live", "/health/ready", "/model-card"}
    assert "oneOf" in paths["/predict"]["post"]["requestBody"]["content"]["application/json"]["schema"]


def test_a_model_without_vectors_is_never_ready(
    scorer: Scorer, recorder: SqlitePredictionRecorder, clock: FixedClock, model: ServedModel
) -> None:
    bare = ServedModel(model.name, model.version, model.digest, b"{}", b"", known_scores=())
    app = create_app(bare, scorer=scorer, recorder=recorder, clock=clock, ids=RandomIds())
    with BackgroundServer(app) as server, httpx.Client(base_url=server.base_url) as client:
        assert client.get("/health/ready").status_code == 503


def test_known_scores_are_compared_at_one_part_in_a_billion(
    scorer: Scorer, recorder: SqlitePredictionRecorder, clock: FixedClock, model: ServedModel
) -> None:
    off = ServedModel(model.name, model.version, model.digest, b"{}", b"", (KnownScore({}, 0.5 + 2e-9),))
    app = create_app(off, scorer=scorer, recorder=recorder, clock=clock, ids=RandomIds())
    with BackgroundServer(app) as server, httpx.Client(base_url=server.base_url) as client:
        assert client.get("/health/ready").status_code == 503
