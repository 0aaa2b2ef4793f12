"""A real MLflow client with the guard on, against SQLite and against a real server on loopback.

Each way of writing (``write_surface.py``) is tried with an identifier in it: refused with status 400 by field
and class, or, for spans, dropped; and the identifier is found nowhere afterwards.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from medcairn.tracking import database_uri
from tracking.guarded_process import environment, install_plugin, mlflow_server, python
from tracking.write_surface import DROPPED, REFUSED

SECRET = "536-22-8891"


@dataclass(frozen=True)
class Tried:
    """What came of the tries, and everything that could hold what was written."""

    outcome: dict[str, Any]
    folder: Path
    printed: str


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install_plugin(tmp_path_factory.mktemp("plugin"))


@pytest.fixture(scope="module", params=["sqlite", "server"])
def tried(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, empty_store: Path, plugin: Path
) -> Iterator[Tried]:
    folder = tmp_path_factory.mktemp(f"tried-{request.param}")
    shutil.copy(empty_store, folder / "mlflow.db")
    uri = database_uri(folder / "mlflow.db")
    if request.param == "sqlite":
        yield _try(folder, plugin, uri, (folder / "artifacts").as_uri())
    else:
        with mlflow_server(folder, uri) as url:
            outcome = _try(folder, plugin, url, "server")
        yield outcome


def _try(folder: Path, plugin: Path, uri: str, artifacts: str) -> Tried:
    env = environment(plugin, MEDCAIRN_PHI_GUARD="block", MLFLOW_TRACKING_URI=uri)
    done = python("write_surface.py", artifacts, SECRET, env=env)
    assert done.returncode == 0, done.stderr
    return Tried(json.loads(done.stdout.splitlines()[-1]), folder, done.stdout + done.stderr)


@pytest.mark.parametrize("what", REFUSED)
def test_each_write_is_refused_by_field_and_class(what: str, tried: Tried) -> None:
    outcome = tried.outcome["raised"][what]
    assert outcome["status"] == 400, outcome["text"]
    assert outcome["text"].startswith("The PHI guard refused")
    assert " looks like ssn" in outcome["text"]
    assert not any(SECRET in text for text in outcome["chain"])


@pytest.mark.parametrize("what", DROPPED)
def test_each_span_is_dropped(what: str, tried: Tried) -> None:
    left = tried.outcome["spans"][what]
    assert left == (["parent"] if what == "child span" else None)


def test_the_identifier_is_nowhere(tried: Tried) -> None:
    assert SECRET not in tried.printed
    files = [file for file in tried.folder.rglob("*") if file.is_file()]
    assert {file.name for file in files} >= {"mlflow.db"}
    assert [file.name for file in files if SECRET.encode() in file.read_bytes()] == []
    assert not [file for file in files if file.suffix in (".zip", ".parquet", ".csv") or "ssn" in file.name]


def test_a_refused_batch_stores_nothing_and_a_clean_retry_succeeds(tried: Tried) -> None:
    assert tried.outcome["params"] == {}
    assert tried.outcome["retry"]["text"] == ""
    assert tried.outcome["spans"]["clean"] == ["clean"]


_WARN = f"""
import mlflow
mlflow.set_experiment("x")
with mlflow.start_run() as run:
    mlflow.log_param("note", "patient with SSN {SECRET}")
    with mlflow.start_span("work") as span:
        span.set_inputs("patient with SSN {SECRET}")
mlflow.flush_trace_async_logging()
print(mlflow.get_run(run.info.run_id).data.params["note"], len(mlflow.search_traces(return_type="list")))
"""


def test_warn_lets_through_and_logs_class_and_place_only(
    tmp_path: Path, empty_store: Path, plugin: Path
) -> None:
    shutil.copy(empty_store, tmp_path / "mlflow.db")
    uri = database_uri(tmp_path / "mlflow.db")
    done = python(_WARN, env=environment(plugin, MEDCAIRN_PHI_GUARD="warn", MLFLOW_TRACKING_URI=uri))
    assert done.stdout.splitlines() == [f"patient with SSN {SECRET} 1"], done.stderr
    assert "PHI guard, log_param: log_param.param.value looks like ssn" in done.stderr
    assert "PHI guard, span: span.attributes" in done.stderr
    assert SECRET not in done.stderr
