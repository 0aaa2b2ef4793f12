"""What the server was asked, in order, so that a test can prove what a client did and did not do."""

from __future__ import annotations

import threading
import time
from dataclasses import asdict, dataclass

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_PATH = "/requests"


@dataclass(frozen=True)
class Asked:
    """One request, recorded when its answer begins.

    ``path`` is the path with its query, ``bearer`` whether a bearer token came along, ``status`` that of the
    answer, ``monotonic`` seconds of :func:`time.monotonic`, ``elsewhere`` whether it came to the
    second listener, which stands for another host.
    """

    method: str
    path: str
    bearer: bool
    status: int
    monotonic: float
    elsewhere: bool = False

    @property
    def bare_path(self) -> str:
        """The path without its query."""
        return self.path.partition("?")[0]


class RequestLog:
    """All requests so far, and the port of the second listener (0 without one). Thread-safe."""

    def __init__(self) -> None:
        self._asked: list[Asked] = []
        self._lock = threading.Lock()
        self.elsewhere_port = 0

    def add(self, asked: Asked) -> None:
        with self._lock:
            self._asked.append(asked)

    def all(self) -> list[Asked]:
        """A copy, in the order in which the answers began."""
        with self._lock:
            return list(self._asked)


class Recorder:
    """ASGI middleware that records every request, and tells all of them at ``/requests``."""

    def __init__(self, app: ASGIApp, log: RequestLog, *, no_charset: bool) -> None:
        self._app, self._log, self._no_charset = app, log, no_charset

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif scope["path"] == _PATH:
            asked = [asdict(item) for item in self._log.all()]
            await JSONResponse({"requests": asked})(scope, receive, send)
        else:
            await self._recorded(scope, receive, send)

    async def _recorded(self, scope: Scope, receive: Receive, send: Send) -> None:
        status = 0

        async def heard(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                self._log.add(self._asked(scope, status))
                if self._no_charset:
                    message["headers"] = [_without_charset(*header) for header in message["headers"]]
            await send(message)

        try:
            await self._app(scope, receive, heard)
        finally:
            if not status:
                self._log.add(self._asked(scope, 500))

    def _asked(self, scope: Scope, status: int) -> Asked:
        query = scope["query_string"].decode("latin-1")
        path = scope["path"] + (f"?{query}" if query else "")
        bearer = any(
            name == b"authorization" and value[:7].lower() == b"bearer " for name, value in scope["headers"]
        )
        elsewhere = (scope.get("server") or ("", 0))[1] == self._log.elsewhere_port
        return Asked(scope["method"], path, bearer, status, time.monotonic(), elsewhere)


def _without_charset(name: bytes, value: bytes) -> tuple[bytes, bytes]:
    return (name, value.partition(b";")[0]) if name.lower() == b"content-type" else (name, value)


__all__ = ["Asked", "Recorder", "RequestLog"]
