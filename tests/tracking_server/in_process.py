"""The guards around a trap instead of MLflow, called without a network."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import httpx
from starlette.types import Receive, Scope, Send

from medcairn.tracking.server.app import GuardedMlflow, Guards


@dataclass
class Trap:
    """Counts what would have reached MLflow, and keeps the header fields of the last request."""

    reached: int = 0
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes = b""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.reached += 1
        self.headers = scope["headers"]
        self.body, more = b"", True
        while more:
            message = await receive()
            self.body += message.get("body", b"")
            more = message.get("more_body", False)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})


@dataclass(frozen=True)
class Ask:
    """A request to be sent."""

    method: str
    path: str
    body: bytes = b"{}"
    headers: tuple[tuple[str, str], ...] = (("content-type", "application/json"),)


def ask(guards: Guards, trap: Trap, *asks: Ask, peer: str = "127.0.0.1") -> Sequence[httpx.Response]:
    """The answers, in order."""

    async def all_of_them() -> list[httpx.Response]:
        transport = httpx.ASGITransport(GuardedMlflow(trap, guards), client=(peer, 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return [
                await client.request(each.method, each.path, content=each.body, headers=list(each.headers))
                for each in asks
            ]

    return asyncio.run(all_of_them())


__all__ = ["Ask", "Trap", "ask"]
