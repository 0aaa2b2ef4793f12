"""Object stores that tests start on loopback: Azurite (Azure Blob) and s3rver (S3), both from npm.

``npm/package-lock.json`` pins both. They are installed by ``npm ci --prefix tests/export/npm``,
which the first test that needs one runs by itself when it has not been done.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import hmac
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from pathlib import Path
from typing import Final

import pytest

_FOLDER: Final = Path(__file__).parent / "npm"
_MODULES: Final = _FOLDER / "node_modules"
_START_SECONDS: Final = 60.0
_INSTALL_SECONDS: Final = 300.0

ACCOUNT: Final = "devstoreaccount1"
ACCOUNT_KEY: Final = base64.b64encode(hashlib.sha512(b"the account of these tests").digest()).decode()
"""Azurite takes any account, so that no key that looks like somebody's stands in this file."""


@contextmanager
def azurite(folder: Path, container: str) -> Iterator[str]:
    """The endpoint of an Azurite that keeps its data in ``folder`` and has an empty ``container``."""
    port = _free_port()
    command = [
        _tool("azurite-blob"),
        *("--blobHost", "127.0.0.1", "--blobPort", str(port), "--location", str(folder)),
        *("--silent", "--disableTelemetry", "--skipApiVersionCheck"),
    ]
    with _running(command, port, {"AZURITE_ACCOUNTS": f"{ACCOUNT}:{ACCOUNT_KEY}"}):
        endpoint = f"http://127.0.0.1:{port}/{ACCOUNT}"
        _create_container(endpoint, container)
        yield endpoint


@contextmanager
def s3rver(folder: Path, bucket: str) -> Iterator[str]:
    """The endpoint of an S3 server that keeps its data in ``folder`` and has an empty ``bucket``."""
    port = _free_port()
    command = [
        _tool("s3rver"),
        *("--address", "127.0.0.1", "--port", str(port), "--directory", str(folder)),
        *("--silent", "--configure-bucket", bucket),
    ]
    with _running(command, port, {}):
        yield f"http://127.0.0.1:{port}"


def _tool(name: str) -> str:
    """The installed program. Skips the test when it cannot be had on this machine."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("object stores for tests come from npm, and there is no node here")
    tool = _MODULES / ".bin" / name
    with (_FOLDER / ".install.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not tool.exists():
            _install()
    if not tool.exists():
        pytest.skip("object stores for tests come from npm, and `npm ci` did not succeed here")
    return str(tool)


def _install() -> None:
    command = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(_FOLDER)]
    try:
        subprocess.run(command, check=False, capture_output=True, timeout=_INSTALL_SECONDS)
    except subprocess.TimeoutExpired:
        return


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@contextmanager
def _running(command: list[str], port: int, environment: dict[str, str]) -> Iterator[None]:
    """The process, from the time it answers; ended by its own id."""
    variables = {"PATH": f"{Path(shutil.which('node') or '').parent}:/usr/bin:/bin", **environment}
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=variables, cwd=_FOLDER
    )
    try:
        deadline = time.monotonic() + _START_SECONDS
        while not _answers(port):
            assert process.poll() is None, "the object store ended by itself"
            assert time.monotonic() < deadline, "the object store did not start"
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait()


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _create_container(endpoint: str, container: str) -> None:
    """The one request that the library under test has no name for, signed with the shared key."""
    date = formatdate(usegmt=True)
    headers = f"x-ms-date:{date}\nx-ms-version:2021-08-06\n"
    resource = f"/{ACCOUNT}/{ACCOUNT}/{container}\nrestype:container"
    text = "PUT" + "\n" * 12 + headers + resource
    signature = base64.b64encode(
        hmac.new(base64.b64decode(ACCOUNT_KEY), text.encode(), hashlib.sha256).digest()
    ).decode()
    request = urllib.request.Request(  # noqa: S310  (loopback)
        f"{endpoint}/{container}?restype=container",
        method="PUT",
        headers={
            "x-ms-date": date,
            "x-ms-version": "2021-08-06",
            "Authorization": f"SharedKey {ACCOUNT}:{signature}",
        },
    )
    with urllib.request.urlopen(request) as answer:  # noqa: S310
        assert answer.status == 201


__all__ = ["ACCOUNT", "ACCOUNT_KEY", "azurite", "s3rver"]
