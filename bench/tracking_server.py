"""What the guards cost MLflow's server: ``python -m bench.tracking_server [PAIRS]``.

Two servers, MLflow alone and MLflow behind the guards, each with a SQLite store of its own, take the same
runs in turn: 20 parameters, 20 metrics and 5 tags, once in batches and once one by one. Told is the
ratio of the CPU time that the two processes used (at most 1.25 is asked for).
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx

from medcairn.access import People, Role
from medcairn.tracking.server.running import ServerOptions, prepare

_PASSWORD = "mare horse battery stable"  # noqa: S105 - of a server that lives for minutes
_API = "/api/2.0/mlflow/"
_PLAIN = "mlflow.server.fastapi_app:app"
_GUARDED = "medcairn.tracking.server.factory:create_app"


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def _server(folder: Path, *application: str) -> Iterator[tuple[httpx.Client, int]]:
    folder.mkdir()
    people = People(folder / "people.db")
    people.add("dora", printed_name="Dora", roles=[Role.DATA_SCIENTIST], password=_PASSWORD)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    environ = {**os.environ, **prepare(ServerOptions(folder))}
    command = [sys.executable, "-W", "ignore", "-m", "uvicorn", "--no-access-log", "--log-level", "error"]
    process = subprocess.Popen([*command, "--port", str(port), *application], env=environ)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", auth=("dora", _PASSWORD), timeout=60) as http:
            _wait(http)
            yield http, process.pid
    finally:
        process.terminate()
        process.wait()


def _wait(http: httpx.Client) -> None:
    for _ in range(600):
        try:
            http.get(_API + "experiments/search?max_results=1").raise_for_status()
            return
        except httpx.TransportError:
            time.sleep(0.1)
    raise SystemExit("a server did not start")


def _batched(http: httpx.Client, run: str) -> None:
    now = int(time.time() * 1000)
    params = [{"key": f"param_{n}", "value": str(n / 7)} for n in range(20)]
    metrics = [{"key": f"metric_{n}", "value": n / 7, "timestamp": now, "step": 0} for n in range(20)]
    tags = [{"key": f"tag_{n}", "value": f"fold-{n}"} for n in range(5)]
    for part in ({"params": params}, {"metrics": metrics}, {"tags": tags}):
        _post(http, "runs/log-batch", run_id=run, **part)


def _one_by_one(http: httpx.Client, run: str) -> None:
    now = int(time.time() * 1000)
    for n in range(20):
        _post(http, "runs/log-parameter", run_id=run, key=f"param_{n}", value=str(n / 7))
    for n in range(20):
        _post(http, "runs/log-metric", run_id=run, key=f"metric_{n}", value=n / 7, timestamp=now, step=0)
    for n in range(5):
        _post(http, "runs/set-tag", run_id=run, key=f"tag_{n}", value=f"fold-{n}")


def _post(http: httpx.Client, path: str, **body: object) -> httpx.Response:
    return http.post(_API + path, json=body).raise_for_status()


def _run(http: httpx.Client, log: object) -> None:
    run = _post(http, "runs/create", experiment_id="0").json()["run"]["info"]["run_id"]
    assert callable(log)
    log(http, run)
    _post(http, "runs/update", run_id=run, status="FINISHED")


def main(pairs: int) -> None:
    with tempfile.TemporaryDirectory(prefix="medcairn-bench-") as folder, ExitStack() as stack:
        plain = stack.enter_context(_server(Path(folder) / "plain", _PLAIN))
        guarded = stack.enter_context(_server(Path(folder) / "guarded", "--factory", _GUARDED))
        for name, log in (("in batches", _batched), ("one by one", _one_by_one)):
            for http, _ in (plain, guarded):
                _run(http, log)
            used = [0.0, 0.0]
            for pair in range(pairs):
                order = (0, 1) if pair % 2 else (1, 0)
                for which in order:
                    http, pid = (plain, guarded)[which]
                    before = _cpu_seconds(pid)
                    _run(http, log)
                    used[which] += _cpu_seconds(pid) - before
            each = [1000 * seconds / pairs for seconds in used]
            ratio = each[1] / each[0]
            print(f"{name}: {each[0]:.1f} ms of CPU a run alone, {each[1]:.1f} ms guarded, ratio {ratio:.2f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 40)
