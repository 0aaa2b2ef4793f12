"""Gold tables on Spark: the same statements in Spark's dialect, written by its executors.

Spark reads the active data files of the silver tables and writes plain Parquet, in the order of the rows, to
a file system that it shares with this process; the Delta log is then committed here, as for DuckDB.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pyarrow as pa

from medcairn.core.errors import ExternalError
from medcairn.core.files import storage_errors
from medcairn.core.spark import classic, spark_session
from medcairn.lakehouse.commit import part_name
from medcairn.lakehouse.gold.dialects import SPARK, Dialect

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_INSTANTS = "spark.sql.parquet.outputTimestampType"
_Result = TypeVar("_Result")


class ClusteredGold:
    """Runs the statements on ``session``, else on the active or a small local one; it is never stopped.

    The names that it gives to relations are taken back by :meth:`close`.
    """

    dialect: Dialect = SPARK

    def __init__(self, session: SparkSession | None = None) -> None:
        self._session = classic(session) if session is not None else spark_session()
        self._names: list[str] = []

    def relation(self, name: str, files: Sequence[Path], schema: pa.Schema) -> None:
        """Give the rows of some Parquet files a name."""
        if not files:
            self.rows(name, schema.empty_table())
            return
        self._names.append(name)
        uris = [file.resolve().as_uri() for file in files]
        _guarded(lambda: self._session.read.parquet(*uris).createOrReplaceTempView(name))

    def rows(self, name: str, table: pa.Table) -> None:
        """Give a few rows in memory a name."""
        self._names.append(name)
        _guarded(lambda: self._session.createDataFrame(table).createOrReplaceTempView(name))

    def write(self, select: str, relations: Sequence[str], folder: Path) -> list[Path]:
        """Write the rows of a statement, in its order, into ``folder``; Spark divides the work itself."""
        del relations
        written = folder / "spark"
        before = self._session.conf.get(_INSTANTS, None)
        self._session.conf.set(_INSTANTS, "TIMESTAMP_MICROS")
        try:
            _guarded(
                lambda: (
                    self._session.sql(select)
                    .write.option("compression", "zstd")
                    .parquet(written.resolve().as_uri())
                )
            )
        finally:
            if before is None:
                self._session.conf.unset(_INSTANTS)
            else:
                self._session.conf.set(_INSTANTS, before)
        with storage_errors():
            # Spark numbers its files in the order of the rows.
            files = [
                file.rename(folder / part_name(number))
                for number, file in enumerate(sorted(written.glob("part-*.parquet")))
            ]
            shutil.rmtree(written)
        return files

    def close(self) -> None:
        """Take back the names; the session is its owner's."""
        for name in self._names:
            with suppress(ExternalError):
                _guarded(partial(self._session.catalog.dropTempView, name))


def _guarded(call: Callable[[], _Result]) -> _Result:
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    # Their text quotes rows.
    with suppress(PySparkException, Py4JError):
        return call()
    raise ExternalError(
        "Spark could not run a statement of the gold tables", hint="Look at the Spark driver's own log"
    )


__all__ = ["ClusteredGold"]
