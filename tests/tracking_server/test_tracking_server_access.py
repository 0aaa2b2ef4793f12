"""Departments, signed versions and the audit trail, on a running server."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from medcairn.audit import Event, EventType, Ledger, read_events, verify_ledger
from medcairn.core.clock import RandomIds, SystemClock

from .tracking_server import Server
from .writes import API, FILES, V3, WRITES, Clean, sent


@pytest.fixture(scope="module")
def cara(server: Server) -> Iterator[httpx.Client]:
    """Of cardiology alone."""
    with server.client("cara") as http:
        yield http


@pytest.fixture(scope="module")
def dora(server: Server) -> Iterator[httpx.Client]:
    with server.client("dora") as http:
        yield http


@pytest.fixture(scope="module")
def ours(dora: httpx.Client) -> Clean:
    return Clean.made(dora, "cardio.rhythm")


@pytest.fixture(scope="module")
def theirs(dora: httpx.Client) -> Clean:
    return Clean.made(dora, "onco.staging")


READS = [
    ("GET", API + "experiments/get?experiment_id={experiment}"),
    ("GET", API + "experiments/get-by-name?experiment_name={model}"),
    ("GET", API + "runs/get?run_id={run}"),
    ("GET", API + "runs/get?run_uuid={run}"),
    ("GET", API + "metrics/get-history?run_id={run}&metric_key=a"),
    ("GET", API + "artifacts/list?run_id={run}"),
    ("GET", API + "registered-models/get?name={model}"),
    ("GET", API + "model-versions/get?name={model}&version=1"),
    ("GET", API + "logged-models/{logged_model}"),
    ("GET", "/api/2.0/mlflow-artifacts/artifacts?path={experiment}/{run}/artifacts"),
]


@pytest.mark.parametrize(("method", "path"), READS)
def test_a_department_reads_what_is_its_own_and_nothing_else(
    cara: httpx.Client, ours: Clean, theirs: Clean, method: str, path: str
) -> None:
    def status(of: Clean) -> int:
        return cara.request(method, path.format(**vars(of))).status_code

    assert status(ours) == 200
    assert status(theirs) == 403


DODGES: list[tuple[str, dict[str, object]]] = [
    ("runs/set-tag", {"run_id": "{theirs}", "key": "a", "value": "b"}),
    ("runs/set-tag", {"runId": "{theirs}", "key": "a", "value": "b"}),
    ("runs/set-tag", {"run_uuid": "{theirs}", "key": "a", "value": "b"}),
    ("runs/set-tag", {"runUuid": "{theirs}", "key": "a", "value": "b"}),
    ("runs/set-tag", {"run_id": "{ours}", "runUuid": "{theirs}", "key": "a", "value": "b"}),
    ("runs/set-tag", {"key": "a", "value": "b"}),
    ("runs/set-tag?run_id={ours}", {"runUuid": "{theirs}", "key": "a", "value": "b"}),
    ("runs/search", {"experiment_ids": ["{ours_experiment}", "{theirs_experiment}"]}),
    ("runs/search", {"experimentIds": ["{theirs_experiment}"]}),
    ("runs/search", {"experiment_ids": []}),
    ("runs/create", {"experiment_id": "{theirs_experiment}"}),
    ("experiments/create", {"name": "onco.other"}),
    ("experiments/update", {"experiment_id": "{ours_experiment}", "new_name": "onco.taken"}),
    ("registered-models/create", {"name": "onco.other"}),
    ("registered-models/rename", {"name": "cardio.rhythm", "new_name": "onco.taken"}),
    ("model-versions/create", {"name": "cardio.rhythm", "source": "models:/{theirs_model}"}),
    ("model-versions/create", {"name": "cardio.rhythm", "source": "mlflow-artifacts:/{theirs_experiment}/a"}),
    ("traces/link-to-run", {"run_id": "{theirs}", "trace_ids": []}),
]  # fmt: skip


@pytest.mark.parametrize(("path", "body"), DODGES)
def test_an_id_under_any_name_and_anywhere_counts(
    cara: httpx.Client, ours: Clean, theirs: Clean, path: str, body: dict[str, object]
) -> None:
    values = {
        "{ours}": ours.run, "{theirs}": theirs.run, "{ours_experiment}": ours.experiment,
        "{theirs_experiment}": theirs.experiment, "{theirs_model}": theirs.logged_model,
    }  # fmt: skip

    def filled(value: object) -> object:
        if isinstance(value, dict):
            return {key: filled(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [filled(inner) for inner in value]
        for place, real in values.items():
            value = str(value).replace(place, real)
        return value

    answer = cara.post(API + str(filled(path)), json=filled(body))
    assert answer.status_code == 403, answer.text
    assert "that you reach" in answer.json()["message"]


def test_spans_and_files_go_to_ones_own_experiments(cara: httpx.Client, ours: Clean, theirs: Clean) -> None:
    for of, expected in ((ours, 200), (theirs, 403)):
        mine = Clean(cara, of.experiment, of.run, of.model, of.logged_model)
        assert WRITES["spans, name"](mine, "predict").status_code == expected
    elsewhere = f"{FILES}{theirs.experiment}/{theirs.run}/artifacts/a.txt"
    assert cara.put(elsewhere, content=b"clean").status_code == 403
    assert cara.delete(elsewhere).status_code == 403
    up = f"{FILES}{ours.experiment}/%2E%2E/{theirs.experiment}/{theirs.run}/artifacts/a.txt"
    assert cara.put(up, content=b"clean").status_code == 403


def test_lists_hold_only_what_is_reached(
    cara: httpx.Client, dora: httpx.Client, ours: Clean, theirs: Clean
) -> None:
    for path, key in (
        ("experiments/search?max_results=100", "experiments"),
        ("registered-models/search", "registered_models"),
        ("model-versions/search", "model_versions"),
    ):
        seen = {entry["name"] for entry in cara.get(API + path).json()[key]}
        everything = {entry["name"] for entry in dora.get(API + path).json()[key]}
        assert seen == {"cardio.rhythm"}
        assert {"cardio.rhythm", "onco.staging"} <= everything


def test_what_names_no_experiment_is_for_those_who_reach_all(cara: httpx.Client, dora: httpx.Client) -> None:
    body = {"query": 'query { test(inputString: "a") { output } }'}
    assert cara.post("/graphql", json=body).status_code == 403
    assert dora.post("/graphql", json=body).status_code == 200


def _moved(server: Server, model: str, *states: str) -> None:
    """Let the ledger tell that version 1 of ``model`` moved."""
    keys = server.folder / "keys" / "ledger.key"
    with Ledger.open(server.folder / "ledger.db", keys, clock=SystemClock(), ids=RandomIds()) as ledger:
        for state in states:
            record = {"model": model, "version": "1", "state": state, "previous": None}
            ledger.append(EventType.MODEL_TRANSITIONED, actor="person:quinn", record=record)


def _alias(http: httpx.Client, model: str, alias: str) -> int:
    return http.post(
        API + "registered-models/alias", json={"name": model, "alias": alias, "version": "1"}
    ).status_code


def test_protected_aliases_and_stages_follow_the_signatures(server: Server, dora: httpx.Client) -> None:
    made = Clean.made(dora, "heart-failure")
    with server.client("olga") as olga:
        stage = {"name": made.model, "version": "1", "stage": "Production"}
        assert _alias(olga, made.model, "latest-try") == 200
        assert _alias(olga, made.model, "Champion") == 403
        assert olga.post(API + "model-versions/transition-stage", json=stage).status_code == 403
        _moved(server, made.model, "candidate", "validated", "approved", "shadow", "canary")
        assert _alias(olga, made.model, "champion") == 403
        _moved(server, made.model, "production")
        assert _alias(dora, made.model, "champion") == 403, "who builds does not promote"
        assert _alias(olga, made.model, "champion") == 200
        assert olga.post(API + "model-versions/transition-stage", json=stage).status_code == 200
        gone = {"name": made.model, "alias": "champion"}
        assert olga.request("DELETE", API + "registered-models/alias", json=gone).status_code == 403
        _moved(server, made.model, "retired")
        assert olga.request("DELETE", API + "registered-models/alias", json=gone).status_code == 200


def test_a_signed_version_is_not_edited(server: Server, dora: httpx.Client) -> None:
    made = Clean.made(dora, "stroke")
    version = {"name": made.model, "version": "1"}

    def edits(http: httpx.Client) -> list[int]:
        return [
            answer.status_code
            for answer in (
                http.post(API + "model-versions/set-tag", json={**version, "key": "a", "value": "b"}),
                http.patch(API + "model-versions/update", json={**version, "description": "better"}),
                http.request("DELETE", API + "model-versions/delete-tag", json={**version, "key": "a"}),
                http.post(API + "registered-models/rename", json={"name": made.model, "new_name": "s2"}),
            )
        ]

    with server.client("olga"):
        _moved(server, made.model, "candidate", "validated")
        assert edits(dora)[:3] == [200, 200, 200]
        sent(dora, API + "registered-models/rename", name="s2", new_name=made.model)
        _moved(server, made.model, "approved")
        assert edits(dora) == [403, 403, 403, 403]
        told = {**version, "key": "medcairn.state"}
        assert (
            dora.post(API + "model-versions/set-tag", json={**told, "value": "approved"}).status_code == 200
        )
        assert (
            dora.post(API + "model-versions/set-tag", json={**told, "value": "production"}).status_code == 403
        )
    with server.client("quinn") as quinn:
        assert quinn.request("DELETE", API + "model-versions/delete", json=version).status_code == 403


def test_the_files_of_a_signed_version_stay_as_they_are(server: Server, dora: httpx.Client) -> None:
    made = Clean.made(dora, "sepsis")
    root = f"{made.experiment}/{made.run}/artifacts"

    def writes() -> list[int]:
        upload = {"run_uuid": made.run, "path": "model/card.txt"}
        return [
            answer.status_code
            for answer in (
                dora.put(f"{FILES}{root}/model/card.txt", content=b"clean"),
                dora.put(f"{FILES}{made.experiment}/{made.run}/./artifacts/model/card.txt", content=b"clean"),
                dora.post("/ajax-api/2.0/mlflow/upload-artifact", params=upload, content=b"clean"),
                dora.delete(f"{FILES}{root}/model"),
                dora.delete(f"{FILES}{root}"),
                dora.delete(f"{FILES}{made.experiment}"),
            )
        ]

    _moved(server, made.model, "candidate")
    assert writes()[0] == 200
    _moved(server, made.model, "validated", "approved")
    assert writes() == [403] * 6
    assert dora.put(f"{FILES}{root}/model-notes.txt", content=b"clean").status_code == 200


def test_every_request_is_an_event_with_its_route_and_person(server: Server, dora: httpx.Client) -> None:
    before = len(_told(server))
    made = Clean.made(dora, f"audited-{time.time_ns()}")
    dora.get(API + "runs/get", params={"run_id": made.run})
    WRITES["parameter value"](made, "417-82-6350")
    with server.client("audrey") as audrey:
        audrey.post(API + "runs/create", json={"experiment_id": made.experiment})
        audrey.post("/api/2.0/mlflow/nothing", json={})
        dora.put(FILES + f"{made.experiment}/{made.run}/artifacts/no.such-type", content=b"\x00")
    told = [
        (event.actor, event.type.value, event.record["method"], event.record["route"], event.record["status"])
        for event in _told(server)[before:]
    ]
    assert told == [
        ("person:dora", "tracking.accessed", "POST", "api/2.0/mlflow/experiments/create", 200),
        ("person:dora", "tracking.accessed", "POST", "api/2.0/mlflow/runs/create", 200),
        ("person:dora", "tracking.accessed", "POST", "api/2.0/mlflow/registered-models/create", 200),
        ("person:dora", "tracking.accessed", "POST", "api/2.0/mlflow/logged-models", 200),
        ("person:dora", "tracking.accessed", "POST", "api/2.0/mlflow/model-versions/create", 200),
        ("person:dora", "tracking.accessed", "GET", "api/2.0/mlflow/runs/get", 200),
        ("person:dora", "tracking.refused", "POST", "api/2.0/mlflow/runs/log-parameter", 400),
        ("person:audrey", "tracking.refused", "POST", "api/2.0/mlflow/runs/create", 403),
        ("person:audrey", "tracking.refused", "POST", "unknown", 403),
        ("person:dora", "tracking.refused", "PUT", "api/2.0/mlflow-artifacts/artifacts/<artifact_path>", 415),
    ]
    assert _told(server)[before + 6].record["findings"] == [{"field": "body.value", "class": "ssn"}]


def test_many_at_once_are_all_refused_or_stored_and_all_recorded(server: Server, dora: httpx.Client) -> None:
    made = Clean.made(dora, "crowd")
    before = len(_told(server))

    def write(number: int) -> int:
        text = "417-82-6350" if number % 2 else "clean"
        with server.client() as http:
            body = {"run_id": made.run, "key": f"tag_{number}", "value": text}
            return http.post(API + "runs/set-tag", json=body).status_code

    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(write, range(48)))
    assert statuses == [200, 400] * 24
    tags = dora.get(API + "runs/get", params={"run_id": made.run}).json()["run"]["data"]["tags"]
    assert sum(tag["key"].startswith("tag_") for tag in tags) == 24
    told = [event.type.value for event in _told(server)[before:]]
    assert (told.count("tracking.accessed"), told.count("tracking.refused")) == (25, 24)


def test_denied_sign_ins_are_told_to_the_ledger_and_the_ledger_verifies(server: Server) -> None:
    with server.client("quinn", "wrong") as http:
        http.get(V3 + "server-info")
    denied = [stored.event for stored in read_events(server.folder / "ledger.db", EventType.ACCESS_DENIED)]
    assert denied[-1].actor == "person:quinn"
    check = verify_ledger(server.folder / "ledger.db")
    assert check.attack is None


def _told(server: Server) -> list[Event]:
    kinds = (EventType.TRACKING_ACCESSED, EventType.TRACKING_REFUSED)
    return [stored.event for stored in read_events(server.folder / "ledger.db", *kinds)]
