"""The same work on one process or several: tasks in order in, results in the same order out."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import islice
from multiprocessing.connection import Connection, wait
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar, cast

from medcairn.core.errors import ExternalError, MedcairnError
from medcairn.core.labels import Label

Task = TypeVar("Task")
Result = TypeVar("Result")
Work = Callable[[Task], Result]

_UNDER_WAY = 2
"""Tasks that a worker has at a time: one to work on and one to go on with. It bounds the memory."""
_EARLY = 4
"""Answers to a worker that may wait for an earlier one, before no more tasks are handed out."""
_GRACE_SECONDS = 5.0


class Failed:
    """An error of ours on its way out of a worker: its class and parts, because exceptions travel badly."""

    def __init__(self, error: MedcairnError) -> None:
        self.kind, self.message, self.hint, self.fields = type(error), error.message, error.hint, error.fields

    def error(self) -> MedcairnError:
        """The error again."""
        return self.kind(self.message, hint=self.hint, **self.fields)


class WorkerPool(Protocol):
    """Whoever does a stage's work: processes here, or the executors of a cluster."""

    def in_order(
        self, make: Callable[..., Work[Task, Result]], arguments: tuple[object, ...], tasks: Iterable[Task]
    ) -> Iterator[Result]:
        """``make(*arguments)`` gives each worker its work; the results come in the order of ``tasks``."""
        ...


class Workers:
    """A number of processes that stay for several kinds of work; with one, the work is done here.

    A worker ends when this process does, also when that is killed: its pipe closes.
    """

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
        self, make: Callable[..., Work[Task, Result]], arguments: tuple[object, ...], tasks: Iterable[Task]
    ) -> Iterator[Result]:
        """``make(*arguments)`` gives each process its work; the results come in the order of ``tasks``.

        Raises what the work raises, and :class:`ExternalError` when a worker process dies.
        """
        if not self._workers:
            yield from map(make(*arguments), tasks)
            return
        died = False
        try:
            for _, connection in self._workers:
                connection.send((make, arguments))
            yield from self._answers(tasks)
        except (EOFError, ConnectionError):
            died = True
        if died:
            raise ExternalError(
                "A worker process died", hint="Out of memory is the usual cause: try fewer processes"
            )

    def _answers(self, tasks: Iterable[object]) -> Iterator[Any]:  # what an answer is, only ``make`` knows
        """Whoever is ready gets the next task; answers that come too early wait, and are few."""
        waiting = enumerate(tasks)
        under_way = {connection: 0 for _, connection in self._workers}
        early: dict[int, object] = {}
        due = 0
        while True:
            for connection, count in under_way.items():
                room = min(_UNDER_WAY - count, _EARLY * len(under_way) - len(early))
                for numbered in islice(waiting, max(room, 0)):
                    connection.send(numbered)
                    under_way[connection] += 1
            if not any(under_way.values()):
                return
            for ready in cast("list[Connection]", wait([c for c, count in under_way.items() if count])):
                number, early_result = ready.recv()
                early[number] = early_result
                under_way[ready] -= 1
            while due in early:
                result = early.pop(due)
                if isinstance(result, Failed):
                    raise result.error()
                yield result
                due += 1


def _serve(connection: Connection) -> None:
    """A worker's life: work of a kind, then tasks for it, until the other end closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears it too, and ends its workers
    work: object = None
    with suppress(EOFError, ConnectionError):
        while True:
            message = connection.recv()
            if callable(message[0]):
                make, arguments = message
                work = answer(make, *arguments)
                continue
            number, task = message
            connection.send((number, answer(work, task) if callable(work) else work))


def answer(work: Callable[..., object], *arguments: object) -> object:
    """What the work gives. Of a defect only the kind is told: its text and trace may quote data."""
    try:
        return work(*arguments)
    except MedcairnError as failure:
        return Failed(failure)
    except Exception as defect:  # noqa: BLE001 (whatever it is, it ends here)
        kind = type(defect).__name__
    return Failed(ExternalError("A worker process met a defect", hint="Report it", kind=Label(kind)))


__all__ = ["Failed", "Result", "Task", "Work", "WorkerPool", "Workers", "answer"]
