"""The same work over ranges on one process or several; the results come in the order of the ranges."""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from medcairn.core.errors import ExternalError
from medcairn.deid.leaks.files import Range

Result = TypeVar("Result")
Work = Callable[[Range], Result]

_work: Work[object] | None = None


def in_order(
    make: Callable[..., Work[Result]], arguments: tuple[object, ...], parts: Iterable[Range], processes: int
) -> Iterator[Result]:
    """``make(*arguments)`` gives each process its work. At most two ranges a process are under way.

    Raises :class:`ExternalError` when a worker process dies. The work itself raises nothing.
    """
    if processes <= 1:
        yield from map(make(*arguments), parts)
        return
    died = False
    pool = ProcessPoolExecutor(
        processes, multiprocessing.get_context("spawn"), initializer=_begin, initargs=(make, arguments)
    )
    try:
        waiting: deque[Future[Any]] = deque()  # a future cannot say what its worker was made for
        for part in parts:
            waiting.append(pool.submit(_run, part))
            if len(waiting) >= 2 * processes:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool:
        died = True
    finally:
        pool.shutdown(cancel_futures=True)
    if died:
        raise ExternalError(
            "A worker process died", hint="Out of memory is the usual cause: try fewer processes"
        )


def _begin(make: Callable[..., Work[object]], arguments: tuple[object, ...]) -> None:
    global _work
    _work = make(*arguments)


def _run(part: Range) -> object:
    assert _work is not None
    return _work(part)


__all__ = ["in_order"]
