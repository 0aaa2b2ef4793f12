"""The last net: an unforeseen error becomes a plain 500, and its text reaches neither client nor log."""

from __future__ import annotations

import msgspec
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from medcairn.core.canonical import JSON
from medcairn.core.labels import Label
from medcairn.core.log import get_logger

_log = get_logger(__name__)
_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


def json_response(status: int, value: dict[str, JSON]) -> Response:
    """``value`` as JSON that no cache keeps."""
    return Response(
        msgspec.json.encode(value, enc_hook=str),
        status_code=status,
        media_type="application/json",
        headers=_HEADERS,
    )


def error_response(status: int, code: str, message: str) -> Response:
    """An error: a stable code and constant text."""
    return json_response(status, {"error": {"code": code, "message": message}})


class SafeErrors:
    """ASGI middleware that stops every exception before a server would log it with its values."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = False

        async def watched(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        kind = ""
        try:
            await self._app(scope, receive, watched)
        except Exception as failure:  # noqa: BLE001 - nothing may pass
            kind = type(failure).__name__
        if kind:
            _log.warning("unforeseen_error", kind=Label(kind))
            if not begun:
                await error_response(500, "internal", "Something failed; it was logged")(scope, receive, send)


__all__ = ["SafeErrors", "error_response", "json_response"]
