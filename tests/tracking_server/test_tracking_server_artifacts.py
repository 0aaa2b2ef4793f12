"""Artifacts by both routes: searched by kind, stored whole when clean, kept nowhere when not."""

from __future__ import annotations

import pickle
from collections.abc import Iterator

import httpx
import pytest

from .artifacts import MAKERS
from .tracking_server import Server
from .writes import API, FILES, Clean

SSN = "417-82-6350"


@pytest.fixture(scope="module")
def clean(server: Server) -> Iterator[Clean]:
    with server.client() as http:
        yield Clean.made(http, "artifacts")


def _put(clean: Clean, name: str, data: bytes) -> httpx.Response:
    return clean.http.put(f"{FILES}{clean.experiment}/{clean.run}/artifacts/{name}", content=data)


def _post(clean: Clean, name: str, data: bytes) -> httpx.Response:
    return clean.http.post(
        "/ajax-api/2.0/mlflow/upload-artifact", params={"run_uuid": clean.run, "path": name}, content=data
    )


@pytest.mark.parametrize("send", [_put, _post])
@pytest.mark.parametrize("name", MAKERS)
def test_an_identifier_in_an_artifact_is_refused(clean: Clean, name: str, send: object) -> None:
    assert callable(send)
    answer = send(clean, name, MAKERS[name](SSN))
    assert answer.status_code == 400, answer.text
    assert {finding["class"] for finding in answer.json()["findings"]} == {"ssn"}
    assert answer.json()["findings"][0]["field"].startswith("artifact")
    assert SSN not in answer.text


@pytest.mark.parametrize("name", MAKERS)
def test_a_clean_artifact_comes_back_byte_for_byte(clean: Clean, name: str) -> None:
    data = MAKERS[name]("all is well")
    assert _put(clean, name, data).status_code == 200
    back = clean.http.get(f"{FILES}{clean.experiment}/{clean.run}/artifacts/{name}")
    assert back.content == data


def test_a_large_artifact_goes_by_way_of_a_file_and_comes_back(clean: Clean) -> None:
    data = b"seed,score\n" + b"1,0.25\n" * 400_000
    assert _put(clean, "large.csv", data).status_code == 200
    assert clean.http.get(f"{FILES}{clean.experiment}/{clean.run}/artifacts/large.csv").content == data


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("model.pkl", pickle.dumps({"a": [1]})),
        ("page.bin", bytes(range(256))),
        ("part.parquet", b"PAR1 no parquet"),
        ("bundle.zip", b"PK\x03\x04 no zip"),
    ],
)
def test_what_cannot_be_searched_is_refused_with_the_reason(clean: Clean, name: str, data: bytes) -> None:
    answer = _put(clean, name, data)
    assert answer.status_code == 415
    assert "Refused by the PHI guard, this artifact:" in answer.json()["message"]


@pytest.mark.parametrize("name", [f"of {SSN}.txt", f"{SSN}/a.txt", "%34%31%37-82-6350.txt"])
def test_an_identifier_in_the_name_of_an_artifact_is_refused(clean: Clean, name: str) -> None:
    for send in (_put, _post):
        answer = send(clean, name, b"clean")
        assert answer.status_code == 400
        assert answer.json()["findings"][0]["class"] == "ssn"


def test_nothing_that_was_refused_is_kept(server: Server, clean: Clean) -> None:
    listed = clean.http.get(API + "artifacts/list", params={"run_id": clean.run}).text
    assert "model.pkl" not in listed
    assert [name for name, data in server.kept() if SSN.encode() in data] == []
