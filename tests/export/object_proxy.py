"""A loopback proxy before an object store that counts what is fetched and fails on request."""

from __future__ import annotations

import http.client
import threading
from collections import Counter
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

_HOP_BY_HOP = {"connection", "transfer-encoding", "content-length", "keep-alive"}


@dataclass
class ObjectProxy:
    """Passes GET and HEAD on to ``upstream``. Use as a context manager.

    ``failures`` holds the status of the next answers to object requests (0: cut in the middle of the
    body), ``hold_at`` the number of the object request (from 1) that is never answered; ``held`` is set
    when it came. ``fetched`` counts object requests by key.
    """

    upstream: str
    failures: list[int] = field(default_factory=list)
    hold_at: int | None = None
    held: threading.Event = field(default_factory=threading.Event)
    fetched: Counter[str] = field(default_factory=Counter)
    release: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def endpoint(self) -> str:
        """Its own address."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        proxy: ObjectProxy = self

        class Handler(_Handler):
            passing = proxy

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release.set()
        self._server.shutdown()
        self._server.server_close()

    def next_fault(self, key: str) -> int | None:
        """Take note of a request for an object; how it fails, or None."""
        with self._lock:
            self.fetched[key] += 1
            fault = self.failures.pop(0) if self.failures else None
            held = self.hold_at is not None and self.fetched.total() >= self.hold_at
        if held:
            self.held.set()
            self.release.wait()
        return fault


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    passing: ObjectProxy

    def do_GET(self) -> None:
        key = urlsplit(self.path).path.rpartition("/")[2]
        fault = self.passing.next_fault(key) if key.count(".") else None
        if fault:
            self._answer(fault, [], b"")
            return
        status, headers, body = self._ask()
        self._answer(status, headers, body, cut=fault == 0)

    def log_message(self, format: str, *args: object) -> None:
        pass

    def _ask(self) -> tuple[int, list[tuple[str, str]], bytes]:
        target = urlsplit(self.passing.upstream)
        connection = http.client.HTTPConnection(target.netloc, timeout=30)
        try:
            connection.request("GET", self.path, headers=dict(self.headers.items()))
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            connection.close()

    def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes, *, cut: bool = False) -> None:
        self.send_response(status)
        for name, value in headers:
            if name.lower() not in _HOP_BY_HOP:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if cut else body)
        if cut:
            self.wfile.flush()
            self.close_connection = True


__all__ = ["ObjectProxy"]
