"""Processes that have the guard's plugin installed, and an MLflow server on loopback."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import tomllib
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_ROOT = Path(__file__).parents[2]
_DEADLINE_SECONDS = 120


def install_plugin(folder: Path) -> Path:
    """A folder for PYTHONPATH in which the entry points of ``pyproject.toml`` are installed."""
    groups = tomllib.loads((_ROOT / "pyproject.toml").read_text())["project"]["entry-points"]
    about = folder / "guard_under_test-0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: guard-under-test\nVersion: 0\n")
    lines = [
        "\n".join([f"[{group}]", *(f"{name} = {target}" for name, target in found.items())])
        for group, found in groups.items()
        if group.startswith("mlflow.")
    ]
    (about / "entry_points.txt").write_text("\n".join(lines) + "\n")
    return folder


def environment(*path: Path, **given: str) -> dict[str, str]:
    """The environment of a child that finds medcairn's source, and nothing of MLflow's settings."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW", "MEDCAIRN", "OTEL"))}
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "GIT_PYTHON_REFRESH": "quiet"}
    places = [_ROOT / "src", *path]
    return kept | quiet | {"PYTHONPATH": os.pathsep.join(map(str, places))} | given


def python(code: str, *arguments: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run ``code``, or a file of these tests, in a process of its own."""
    what = [str(Path(__file__).with_name(code))] if code.endswith(".py") else ["-c", code]
    command = [sys.executable, *what, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=env)


@contextmanager
def mlflow_server(folder: Path, database: str) -> Iterator[str]:
    """The URL of an MLflow server, without the guard, whose output goes to ``folder/server.log``."""
    port = _free_port()
    command = [
        *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)),
        *("--backend-store-uri", database, "--artifacts-destination", str(folder / "artifacts")),
        *("--workers", "1"),
    ]
    env = environment(MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false")
    with (folder / "server.log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, env=env, start_new_session=True)
        try:
            url = f"http://127.0.0.1:{port}"
            _wait(url, server)
            yield url
        finally:
            os.killpg(server.pid, 15)
            server.wait(30)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(url: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _DEADLINE_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=5):  # noqa: S310 - our own loopback URL
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise AssertionError("the MLflow server did not start")


__all__ = ["environment", "install_plugin", "mlflow_server", "python"]
