"""Runs the FHIR server in a thread, on the loopback interface."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

import uvicorn

from medcairn.core.clock import Clock
from medcairn.core.errors import ExternalError
from medcairn.synthetic.server.app import create_app
from medcairn.synthetic.server.jobs import LINES_PER_FILE
from medcairn.synthetic.server.tokens import Jwks

_HOST = "127.0.0.1"
_START_SECONDS = 20.0


class HospitalServer:
    """The FHIR server over ``data_dir`` while the ``with`` block lasts; ``port`` 0 takes a free one.

    Entering raises :class:`ExternalError` when the port is taken or the server does not start; making one
    raises what :func:`create_app` raises.
    """

    def __init__(
        self,
        data_dir: Path,
        clients: Mapping[str, Jwks] | None = None,
        *,
        port: int = 0,
        open_access: bool = False,
        clock: Clock | None = None,
        lines_per_file: int = LINES_PER_FILE,
    ) -> None:
        app = create_app(
            data_dir, clients=clients, open_access=open_access, clock=clock, lines_per_file=lines_per_file
        )
        config = uvicorn.Config(
            app,
            log_level="critical",
            log_config=None,
            access_log=False,
            ws="none",
            timeout_graceful_shutdown=2,
        )
        self._server = uvicorn.Server(config)
        self._wanted_port = port
        self._socket: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self.port = 0

    @property
    def base_url(self) -> str:
        """The FHIR base URL, as a client needs it."""
        return f"http://{_HOST}:{self.port}/fhir"

    def __enter__(self) -> HospitalServer:
        bound = _listen(self._wanted_port)
        self._socket, self.port = bound, int(bound.getsockname()[1])
        run = threading.Thread(
            target=self._server.run, kwargs={"sockets": [bound]}, name="hospital", daemon=True
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
        if self._socket is not None:
            self._socket.close()


def _listen(port: int) -> socket.socket:
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
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
