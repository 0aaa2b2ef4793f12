"""PHI by every way to write: refused with the field and the class, and kept nowhere."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from medcairn.tracking.server.canary import CANARY

from .tracking_server import Server
from .writes import API, WRITES, Clean

SSN = "417-82-6350"
assert SSN != CANARY


@pytest.fixture(scope="module")
def clean(server: Server) -> Iterator[Clean]:
    with server.client() as http:
        yield Clean.made(http)


@pytest.mark.parametrize("way", WRITES)
def test_an_identifier_is_refused_by_field_and_class_and_never_quoted(clean: Clean, way: str) -> None:
    answer = WRITES[way](clean, SSN)
    assert answer.status_code == 400, answer.text
    told = answer.json()
    assert told["error_code"] == "INVALID_PARAMETER_VALUE"
    assert {finding["class"] for finding in told["findings"]} == {"ssn"}
    assert all(finding["field"] in told["message"] for finding in told["findings"])
    assert SSN not in answer.text


def test_what_was_refused_is_kept_nowhere(server: Server, clean: Clean) -> None:
    holding = [name for name, data in server.kept() if SSN.encode() in data]
    assert holding == []


def test_a_refused_batch_stores_nothing_and_a_clean_retry_succeeds(server: Server) -> None:
    with server.client() as http:
        clean = Clean.made(http, "batches")
        WRITES["batch"](clean, SSN)
        seen = http.get(API + "runs/get", params={"run_id": clean.run}).json()["run"]["data"]
        assert "batched" not in str(seen)
        assert WRITES["batch"](clean, "2").status_code == 200
        seen = http.get(API + "runs/get", params={"run_id": clean.run}).json()["run"]["data"]
    assert {"key": "batched", "value": "1"} in seen["params"]
    assert [metric["key"] for metric in seen["metrics"]] == ["batched_metric"]


@pytest.mark.parametrize("way", WRITES)
def test_a_clean_value_goes_the_same_way(clean: Clean, way: str) -> None:
    answer = WRITES[way](clean, "gamma")
    assert answer.status_code in (200, 404), answer.text  # MLflow's 404: there is no such thing
    assert "guard" not in answer.text
