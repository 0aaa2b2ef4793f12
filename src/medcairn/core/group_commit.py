"""Group commit: many threads hand in writes, one thread commits what waits at once, and each caller returns
only when its own write is durable. The cost of one flush to disk is shared."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Generic, TypeVar

from medcairn.core.errors import ExternalError

Write = TypeVar("Write")
Done = TypeVar("Done")

LARGEST_BATCH = 512


class GroupCommit(Generic[Write, Done]):
    """Calls ``commit`` with batches of what was submitted, in order, from one thread of its own.

    ``commit`` returns one result for each write when all of them are durable, or raises, and then each
    caller whose write was in the batch hears of it. It is never called twice at a time.
    """

    def __init__(self, commit: Callable[[Sequence[Write]], Sequence[Done]], *, name: str) -> None:
        self._commit = commit
        self._queue: queue.SimpleQueue[tuple[Write, Future[Done]] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._name = name
        self._thread: threading.Thread | None = None
        self._closed = False

    def submit(self, write: Write) -> Done:
        """Wait until ``write`` is committed; its result.

        Raises what ``commit`` raised, and :class:`ExternalError` after :meth:`close`.
        """
        done: Future[Done] = Future()
        with self._lock:
            if self._closed:
                raise ExternalError("Nothing can be written here any more: it is closed")
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()
            self._queue.put((write, done))
        return done.result()

    def close(self) -> None:
        """Commit what waits, then refuse more. May be called again."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._queue.put(None)
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while (first := self._queue.get()) is not None:
            batch, last = [first], False
            while len(batch) < LARGEST_BATCH and not self._queue.empty():
                waiting = self._queue.get()
                if waiting is None:
                    last = True
                    break
                batch.append(waiting)
            self._finish(batch)
            if last:
                return

    def _finish(self, batch: list[tuple[Write, Future[Done]]]) -> None:
        try:
            results = self._commit([write for write, _ in batch])
        except BaseException as failure:  # noqa: BLE001 - every caller must hear of it, whatever it is
            for _, done in batch:
                done.set_exception(failure)
            return
        for (_, done), result in zip(batch, results, strict=True):
            done.set_result(result)


__all__ = ["LARGEST_BATCH", "GroupCommit"]
