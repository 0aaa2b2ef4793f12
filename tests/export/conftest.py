"""Fixtures of the export tests: a clock that does not wait, a client that is registered."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from medcairn.core.clock import SystemClock
from medcairn.core.progress import NoProgress
from medcairn.export import (
    BulkRequest,
    ExportReport,
    SmartCredentials,
    credentials_of,
    export_bulk,
    new_client_key,
    public_jwks,
)

from .simulator import Simulator, ndjson

NOW = datetime(2026, 2, 1, tzinfo=UTC)
CLIENT_ID = "client-canary-4711"


@dataclass
class FakeTime:
    """Time that passes only by sleeping. Keeps what was slept."""

    now: float = 1000.0
    slept: list[float] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.now += seconds
            self.slept.append(seconds)

    def monotonic(self) -> float:
        return self.now

    @property
    def total(self) -> float:
        """Seconds slept in all."""
        return sum(self.slept)


Export = Callable[..., ExportReport]


def data_of(folder: Path) -> dict[str, bytes]:
    """The exported resources of a folder, file by file."""
    return {path.name: path.read_bytes() for path in folder.glob("[A-Z]*.ndjson")}


def names(folder: Path) -> list[str]:
    """The files and folders in ``folder`` but for the event log, which is never without."""
    return sorted(path.name for path in folder.iterdir() if path.name != "log.ndjson")


@pytest.fixture
def fake_time() -> FakeTime:
    return FakeTime()


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


@pytest.fixture
def export(out: Path, fake_time: FakeTime) -> Export:
    """``export_bulk`` of a simulator into ``out``, in fake time."""

    def run(
        simulator: Simulator,
        request: BulkRequest | None = None,
        credentials: SmartCredentials | None = None,
        **more: object,
    ) -> ExportReport:
        options: dict[str, object] = {"sleep": fake_time.sleep, "monotonic": fake_time.monotonic, **more}
        return export_bulk(
            simulator.base_url,
            out,
            request=request or BulkRequest(),
            credentials=credentials,
            progress=NoProgress(),
            clock=SystemClock(),
            **options,  # type: ignore[arg-type]
        )

    return run


@pytest.fixture(scope="session")
def client_key() -> bytes:
    return new_client_key()


@pytest.fixture
def credentials(client_key: bytes) -> SmartCredentials:
    return credentials_of(CLIENT_ID, client_key)


@pytest.fixture
def hospital() -> Iterator[Simulator]:
    """An open server with two files of one type and one of another, in an order that is not sorted."""
    with Simulator(
        [ndjson("Patient", 3), ndjson("Condition", 2), ndjson("Patient", 2, start=3)]
    ) as simulator:
        yield simulator


@pytest.fixture
def guarded(client_key: bytes) -> Iterator[Simulator]:
    """The same server with SMART Backend Services."""
    keys = {key["kid"]: key for key in public_jwks(client_key)["keys"]}
    files = [ndjson("Patient", 3), ndjson("Condition", 2), ndjson("Patient", 2, start=3)]
    with Simulator(files, client_keys=keys) as simulator:
        yield simulator
