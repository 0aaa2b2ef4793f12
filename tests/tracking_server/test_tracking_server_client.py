"""MLflow's own client, as people use it, against a guarded server on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from medcairn.tracking import open_client

from .artifacts import MAKERS
from .tracking_server import PASSWORD, Server
from .writes import WRITES, Clean

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from audit.postgres_server import PostgresServer

SSN = "417-82-6350"

Act = Callable[["MlflowClient", str, str, Path], object]

ACTS: dict[str, Act] = {
    "parameter": lambda c, run, text, _: c.log_param(run, "who", text),
    "parameter key": lambda c, run, text, _: c.log_param(run, f"p {text}", 1),
    "metric": lambda c, run, text, _: c.log_metric(run, f"m {text}", 0.5),
    "tag": lambda c, run, text, _: c.set_tag(run, "note", text),
    "run name": lambda c, run, text, _: c.create_run("0", run_name=f"of {text}"),
    "experiment": lambda c, run, text, _: c.create_experiment(f"study {text}"),
    "model": lambda c, run, text, _: c.create_registered_model(f"model {text}"),
    "model description": lambda c, run, text, _: c.create_registered_model("m", description=text),
    "text": lambda c, run, text, _: c.log_text(run, f"of {text}", "a.txt"),
    "dictionary": lambda c, run, text, _: c.log_dict(run, {"a": {"b": text}}, "a.json"),
    "file": lambda c, run, text, tmp: c.log_artifact(run, str(_file(tmp, text))),
    "logged model": lambda c, run, text, _: c.create_logged_model("0", name="m", params={"who": text}),
}


def _file(folder: Path, text: str) -> Path:
    path = folder / "table.csv"
    path.write_bytes(MAKERS["table.csv"](text))
    return path


@pytest.fixture(scope="module")
def credentials() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as environ:
        environ.setenv("MLFLOW_TRACKING_USERNAME", "dora")
        environ.setenv("MLFLOW_TRACKING_PASSWORD", PASSWORD)
        environ.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        yield


@pytest.fixture(scope="module")
def client(server: Server, credentials: None) -> MlflowClient:
    return open_client(server.url)


@pytest.fixture(scope="module")
def run(client: MlflowClient) -> str:
    return str(client.create_run("0", run_name="clean").info.run_id)


@pytest.mark.parametrize("act", ACTS)
def test_a_refusal_reaches_the_user_with_field_and_class(
    client: MlflowClient, run: str, tmp_path: Path, act: str
) -> None:
    from mlflow.exceptions import MlflowException

    with pytest.raises(Exception, match="PHI guard") as refused:
        ACTS[act](client, run, SSN, tmp_path)
    assert isinstance(refused.value, (MlflowException, OSError))
    assert "(ssn)" in str(refused.value) or '"class": "ssn"' in str(refused.value)
    assert SSN not in str(refused.value)


@pytest.mark.parametrize("act", ACTS)
def test_the_same_with_a_clean_text_is_stored(
    client: MlflowClient, run: str, tmp_path: Path, act: str
) -> None:
    ACTS[act](client, run, "alpha", tmp_path)


def test_what_was_refused_is_in_no_file_of_the_server(server: Server, client: MlflowClient) -> None:
    assert [name for name, data in server.kept() if SSN.encode() in data] == []


def test_a_reader_signs_in_with_a_name_of_their_own(server: Server, run: str) -> None:
    from mlflow.exceptions import MlflowException

    with pytest.MonkeyPatch.context() as environ:
        environ.setenv("MLFLOW_TRACKING_USERNAME", "audrey")
        environ.setenv("MLFLOW_TRACKING_PASSWORD", PASSWORD)
        reader = open_client(server.url)
        assert reader.get_run(run).info.run_id == run
        with pytest.raises(MlflowException, match="roles do not allow"):
            reader.set_tag(run, "a", "b")


def test_on_postgresql_too_and_nothing_is_in_a_dump(postgres: tuple[Server, PostgresServer]) -> None:
    server, database = postgres
    with server.client() as http:
        clean = Clean.made(http)
        statuses = {way: send(clean, SSN).status_code for way, send in WRITES.items()}
        assert set(statuses.values()) == {400}, statuses
        assert WRITES["batch"](clean, "alpha").status_code == 200
    assert [name for name, data in server.kept() if SSN.encode() in data] == []
    dump = database.run("pg_dump", "-h", str(database.folder), "-U", "owner", "postgres")
    assert "batched_metric" in dump
    assert SSN not in dump
    log = (database.folder / "log").read_text()
    assert SSN not in log
