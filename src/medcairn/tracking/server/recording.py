"""Every read and write as an event of the ledger, durable before the caller hears the answer."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from medcairn.audit import EventType, Ledger
from medcairn.core.canonical import JSON
from medcairn.core.errors import MedcairnError
from medcairn.core.labels import Label
from medcairn.tracking.server.identity import Caller
from medcairn.tracking.server.refusals import Check, RequestRefused
from medcairn.tracking.server.routes import Kind

_WRITERS = 32
"""So many requests can wait for one group commit."""


class AccessRecorder:
    """Appends to the ledger beside the event loop. Once an append has failed, nothing is served until one
    succeeds again: what cannot be recorded is not done."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._pool = ThreadPoolExecutor(_WRITERS, thread_name_prefix="tracking-audit")
        self._failed = False

    async def check(self) -> None:
        """Pass when events can be written, as far as is known. Raises :class:`RequestRefused` (503)."""
        if self._failed:
            await self._append(EventType.TRACKING_REFUSED, "pipeline", {"check": Check.AUDIT_FAILED.value})

    async def accessed(self, caller: Caller, method: str, template: Label, kind: Kind, status: int) -> None:
        """A request that MLflow answered with ``status``. Raises :class:`RequestRefused` (503)."""
        record: dict[str, JSON] = {
            "route": template,
            "method": method,
            "kind": kind.value,
            "status": status,
        }
        await self._append(EventType.TRACKING_ACCESSED, caller.actor, record)

    async def refused(self, caller: Caller, method: str, template: Label, refusal: RequestRefused) -> None:
        """A request that was refused before MLflow saw it. Raises :class:`RequestRefused` (503)."""
        record: dict[str, JSON] = {
            "route": template, "method": method, "status": refusal.status, **refusal.record()
        }  # fmt: skip
        await self._append(EventType.TRACKING_REFUSED, caller.actor, record)

    def close(self) -> None:
        self._pool.shutdown()

    async def _append(self, kind: EventType, actor: str, record: dict[str, JSON]) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(
                self._pool, lambda: self._ledger.append(kind, actor=actor, record=record)
            )
            self._failed = False
        except MedcairnError:
            self._failed = True
        if self._failed:
            raise RequestRefused(
                503, Check.AUDIT_FAILED, "The audit trail cannot be written; nothing is served"
            )


__all__ = ["AccessRecorder"]
