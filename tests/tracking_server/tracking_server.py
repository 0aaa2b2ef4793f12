"""A real tracking server of this test run: a process of its own on loopback, stopped by its id."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import yaml

from medcairn.access import Argon2Cost, Passwords, People, Role

CHEAP = Argon2Cost(passes=1, memory_kib=64, lanes=1)
PASSWORD = "mare horse battery stable"
"""Everybody's, in these tests."""

ROLES = {
    "dora": Role.DATA_SCIENTIST,
    "colin": Role.CLINICAL_REVIEWER,
    "quinn": Role.QUALITY_REVIEWER,
    "olga": Role.OPERATOR,
    "audrey": Role.AUDITOR,
    "root": Role.ADMINISTRATOR,
    "cara": Role.DATA_SCIENTIST,  # of cardiology alone
}
SETTINGS: dict[str, object] = {
    "departments": {"cardiology": {"prefixes": ["cardio."], "members": ["cara"]}},
    "everywhere": [name for name in ROLES if name != "cara"],
    "limits": {"json_bytes": 1 << 20, "artifact_bytes": 4 << 20},
}


@dataclass(frozen=True)
class Server:
    """Where a server listens and what it keeps."""

    url: str
    folder: Path
    log: Path
    pid: int

    def client(self, name: str = "dora", password: str = PASSWORD) -> httpx.Client:
        return httpx.Client(base_url=self.url, auth=(name, password), timeout=30)

    def kept(self) -> Iterator[tuple[str, bytes]]:
        """Every file that the server wrote: databases, artifacts, ledger, log."""
        for path in [self.log, *sorted(self.folder.rglob("*"))]:
            if path.is_file():
                yield path.name, path.read_bytes()

    def cpu_seconds(self) -> float:
        """What the process has used so far, its own and the kernel's for it."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def make_folder(folder: Path, settings: Mapping[str, object] = SETTINGS) -> Path:
    """A server's folder with one person of every role."""
    folder.mkdir(parents=True, exist_ok=True)
    people = People(folder / "people.db", passwords=Passwords(CHEAP))
    for name, role in ROLES.items():
        people.add(name, printed_name=name.title(), roles=[role], password=PASSWORD)
    (folder / "tracking-server.yaml").write_text(yaml.safe_dump(_plain(settings)))
    return folder


def _plain(settings: Mapping[str, object]) -> dict[str, object]:
    return {key: [*value] if isinstance(value, tuple) else value for key, value in settings.items()}


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def running(
    folder: Path, *arguments: str, command: list[str] | None = None, environ: Mapping[str, str] | None = None
) -> Iterator[Server]:
    """``medcairn mlflow-server`` (or ``command``) for the length of a ``with`` block."""
    port, log = free_port(), folder / "server.log"
    ours = [sys.executable, "-m", "medcairn.cli.main", "mlflow-server", "--study", str(folder), *arguments]
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*(command or ours), "--port", str(port)],
            stdout=out, stderr=out, cwd=folder, env={**os.environ, **(environ or {})}, start_new_session=True,
        )  # fmt: skip
    try:
        url = f"http://127.0.0.1:{port}"
        _wait(url, process, log)
        yield Server(url, folder, log, process.pid)
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(600):
        if process.poll() is not None:
            raise RuntimeError(f"the server ended: {log.read_text()[-2000:]}")
        try:
            if httpx.get(url + "/health", timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise RuntimeError("the server did not start")


__all__ = ["PASSWORD", "ROLES", "SETTINGS", "Server", "free_port", "make_folder", "running"]
