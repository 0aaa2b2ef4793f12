"""One synthetic hospital and one finished study, made once and copied by the tests that break things."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from endtoend.commands import run_medcairn
from medcairn.core.progress import NoProgress
from medcairn.export import new_client_key, public_jwks
from medcairn.synthetic import write_ndjson
from medcairn.synthetic.server import HospitalServer

PATIENTS = 300
CLIENT = "endtoend"


@pytest.fixture(scope="session")
def hospital_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hospital")
    write_ndjson(folder, patients=PATIENTS, seed=7, progress=NoProgress())
    return folder


@dataclass(frozen=True)
class Hospital:
    base_url: str
    client_key: bytes


@pytest.fixture(scope="session")
def hospital(hospital_data: Path) -> Iterator[Hospital]:
    key = new_client_key()
    with HospitalServer(hospital_data, clients={CLIENT: public_jwks(key)}) as server:
        yield Hospital(server.base_url, key)


NewStudy = Callable[[Path], Path]


@pytest.fixture(scope="session")
def new_study(hospital: Hospital) -> NewStudy:
    """Makes a study of the hospital in a folder."""

    def make(folder: Path) -> Path:
        run_medcairn(
            "init",
            folder,
            "--from",
            hospital.base_url,
            "--client-id",
            CLIENT,
            "--as-of",
            "2025-06-30",
            "--name",
            "e2e",
        )
        key_file = folder / "keys" / "client.jwk"
        key_file.write_bytes(hospital.client_key)
        key_file.chmod(0o600)
        return folder

    return make


@pytest.fixture(scope="session")
def validated(new_study: NewStudy, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study that ran without interruption up to validation, once for all processes that run tests."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    folder = shared / "validated" / "study"
    with (shared / "validated.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder.parent / "done").exists():
            shutil.rmtree(folder.parent, ignore_errors=True)
            folder.parent.mkdir()
            new_study(folder)
            run_medcairn("run", "--study", folder, "--until", "validate", "--json")
            (folder.parent / "done").touch()
    return folder


@pytest.fixture
def copied(validated: Path, tmp_path: Path) -> Path:
    """A copy of the validated study that a test may break."""
    shutil.copytree(validated, tmp_path / "study")
    return tmp_path / "study"
