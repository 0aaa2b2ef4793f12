"""The same work on one process or several: chunks in order in, results in the same order out."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import islice
from multiprocessing.connection import Connection, wait
from types import TracebackType
from typing import Any, Self, TypeVar, cast

from medcairn.core.errors import ExternalError, MedcairnError
from medcairn.core.labels import Label
from medcairn.deid.source import Chunk

Result = TypeVar("Result")
Work = Callable[[Chunk], Result]

_UNDER_WAY = 2
"""Chunks that a worker has at a time: one to work on and one to go on with. It bounds the memory."""
_EARLY = 4
"""Answers to a worker that may wait for an earlier one, before no more chunks are handed out."""
_GRACE_SECONDS = 5.0


class Failed:
    """An error of ours on its way out of a worker: its class and parts, because exceptions travel badly."""

    def __init__(self, error: MedcairnError) -> None:
        self.kind, self.message, self.hint, self.fields = type(error), error.message, error.hint, error.fields

    def error(self) -> MedcairnError:
        """The error again."""
        return self.kind(self.message, hint=self.hint, **self.fields)


class Workers:
    """A number of processes that stay for several kinds of work; with one, the work is done here."""

    def __init__(self, processes: int) -> None:
        self._processes = processes
        self._workers: list[tuple[multiprocessing.process.BaseProcess, Connection]] = []

    def __enter__(self) -> Self:
        if self._processes > 1:
            context = multiprocessing.get_context("spawn")
            for _ in range(self._processes):
                here, there = context.Pipe()
                worker = context.Process(target=_serve, args=(there,), daemon=True)
                worker.start()
                there.close()
                self._workers.append((worker, here))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker, connection in self._workers:
            connection.close()
            if error is not None:
                worker.terminate()
        for worker, _ in self._workers:
            worker.join(_GRACE_SECONDS)
            worker.kill()
        self._workers.clear()

    def in_order(
        self, make: Callable[..., Work[Result]], arguments: tuple[object, ...], chunks: Iterable[Chunk]
    ) -> Iterator[Result]:
        """``make(*arguments)`` gives each process its work; the results come in the order of ``chunks``.

        Raises what the work raises, and :class:`ExternalError` when a worker process dies.
        """
        if not self._workers:
            work = make(*arguments)
            for chunk in chunks:
                yield work(chunk)
            return
        died = False
        try:
            for _, connection in self._workers:
                connection.send((make, arguments))
            yield from self._answers(chunks)
        except (EOFError, ConnectionError):
            died = True
        if died:
            raise ExternalError(
                "A worker process died", hint="Out of memory is the usual cause: try fewer processes"
            )

    def _answers(self, chunks: Iterable[Chunk]) -> Iterator[Any]:  # what an answer is, only ``make`` knows
        """Whoever is ready gets the next chunk; answers that come too early wait, and are few."""
        waiting = enumerate(chunks)
        under_way = {connection: 0 for _, connection in self._workers}
        early: dict[int, object] = {}
        due = 0
        while True:
            for connection, count in under_way.items():
                room = min(_UNDER_WAY - count, _EARLY * len(under_way) - len(early))
                for chunk in islice(waiting, max(room, 0)):
                    connection.send(chunk)
                    under_way[connection] += 1
            if not any(under_way.values()):
                return
            for ready in cast("list[Connection]", wait([c for c, count in under_way.items() if count])):
                number, early_answer = ready.recv()
                early[number] = early_answer
                under_way[ready] -= 1
            while due in early:
                answer = early.pop(due)
                if isinstance(answer, Failed):
                    raise answer.error()
                yield answer
                due += 1


def _serve(connection: Connection) -> None:
    """A worker's life: work of a kind, then chunks to do it on, until the other end closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears it too, and ends its workers
    work: object = None
    with suppress(EOFError, ConnectionError):
        while True:
            message = connection.recv()
            if callable(message[0]):
                make, arguments = message
                work = _answer(make, *arguments)
                continue
            number, chunk = message
            connection.send((number, _answer(work, chunk) if callable(work) else work))


def _answer(work: Callable[..., object], *arguments: object) -> object:
    """What the work gives. Of a defect only the kind is told: its text and trace may quote data."""
    try:
        return work(*arguments)
    except MedcairnError as failure:
        return Failed(failure)
    except Exception as defect:  # noqa: BLE001 (whatever it is, it ends here)
        kind = type(defect).__name__
    return Failed(ExternalError("A worker process met a defect", hint="Report it", kind=Label(kind)))


__all__ = ["Failed", "Work", "Workers"]
