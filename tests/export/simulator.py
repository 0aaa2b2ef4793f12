"""A small Bulk Data server over real HTTP that keeps the protocol's promises, and breaks them on request.

It counts what it is asked, checks tokens and client assertions for real, and takes a script of faults: the
next replies of an endpoint, in order, after which the endpoint behaves again.
"""

from __future__ import annotations

import gzip
import json
import threading
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, urlsplit

import jwt

TRANSACTION_TIME = "2026-01-31T09:30:00.123Z"


@dataclass(frozen=True)
class Reply:
    """A reply out of turn. ``cut_after`` closes the connection after so many bytes of the body."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    cut_after: int | None = None


@dataclass(frozen=True)
class Hold:
    """Send the first half of the true body, then wait until ``release`` is set."""

    release: threading.Event


@dataclass(frozen=True)
class SimFile:
    """A file of the export. ``listed_type``, ``count`` and ``url`` are what the manifest says of it."""

    resource_type: str
    body: bytes
    count: int | str | None = None
    listed_type: str | None = None
    url: str | None = None


@dataclass(frozen=True)
class Seen:
    """A request as it arrived."""

    method: str
    path: str
    query: Mapping[str, list[str]]
    token: str | None
    headers: Mapping[str, str]


def resource(resource_type: str, number: int, **more: object) -> bytes:
    """One line of NDJSON."""
    value = {"resourceType": resource_type, "id": f"{resource_type.lower()}-{number}", **more}
    return json.dumps(value, ensure_ascii=False).encode() + b"\n"


def ndjson(resource_type: str, count: int, start: int = 0, **more: object) -> SimFile:
    """A file of ``count`` resources that the manifest counts rightly."""
    body = b"".join(resource(resource_type, start + n, **more) for n in range(count))
    return SimFile(resource_type, body, count=count)


class Simulator:
    """A hospital's server on a loopback port. Use as a context manager."""

    def __init__(
        self, files: list[SimFile], *, client_keys: Mapping[str, Mapping[str, object]] | None = None
    ) -> None:
        self.files = files
        self.errors: list[SimFile] = []
        self.deleted: list[SimFile] = []
        self.script: dict[str, list[Reply | Hold]] = defaultdict(list)
        self.seen: list[Seen] = []
        self.client_keys = client_keys
        self.requires_access_token = client_keys is not None
        self.token_life_seconds: float = 300
        self.polls_until_ready = 1
        self.compress = False
        self.etag: str | None = None
        self.manifest_extra: dict[str, object] = {}
        self.assertion_problems: list[str] = []
        self.kick_offs = 0
        self.tokens: dict[str, float] = {}
        self._jobs: dict[str, int] = {}
        self._assertion_ids: set[str] = set()
        self._lock = threading.Lock()
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
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def root(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def base_url(self) -> str:
        return f"{self.root}/fhir"

    def requests(self, start: str, method: str = "GET") -> list[Seen]:
        """Requests whose path starts with ``start``."""
        return [seen for seen in self.seen if seen.path.startswith(start) and seen.method == method]

    def answer(self, method: str, path: str, seen: Seen, form: Mapping[str, list[str]]) -> Reply | Hold:
        with self._lock:
            self.seen.append(seen)
            key = f"{method} {path}"
            queue = self.script.get(key) or self.script.get(method + " " + path.rsplit("/", 1)[0] + "/*")
            if queue:
                return queue.pop(0)
            if path == "/fhir/.well-known/smart-configuration":
                return self._configuration()
            if path == "/auth/token" and method == "POST":
                return self._grant(form)
            if path.endswith("$export"):
                return self._kick_off(seen)
            if path.startswith("/status/"):
                return self._status(method, path, seen)
            return self.file(seen)

    def _configuration(self) -> Reply:
        if self.client_keys is None:
            return Reply(404)
        return _json({"token_endpoint": f"{self.root}/auth/token"})

    def _grant(self, form: Mapping[str, list[str]]) -> Reply:
        problem = self._assertion_problem(form)
        if problem:
            self.assertion_problems.append(problem)
            return _json({"error": "invalid_client", "error_description": "CANARY-OAUTH-TEXT"}, 401)
        token = f"secret-token-{len(self.tokens)}"
        self.tokens[token] = time.monotonic() + self.token_life_seconds
        return _json({"access_token": token, "token_type": "bearer", "expires_in": self.token_life_seconds})

    def _assertion_problem(self, form: Mapping[str, list[str]]) -> str | None:
        expected = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
        if form.get("client_assertion_type") != [expected] or form.get("grant_type") != [
            "client_credentials"
        ]:
            return "form"
        assertion = form["client_assertion"][0]
        header = jwt.get_unverified_header(assertion)
        jwk = (self.client_keys or {}).get(str(header.get("kid")))
        if jwk is None:
            return "unknown key"
        try:
            claims = jwt.decode(
                assertion,
                jwt.PyJWK.from_dict(dict(jwk)),
                algorithms=["ES384", "RS384"],
                audience=f"{self.root}/auth/token",
                options={"require": ["iss", "sub", "aud", "exp", "jti"]},
            )
        except jwt.PyJWTError as failure:
            return type(failure).__name__
        if claims["iss"] != claims["sub"] or claims["exp"] > time.time() + 300:
            return "claims"
        if claims["jti"] in self._assertion_ids:
            return "replayed"
        self._assertion_ids.add(claims["jti"])
        return None

    def _token_ok(self, seen: Seen) -> bool:
        if self.client_keys is None:
            return True
        return self.tokens.get(seen.token or "", 0) > time.monotonic()

    def _kick_off(self, seen: Seen) -> Reply:
        if not self._token_ok(seen):
            return Reply(401)
        if seen.headers.get("prefer") != "respond-async":
            return Reply(400)
        self.kick_offs += 1
        job = f"job{self.kick_offs}"
        self._jobs[job] = 0
        return Reply(202, headers={"Content-Location": f"{self.root}/status/{job}"})

    def _status(self, method: str, path: str, seen: Seen) -> Reply:
        job = path.rsplit("/", 1)[1]
        if not self._token_ok(seen):
            return Reply(401)
        if job not in self._jobs:
            return Reply(404)
        if method == "DELETE":
            del self._jobs[job]
            return Reply(202)
        self._jobs[job] += 1
        if self._jobs[job] <= self.polls_until_ready:
            return Reply(202, headers={"Retry-After": "0", "X-Progress": "CANARY-PROGRESS-TEXT"})
        return _json(self.manifest())

    def manifest(self) -> dict[str, object]:
        """What the finished job's status says."""
        return {
            "transactionTime": TRANSACTION_TIME,
            "request": f"{self.base_url}/$export",
            "requiresAccessToken": self.requires_access_token,
            "output": self._listing("output", self.files),
            "error": self._listing("error", self.errors),
            "deleted": self._listing("deleted", self.deleted),
            **self.manifest_extra,
        }

    def _listing(self, role: str, files: list[SimFile]) -> list[dict[str, object]]:
        entries = []
        for number, file in enumerate(files):
            url = file.url or f"{self.root}/files/{role}/{number}"
            entry: dict[str, object] = {"type": file.listed_type or file.resource_type, "url": url}
            entries.append(entry if file.count is None else {**entry, "count": file.count})
        return entries

    def _ranged(self, body: bytes, seen: Seen) -> Reply:
        """A part when a part of this very version is asked for (RFC 9110, 13.1.5), else all."""
        headers = {"Accept-Ranges": "bytes", "ETag": str(self.etag)}
        start = _start_of(seen)
        if start and seen.headers.get("if-range") == self.etag:
            headers["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
            return Reply(206, body[start:], headers)
        return Reply(200, body, headers)

    def file(self, seen: Seen) -> Reply:
        """A file, as it is sent when nothing is wrong."""
        parts = seen.path.split("/")
        roles = {"output": self.files, "error": self.errors, "deleted": self.deleted}
        if len(parts) != 4 or parts[1] != "files" or parts[2] not in roles:
            return Reply(404)
        if self.requires_access_token and not self._token_ok(seen):
            return Reply(401)
        body = roles[parts[2]][int(parts[3])].body
        if self.etag is not None:
            return self._ranged(body, seen)
        if self.compress:
            return Reply(200, gzip.compress(body, mtime=0), {"Content-Encoding": "gzip"})
        return Reply(200, body)


def _start_of(seen: Seen) -> int:
    return int(seen.headers.get("range", "bytes=0-").removeprefix("bytes=").removesuffix("-"))


def _json(value: object, status: int = 200) -> Reply:
    return Reply(status, json.dumps(value).encode(), {"Content-Type": "application/json"})


def _handler_of(simulator: Simulator) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None:
            pass

        def _serve(self) -> None:
            parts = urlsplit(self.path)
            length = int(self.headers.get("Content-Length") or 0)
            form = parse_qs(self.rfile.read(length).decode()) if length else {}
            given = self.headers.get("Authorization") or ""
            token = given.removeprefix("Bearer ") if given.startswith("Bearer ") else None
            headers = {name.lower(): value for name, value in self.headers.items()}
            seen = Seen(self.command, parts.path, parse_qs(parts.query), token, headers)
            reply = simulator.answer(self.command, parts.path, seen, form)
            try:
                self._send(reply, seen)
            except OSError:
                self.close_connection = True

        def _send(self, reply: Reply | Hold, seen: Seen) -> None:
            if isinstance(reply, Hold):
                whole = simulator.file(seen)
                self._head(whole)
                self.wfile.write(whole.body[: len(whole.body) // 2])
                self.wfile.flush()
                reply.release.wait(30)
                self.close_connection = True
                return
            self._head(reply)
            self.wfile.write(reply.body if reply.cut_after is None else reply.body[: reply.cut_after])
            if reply.cut_after is not None:
                self.close_connection = True

        def _head(self, reply: Reply) -> None:
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()

        do_GET = do_POST = do_DELETE = _serve  # noqa: N815  (http.server's names)

    return Handler
