"""The same work on one process or several: chunks in order in, results in the same order out."""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from medcairn.core.errors import ExternalError, MedcairnError
from medcairn.deid.source import Chunk

Result = TypeVar("Result")
Work = Callable[[Chunk], Result]

_work: Work[object] | None = None


class Failed:
    """An error of ours on its way out of a worker: its class and parts, because exceptions travel badly."""

    def __init__(self, error: MedcairnError) -> None:
        self.kind, self.message, self.hint, self.fields = type(error), error.message, error.hint, error.fields

    def error(self) -> MedcairnError:
        """The error again."""
        return self.kind(self.message, hint=self.hint, **self.fields)


def in_order(
    make: Callable[..., Work[Result]], arguments: tuple[object, ...], chunks: Iterable[Chunk], processes: int
) -> Iterator[Result]:
    """``make(*arguments)`` gives each process its work; the results come in the order of ``chunks``.

    At most two chunks a process are under way, so memory stays bounded. Raises what the work raises, and
    :class:`ExternalError` when a worker process dies.
    """
    if processes == 1:
        work = make(*arguments)
        for chunk in chunks:
            yield work(chunk)
        return
    died = False
    pool = ProcessPoolExecutor(
        processes, multiprocessing.get_context("spawn"), initializer=_begin, initargs=(make, arguments)
    )
    try:
        yield from _pooled(pool, chunks, 2 * processes)
    except BrokenProcessPool:
        died = True
    finally:
        pool.shutdown(cancel_futures=True)
    if died:
        raise ExternalError(
            "A worker process died", hint="Out of memory is the usual cause: try fewer processes"
        )


def _pooled(pool: ProcessPoolExecutor, chunks: Iterable[Chunk], under_way: int) -> Iterator[Result]:
    waiting: deque[Future[Any]] = deque()  # a future cannot say what its worker was made for
    for chunk in chunks:
        waiting.append(pool.submit(_run, chunk))
        if len(waiting) >= under_way:
            yield _opened(waiting.popleft().result())
    while waiting:
        yield _opened(waiting.popleft().result())


def _opened(result: Result | Failed) -> Result:
    if isinstance(result, Failed):
        raise result.error()
    return result


def _begin(make: Callable[..., Work[object]], arguments: tuple[object, ...]) -> None:
    global _work
    _work = make(*arguments)


def _run(chunk: Chunk) -> object:
    assert _work is not None
    try:
        return _work(chunk)
    except MedcairnError as failure:
        return Failed(failure)


__all__ = ["Work", "in_order"]
