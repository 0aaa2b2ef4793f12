"""Running the service: on loopback unless told otherwise, stopping gracefully on SIGTERM."""

from __future__ import annotations

import errno
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Self

import uvicorn
from starlette.types import ASGIApp

from medcairn.core.errors import ExternalError

_BACKLOG = 512
_GRACE_SECONDS = 20
_START_SECONDS = 30.0


def run_server(
    app: ASGIApp,
    *,
    host: str = "127.0.0.1",
    port: int = 8750,
    on_ready: Callable[[str], None] | None = None,
) -> None:
    """Serve ``app`` until SIGTERM (returns) or SIGINT (raises ``KeyboardInterrupt``).

    Requests under way are finished first. Port 0 takes a free one; ``on_ready`` is told the base URL.
    Raises :class:`ExternalError` when the address is in use or is not this machine's.
    """
    with _listening(host, port) as listener:
        server = uvicorn.Server(_config(app))
        if on_ready is not None:
            on_ready(_base_url(listener))
        with _stopping_on_sigterm():
            server.run(sockets=[listener])


class BackgroundServer:
    """The service in a thread, for the length of a ``with`` block; ``base_url`` says where."""

    def __init__(self, app: ASGIApp, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self._listening = _listening(host, port)
        self._server = uvicorn.Server(_config(app))
        self.base_url = ""

    def __enter__(self) -> Self:
        listener = self._listening.__enter__()
        self._thread = threading.Thread(target=self._server.run, args=([listener],), daemon=True)
        self._thread.start()
        patience = time.monotonic() + _START_SECONDS
        while not self._server.started:
            if time.monotonic() > patience or not self._thread.is_alive():
                raise ExternalError("The service did not start")
            time.sleep(0.01)
        self.base_url = _base_url(listener)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        self._thread.join()
        self._listening.__exit__(None, None, None)


def _config(app: ASGIApp) -> uvicorn.Config:
    """No access log: addresses and query strings of clients are nobody's business in a log."""
    return uvicorn.Config(
        app,
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=_GRACE_SECONDS,
        lifespan="on",
    )


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    number: int | None = None
    listener: socket.socket | None = None
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as failure:
        number = failure.errno or 0
    except OverflowError:
        number = errno.EADDRNOTAVAIL
    if listener is None:
        raise _cannot_listen(number or 0, port)
    with listener:
        # asyncio leaves this out for a socket that was made elsewhere; without it an answer in two packets
        # waits 40 ms for the client's delayed acknowledgement. Accepted connections inherit it.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield listener


def _cannot_listen(number: int, port: int) -> ExternalError:
    if number == errno.EADDRINUSE:
        return ExternalError(
            "The port is in use", hint="Stop what uses it, or give --port another number (0: any)", port=port
        )
    if number == errno.EACCES:
        return ExternalError("The port is reserved", hint="Take a port from 1024 on", port=port)
    return ExternalError("The service cannot listen on this host and port", hint="Check --host", port=port)


def _base_url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@contextmanager
def _stopping_on_sigterm() -> Iterator[None]:
    """The server re-raises a signal after it has stopped; SIGTERM would then end us before we clean up."""

    def stopped(_: int, __: FrameType | None) -> None:
        return

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, stopped)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


__all__ = ["BackgroundServer", "run_server"]
