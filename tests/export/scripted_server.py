"""A server over real HTTP that answers what a test tells it to, and remembers what it was asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import parse_qsl, urlsplit

from medcairn.core.canonical import JSON

FHIR = {"Content-Type": "application/fhir+json"}


@dataclass(frozen=True)
class Asked:
    """A request: its path below the server's root, its query in order, its bearer and Accept header."""

    path: str
    query: tuple[tuple[str, str], ...]
    bearer: str | None
    accept: str

    def get(self, name: str) -> str | None:
        """The first value of a query parameter."""
        return dict(reversed(self.query)).get(name)


@dataclass(frozen=True)
class Answer:
    """What is answered."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


def fhir(value: JSON, status: int = 200) -> Answer:
    """FHIR JSON."""
    return Answer(json.dumps(value).encode(), status, FHIR)


class ScriptedServer:
    """Answers every GET with ``answer``; without one (None), with 404. A POST gets ``token``."""

    def __init__(self, answer: Callable[[Asked], Answer | None] = lambda _: None) -> None:
        self.answer = answer
        self.token = ""
        self.asked: list[Asked] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_of(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def root(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def base_url(self) -> str:
        return f"{self.root}/fhir"

    def paths(self, start: str = "/fhir/") -> list[str]:
        """What was asked below ``start``, in order."""
        return [asked.path.removeprefix(start) for asked in self.asked if asked.path.startswith(start)]


def _handler_of(server: ScriptedServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None:
            pass

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            bearer = (self.headers.get("Authorization") or "").removeprefix("Bearer ") or None
            asked = Asked(parts.path, tuple(parse_qsl(parts.query)), bearer, self.headers.get("Accept") or "")
            server.asked.append(asked)
            self._send(server.answer(asked) or Answer(status=404))

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self._send(fhir({"access_token": server.token, "token_type": "bearer", "expires_in": 300}))

        def _send(self, answer: Answer) -> None:
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

    return Handler


__all__ = ["FHIR", "Answer", "Asked", "ScriptedServer", "fhir"]
