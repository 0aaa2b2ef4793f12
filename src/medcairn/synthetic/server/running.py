"""Runs the FHIR server in a thread, on the loopback interface."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from types import TracebackType

import uvicorn

from medcairn.core.canonical import JSON
from medcairn.core.clock import Clock
from medcairn.core.errors import ExternalError
from medcairn.synthetic.server.app import create_hospital
from medcairn.synthetic.server.clients import Jwks
from medcairn.synthetic.server.faults import NO_FAULTS, Faults
from medcairn.synthetic.server.jobs import LINES_PER_FILE, POLLS
from medcairn.synthetic.server.requests import Asked

_HOST = "127.0.0.1"
_START_SECONDS = 20.0


class HospitalServer:
    """The FHIR server over ``data_dir`` while the ``with`` block lasts; ``port`` 0 takes a free one.

    A second listener on another port stands for another host (``elsewhere_url``). The arguments are those of
    :func:`create_hospital`. Entering raises :class:`ExternalError` when the port is taken or the server does
    not start; making one raises what :func:`create_hospital` raises.
    """

    def __init__(
        self,
        data_dir: Path,
        clients: Mapping[str, Jwks | str] | None = None,
        *,
        client_secrets: Mapping[str, str] | None = None,
        port: int = 0,
        open_access: bool = False,
        clock: Clock | None = None,
        lines_per_file: int = LINES_PER_FILE,
        polls: int = POLLS,
        faults: Faults = NO_FAULTS,
    ) -> None:
        self._hospital = create_hospital(
            data_dir,
            clients=clients,
            client_secrets=client_secrets,
            open_access=open_access,
            clock=clock,
            lines_per_file=lines_per_file,
            polls=polls,
            faults=faults,
        )
        config = uvicorn.Config(
            self._hospital.app,
            log_level="critical",
            log_config=None,
            access_log=False,
            ws="none",
            timeout_graceful_shutdown=2,
        )
        self._server = uvicorn.Server(config)
        self._wanted_port = port
        self._sockets: list[socket.socket] = []
        self._thread: threading.Thread | None = None
        self.port = 0

    @property
    def base_url(self) -> str:
        """The FHIR base URL, as a client needs it."""
        return f"http://{_HOST}:{self.port}/fhir"

    @property
    def elsewhere_url(self) -> str:
        """The root of the second listener."""
        return f"http://{_HOST}:{self._hospital.desk.elsewhere_port}"

    @property
    def requests(self) -> list[Asked]:
        """What was asked so far, in order."""
        return self._hospital.log.all()

    @property
    def transaction_time(self) -> str:
        """The instant of the data: that of the folder, or of the latest change."""
        return self._hospital.records.snapshot().transaction_time

    def put(self, resource: Mapping[str, JSON], *, at: datetime | None = None) -> None:
        """Add or change a resource as of ``at``, or a second after the latest change, in memory alone.

        Raises :class:`UsageError` when ``resource`` has no type or no id, or ``at`` no time zone.
        """
        self._hospital.records.put(resource, at)

    def delete(self, resource_type: str, resource_id: str, *, at: datetime | None = None) -> None:
        """Delete a resource as of ``at``. Raises :class:`UsageError` when there is none."""
        self._hospital.records.delete(resource_type, resource_id, at)

    def add_member(self, group: str, patient: str, *, at: datetime | None = None) -> None:
        """Add the patient of that id to a group, which is made when it is new."""
        self._hospital.records.join(group, patient, at)

    def remove_member(self, group: str, patient: str, *, at: datetime | None = None) -> None:
        """Take a patient out of a group. Raises :class:`UsageError` when there is no such group."""
        self._hospital.records.leave(group, patient, at)

    def members(self, group: str) -> set[str]:
        """Ids of the patients in a group."""
        return self._hospital.records.snapshot().members(group)

    def __enter__(self) -> HospitalServer:
        self._sockets = [_listen(self._wanted_port), _listen(0)]
        self.port, elsewhere = (int(bound.getsockname()[1]) for bound in self._sockets)
        self._hospital.listens_elsewhere(elsewhere)
        run = threading.Thread(
            target=self._server.run, kwargs={"sockets": self._sockets}, name="hospital", daemon=True
        )
        self._thread = run
        run.start()
        deadline = time.monotonic() + _START_SECONDS
        while not self._server.started:
            if not run.is_alive() or time.monotonic() > deadline:
                self._stop()
                raise ExternalError("The hospital's server did not start", port=self.port)
            time.sleep(0.01)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, failure: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def wait(self, stopped: threading.Event) -> None:
        """Block until ``stopped`` is set or the server ends."""
        while self._thread is not None and self._thread.is_alive() and not stopped.wait(0.2):
            pass

    def _stop(self) -> None:
        self._server.should_exit = True
        if self._thread is not None:
            self._thread.join(timeout=10)
        for bound in self._sockets:
            bound.close()


def _listen(port: int) -> socket.socket:
    # asyncio turns Nagle's algorithm off only where the protocol is named: else each answer takes 40 ms.
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    refused = False
    try:
        bound.bind((_HOST, port))
        bound.listen(128)
    except OSError:
        bound.close()
        refused = True
    if refused:
        raise ExternalError(
            "The port cannot be used; another program may listen there",
            hint="Choose another with --port, or 0 for a free one",
            port=port,
        )
    return bound


__all__ = ["HospitalServer"]
