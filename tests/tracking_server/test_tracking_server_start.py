"""``mlflow server --app-name medcairn``: MLflow's own command starts the same guards."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import medcairn
from medcairn.tracking.server.factory import mlflow_application
from medcairn.tracking.server.running import APPLICATION, ServerOptions, prepare
from medcairn.tracking.server.settings import FOLDER_VARIABLE

from .tracking_server import make_folder, running
from .writes import API

SSN = "417-82-6350"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    prepare(ServerOptions(make_folder(tmp_path / "server")))
    return tmp_path / "server"


@pytest.fixture
def installed(tmp_path: Path) -> str:
    """A path on which the entry point of this working tree is installed."""
    about = tmp_path / "site" / "medcairn_tree-0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: medcairn-tree\nVersion: 0\n")
    (about / "entry_points.txt").write_text(
        "[mlflow.app]\nmedcairn-tree = medcairn.tracking.server.factory:create_app\n"
    )
    return os.pathsep.join([str(Path(medcairn.__file__).parents[1]), str(about.parent)])


def _command(folder: Path, *more: str) -> list[str]:
    store = f"sqlite:///{folder}/tracking.db"
    options = ["--app-name", "medcairn-tree", "--workers", "1", "--backend-store-uri", store, *more]
    return [sys.executable, "-W", "ignore", "-m", "mlflow", "server", *options]


def test_mlflows_own_command_serves_guarded_and_logs_no_query(folder: Path, installed: str) -> None:
    environ = {
        "PYTHONPATH": installed, FOLDER_VARIABLE: str(folder), "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"
    }  # fmt: skip
    command = _command(folder, "--artifacts-destination", str(folder / "artifacts"))
    with running(folder, command=command, environ=environ) as server, server.client() as http:
        assert http.post(API + "experiments/create", json={"name": SSN}).status_code == 400
        assert (
            http.get(API + "experiments/get-by-name", params={"experiment_name": "a marked text"}).status_code
            == 404
        )
        assert http.get(API + "experiments/get-by-name", params={"experiment_name": SSN}).status_code == 400
    log = server.log.read_text()
    assert "experiment_name" not in log
    assert "marked" not in log
    assert SSN not in log


def test_mlflows_own_command_does_not_start_with_a_way_round(folder: Path, installed: str) -> None:
    environ = {**os.environ, "PYTHONPATH": installed, FOLDER_VARIABLE: str(folder)}
    environ |= {"_MLFLOW_SGI_NAME": "uvicorn", "_MLFLOW_SERVER_SERVE_ARTIFACTS": "false"}
    started = subprocess.run(
        [sys.executable, "-m", "uvicorn", "--port", "1", "--factory", APPLICATION],
        env=environ, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert started.returncode != 0
    assert "Artifacts go through the server" in started.stderr


def test_without_the_plugin_mlflows_command_finds_no_application() -> None:
    mlflow_application()
    from mlflow.exceptions import MlflowException
    from mlflow.server import _find_app

    with pytest.raises(MlflowException, match="Failed to find app"):
        _find_app("medcairn-that-is-not-installed")
