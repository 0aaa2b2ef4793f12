"""The synthetic hospital's server, with faults, and an export of it in time that does not pass by itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from medcairn.core.progress import NoProgress
from medcairn.export import BulkRequest, Credentials, ExportReport, export_bulk
from medcairn.synthetic.server import HospitalServer
from medcairn.synthetic.server.faults import Faults
from medcairn.synthetic.server.requests import Asked

from .conftest import FakeTime

START = datetime(2026, 3, 1, tzinfo=UTC)


@dataclass(frozen=True)
class TickingClock:
    """The wall clock of a :class:`FakeTime`: server and client see the same time pass."""

    time: FakeTime

    def now(self) -> datetime:
        return START + timedelta(seconds=self.time.now)


@dataclass
class Client:
    """Exports of one hospital into ``out``. ``remarks`` is what the server said about failures."""

    server: HospitalServer
    out: Path
    time: FakeTime
    credentials: Credentials | None
    remarks: list[str] = field(default_factory=list)

    def export(self, request: BulkRequest | None = None, **more: object) -> ExportReport:
        self.out.mkdir(exist_ok=True)
        return export_bulk(
            self.server.base_url,
            self.out,
            request=request or BulkRequest(),
            credentials=self.credentials,
            progress=NoProgress(),
            clock=TickingClock(self.time),
            sleep=self.time.sleep,
            monotonic=self.time.monotonic,
            on_remark=self.remarks.append,
            **more,  # type: ignore[arg-type]
        )

    def asked(self, part: str, method: str | None = None) -> list[Asked]:
        """The requests whose path holds ``part``."""
        found = [asked for asked in self.server.requests if part in asked.path]
        return [asked for asked in found if method in (None, asked.method)]


class ServedHospital:
    """Starts hospitals over one folder; the last is stopped when the next starts, and at the end."""

    def __init__(self, data: Path, root: Path, time: FakeTime) -> None:
        self._data, self._root, self._time = data, root, time
        self._count = 0

    @contextmanager
    def __call__(
        self,
        faults: Faults | None = None,
        *,
        credentials: Credentials | None = None,
        clients: dict[str, object] | None = None,
        client_secrets: dict[str, str] | None = None,
        polls: int = 1,
    ) -> Iterator[Client]:
        """A hospital with ``faults``, open unless ``clients`` or ``client_secrets`` are given."""
        self._count += 1
        server = HospitalServer(
            self._data,
            clients,  # type: ignore[arg-type]
            client_secrets=client_secrets,
            open_access=not clients and not client_secrets,
            clock=TickingClock(self._time),
            polls=polls,
            faults=faults or Faults(),
        )
        with server:
            yield Client(server, self._root / f"out{self._count}", self._time, credentials)
