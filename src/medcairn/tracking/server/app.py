"""The application: authenticate, guard, audit, then MLflow; in this order, for every request."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from medcairn.core.errors import MedcairnError
from medcairn.core.labels import Label
from medcairn.core.log import get_logger
from medcairn.tracking.server.bodies import Headers, Spooled, read_headers, spool
from medcairn.tracking.server.departments import Asked, Departments
from medcairn.tracking.server.enumeration import Enumerated
from medcairn.tracking.server.guard import PhiGuard
from medcairn.tracking.server.identity import Authenticator, Caller
from medcairn.tracking.server.recording import AccessRecorder
from medcairn.tracking.server.refusals import Check, RequestRefused
from medcairn.tracking.server.routes import Body, Kind, Request, Route, RouteTable
from medcairn.tracking.server.signed_versions import SignedVersionGuard

_log = get_logger(__name__)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_INLINE_BYTES = 64 << 10
_FORWARDED = frozenset({
    b"accept", b"accept-language", b"content-type", b"host", b"if-modified-since", b"if-none-match",
    b"origin", b"range", b"user-agent", b"x-mlflow-experiment-id", b"x-mlflow-run-id",
})  # fmt: skip
"""What MLflow is handed. Credentials and a proxy's header fields end here."""


@dataclass(frozen=True)
class Guards:
    """All that a request must pass."""

    authenticator: Authenticator
    table: RouteTable
    enumerated: Enumerated
    guard: PhiGuard
    departments: Departments
    signed: SignedVersionGuard
    recorder: AccessRecorder


@dataclass
class _Passing:
    """One request on its way, as far as it is known."""

    method: str
    template: Label
    caller: Caller | None = None
    begun: bool = False


class GuardedMlflow:
    """ASGI application around MLflow's. Nothing reaches MLflow but requests that passed every guard."""

    def __init__(self, mlflow: ASGIApp, guards: Guards) -> None:
        self._mlflow, self._guards = mlflow, guards
        self._scans = asyncio.Semaphore(guards.guard.limits.scanned_at_a_time)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._mlflow(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        method = scope["method"] if scope["method"] in _METHODS else "OTHER"
        passing = _Passing(method, Label("unknown"))
        refusal: RequestRefused | None = None
        kind = ""
        try:
            await self._pass(passing, scope, receive, send)
        except RequestRefused as failure:
            refusal = failure
        except Exception as failure:  # noqa: BLE001 - whatever it is, it must not open the way
            kind = type(failure).__name__
        if kind:
            _log.warning("tracking_guard_failed", kind=Label(kind), route=passing.template)
            refusal = RequestRefused(500, Check.GUARD_FAILED, "A guard failed, so the request was refused")
        if refusal is not None:
            await self._refuse(passing, refusal, scope, receive, send)

    async def _pass(self, passing: _Passing, scope: Scope, receive: Receive, send: Send) -> None:
        guards = self._guards
        request = guards.table.request(guards.enumerated, scope["method"], scope["path"])
        if request.route is not None and request.route.kind is Kind.OPEN:
            await self._mlflow(_forwarded(scope, 0), _no_body, send)
            return
        headers = read_headers(scope)
        passing.caller = caller = await self._caller(scope, headers)
        passing.template = request.template
        route = _checked_route(request, caller)
        await guards.recorder.check()
        if route.kind is Kind.PAGE:
            await self._mlflow(_forwarded(scope, 0), _no_body, send)
            return
        body = await spool(receive, headers, most_bytes=guards.guard.most_bytes(route))
        try:
            asked = await self._inspected(request, route, scope, headers, body)
            await self._reached(caller, route, asked)
            await self._answered(passing, route, scope, receive, send, body)
        finally:
            body.close()

    async def _caller(self, scope: Scope, headers: Headers) -> Caller:
        authenticator = self._guards.authenticator
        remembered = authenticator.remembered(headers)
        if remembered is not None:
            return remembered
        client = scope.get("client")
        return await asyncio.to_thread(authenticator.identify, headers, client[0] if client else "")

    async def _inspected(
        self, request: Request, route: Route, scope: Scope, headers: Headers, body: Spooled
    ) -> Asked:
        check = self._guards.guard.check
        if body.size <= _INLINE_BYTES and route.body is not Body.ARTIFACT:
            return check(request, route, scope["query_string"], headers, body)
        async with self._scans:
            return await asyncio.to_thread(check, request, route, scope["query_string"], headers, body)

    async def _reached(self, caller: Caller, route: Route, asked: Asked) -> None:
        guards = self._guards
        if guards.departments.prefixes(caller) is not None:
            await asyncio.to_thread(guards.departments.check, caller, route, asked)
        if route.kind is Kind.WRITE and (route.about in ("model", "artifact") or route.body is Body.ARTIFACT):
            await asyncio.to_thread(guards.signed.check, caller, route, asked)

    async def _answered(
        self, passing: _Passing, route: Route, scope: Scope, receive: Receive, send: Send, body: Spooled
    ) -> None:
        """Hand the request to MLflow; its answer leaves only when the event is on disk."""
        caller = passing.caller
        assert caller is not None
        departments = self._guards.departments
        filtered = route.about.startswith("listed:") and departments.prefixes(caller) is not None
        answer = _Listed(departments, caller, route) if filtered else None

        async def recorded(message: Message) -> None:
            if message["type"] == "http.response.start":
                status = message["status"]
                await self._guards.recorder.accessed(
                    caller, passing.method, passing.template, route.kind, status
                )
                _log.info("tracking_accessed", route=passing.template, status=status)
                if answer is None:
                    passing.begun = True
            for each in [message] if answer is None else answer.take(message):
                passing.begun = True
                await send(each)

        await self._mlflow(_forwarded(scope, body.size), _replayed(body, receive), recorded)

    async def _refuse(
        self, passing: _Passing, refusal: RequestRefused, scope: Scope, receive: Receive, send: Send
    ) -> None:
        if passing.caller is not None and refusal.check is not Check.AUDIT_FAILED:
            try:
                await self._guards.recorder.refused(passing.caller, passing.method, passing.template, refusal)
            except MedcairnError:
                _log.warning("tracking_audit_failed", route=passing.template)
                refusal = RequestRefused(503, Check.AUDIT_FAILED, "The audit trail cannot be written")
        _log.info("tracking_refused", route=passing.template, status=refusal.status, check=refusal.check)
        if not passing.begun:
            await refusal.response()(scope, receive, send)


class _Listed:
    """Holds back a listing until it is whole, and takes out what its reader does not reach."""

    def __init__(self, departments: Departments, caller: Caller, route: Route) -> None:
        self._departments, self._caller, self._route = departments, caller, route
        self._start: Message = {}
        self._parts: list[bytes] = []

    def take(self, message: Message) -> list[Message]:
        if message["type"] == "http.response.start":
            self._start = message
            return []
        self._parts.append(message.get("body", b""))
        if message.get("more_body", False):
            return []
        data = b"".join(self._parts)
        if self._start["status"] == 200 and data:
            data = json.dumps(self._departments.listed(self._caller, self._route, json.loads(data))).encode()
        kept = [pair for pair in self._start["headers"] if pair[0].lower() != b"content-length"]
        kept.append((b"content-length", str(len(data)).encode()))
        return [{**self._start, "headers": kept}, {"type": "http.response.body", "body": data}]


def _checked_route(request: Request, caller: Caller) -> Route:
    """Raises :class:`RequestRefused` for a route that is closed to all, or to the caller's roles."""
    if request.route is None:
        reason = request.refused.value if request.refused else "unknown_route"
        raise RequestRefused(403, Check.ROUTE, f"This route is closed on this server: {reason}")
    if request.route.kind is not Kind.PAGE and caller.actions.isdisjoint(request.route.needs):
        raise RequestRefused(403, Check.ROLE, "Your roles do not allow this")
    return request.route


def _forwarded(scope: Scope, size: int) -> Scope:
    headers = [pair for pair in scope["headers"] if pair[0].lower() in _FORWARDED]
    headers.append((b"content-length", str(size).encode()))
    return {**scope, "headers": headers}


def _replayed(body: Spooled, receive: Receive) -> Receive:
    messages: AsyncIterator[Message] = body.messages()

    async def replayed() -> Message:
        try:
            return await anext(messages)
        except StopAsyncIteration:
            return await receive()

    return replayed


async def _no_body() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


__all__ = ["GuardedMlflow", "Guards"]
