"""Sealing the ledger while the service runs, in a thread of its own, so that no answer waits for it.

What stands after the last checkpoint could be cut off without a trace (see the README of audit). A service
that runs for months therefore seals again and again: after so many entries or so many minutes, whichever
comes first, and when it stops.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Self

from medcairn.audit import EventType
from medcairn.core.artifacts import ArtifactRef
from medcairn.core.canonical import JSON
from medcairn.core.errors import ExternalError, MedcairnError
from medcairn.core.labels import Label
from medcairn.core.log import get_logger
from medcairn.serving.recorder import EventSink

_log = get_logger(__name__)


class SealedSink:
    """An :class:`EventSink` in front of ``sink`` that calls ``seal`` when it is due.

    For a ledger that is its ``checkpoint``, which keeps appends waiting no longer than another append does.
    A ``seal`` that fails is logged and tried again after ``every_seconds``; answers go on.
    """

    def __init__(
        self, sink: EventSink, seal: Callable[[], object], *, every_entries: int, every_seconds: float
    ) -> None:
        self._sink, self._seal = sink, seal
        self._every_entries, self._every_seconds = every_entries, every_seconds
        self._changed = threading.Condition()
        self._unsealed = 0
        self._due_at = self._retry_at = 0.0
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="ledger-sealer", daemon=True)
        self._thread.start()

    def append(
        self,
        event_type: EventType,
        *,
        actor: str,
        inputs: Sequence[ArtifactRef] = (),
        record: Mapping[str, JSON] | None = None,
    ) -> object:
        """Record one event; durable on return, sealed some time later."""
        done = self._sink.append(event_type, actor=actor, inputs=inputs, record=record)
        with self._changed:
            self._unsealed += 1
            if self._unsealed == 1:
                self._due_at = time.monotonic() + self._every_seconds
            if self._unsealed in (1, self._every_entries):
                self._changed.notify()
        return done

    def check_ready(self) -> None:
        """Pass when an event could be recorded now. Raises what ``sink`` raises."""
        self._sink.check_ready()

    def close(self) -> None:
        """Seal what is not sealed yet. May be called again; ``sink`` stays open."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self) -> None:
        last = False
        while not last:
            with self._changed:
                while not self._closed and (patience := self._patience()) != 0.0:
                    self._changed.wait(patience)
                last, taken, self._unsealed = self._closed, self._unsealed, 0
            sealed = taken == 0 or self._sealed()
            with self._changed:
                self._retry_at = 0.0 if sealed else time.monotonic() + self._every_seconds
                self._unsealed += 0 if sealed else taken

    def _patience(self) -> float | None:
        """Seconds until a seal is due; None while there is nothing to seal.

        After a failure time alone counts, or a witness that is away would be asked again at every entry.
        """
        if self._unsealed == 0:
            return None
        full = self._unsealed >= self._every_entries
        return max(0.0, (self._retry_at if full else max(self._due_at, self._retry_at)) - time.monotonic())

    def _sealed(self) -> bool:
        failure: MedcairnError | None = None
        try:
            self._seal()
        except MedcairnError as error:
            failure = error
        except Exception as error:  # noqa: BLE001 - whatever it is, the service goes on and tries again
            failure = ExternalError("A checkpoint could not be sealed", kind=Label(type(error).__name__))
        if failure is not None:
            _log.error("checkpoint_failed", failure)
        return failure is None


__all__ = ["SealedSink"]
