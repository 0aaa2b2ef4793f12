"""The work of :mod:`medcairn.core.workers` on a Spark cluster: tasks as rows, the same code on executors.

Tasks name files and places in them, and executors read those themselves, so a folder must have the same path
on all machines (a mount, a volume). Results come back to the driver in order, which writes; so what is
written is the same, byte for byte. Arguments travel inside Spark's serialized task, a pseudonym key among
them: on a cluster switch Spark's encryption on (``spark.network.crypto.enabled``,
``spark.io.encryption.enabled``).
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, Self, cast

import pyarrow as pa

from medcairn.core.errors import ExternalError
from medcairn.core.spark import classic
from medcairn.core.workers import Failed, Result, Task, Work, answer

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_TASKS_A_CORE = 4
"""Tasks of a wave for each core. Their results are on the driver together: of 4 MiB chunks 16 MiB a core."""
_SCHEMA = "number bigint, result binary"


_Batches = Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]


class SparkWorkers:
    """Does what :class:`~medcairn.core.workers.Workers` does, on the executors of ``session``.

    Raises :class:`~medcairn.core.errors.UsageError` for a Spark Connect session.
    """

    def __init__(self, session: SparkSession) -> None:
        self._session = classic(session)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """The session stays: who made it ends it."""

    def in_order(
        self, make: Callable[..., Work[Task, Result]], arguments: tuple[object, ...], tasks: Iterable[Task]
    ) -> Iterator[Result]:
        """``make(*arguments)`` gives each partition its work; the results come in the order of ``tasks``.

        Raises what the work raises, and :class:`ExternalError` when a Spark job fails.
        """
        cores = max(self._session.sparkContext.defaultParallelism, 1)
        waiting = iter(tasks)
        while wave := [pickle.dumps(task) for task in islice(waiting, cores * _TASKS_A_CORE)]:
            yield from self._wave(wave, cores, _on_executor(make, arguments))

    def _wave(self, tasks: list[bytes], cores: int, work: _Batches) -> Iterator[Any]:
        """The results of some tasks; what a result is, only ``make`` knows."""
        numbers = pa.array(range(len(tasks)), pa.int64())
        table = pa.table({"number": numbers, "task": pa.array(tasks, pa.binary())})
        found: pa.Table | None = None
        try:
            frame = self._session.createDataFrame(table).repartitionByRange(min(cores, len(tasks)), "number")
            found = frame.mapInArrow(work, _SCHEMA).toArrow().sort_by("number")
        except Exception as failure:  # noqa: BLE001 -- py4j's errors quote data; none may travel on
            del failure
        if found is None:
            raise ExternalError("A Spark job failed", hint="Look at the executors' logs, then run again")
        for row in found.column("result"):
            result = pickle.loads(row.as_py())  # noqa: S301 -- our own executors made it
            if isinstance(result, Failed):
                raise result.error()
            yield result


def _on_executor(make: Callable[..., Work[Any, Any]], arguments: tuple[object, ...]) -> _Batches:
    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        work = answer(make, *arguments)
        for batch in batches:
            for number, task in zip(batch["number"].to_pylist(), batch["task"].to_pylist(), strict=True):
                one = pickle.loads(task)  # noqa: S301 -- the driver made it
                found = answer(cast("Work[Any, Any]", work), one) if callable(work) else work
                yield pa.record_batch(
                    {
                        "number": pa.array([number], pa.int64()),
                        "result": pa.array([pickle.dumps(found)], pa.binary()),
                    }
                )

    return run


__all__ = ["SparkWorkers"]
