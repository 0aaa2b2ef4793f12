"""Spark as an engine: runs queries on a session, and translates its errors."""

# ruff: noqa: S608 -- statements are put together from names of ours; no value of data enters their text

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pyarrow as pa

from medcairn.core.errors import MedcairnError
from medcairn.core.spark import classic, spark_session
from medcairn.lakehouse.engines.failures import known_failure, refused
from medcairn.lakehouse.engines.seam import Row
from medcairn.lakehouse.views.dialects import Spark
from medcairn.lakehouse.views.lines import LineReader

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_SETTINGS = {
    # A member that is there twice: the last one counts.
    "spark.sql.variant.allowDuplicateKeys": "true",
    "spark.sql.parser.escapedStringLiterals": "false",
    # Lambdas are resolved one level of nesting after the other.
    "spark.sql.analyzer.maxIterations": "1000",
}
_TEXT_SCHEMA = pa.schema([("resource", pa.string())])
_Result = TypeVar("_Result")


class SparkEngine:
    """Views on a Spark session (4.0 or later): the one that is given, or that is active, or a local one.

    Some settings of the session are set while a query runs. Rows come to the driver as a whole; files are
    checked on the driver and must be in reach of it.
    """

    def __init__(self, session: SparkSession | None = None) -> None:
        self._session = classic(session) if session is not None else spark_session()
        # It writes whole error messages, which quote values, to standard error.
        logging.getLogger("SQLQueryContextLogger").disabled = True

    @property
    def dialect(self) -> Spark:
        """How its SQL is written."""
        return Spark()

    def texts(self, texts: Sequence[str]) -> str:
        """A relation of texts in memory; column ``resource``."""
        table = pa.table({"resource": pa.array(texts, pa.string())}, schema=_TEXT_SCHEMA)
        return self._relation("medcairn_texts", lambda: self._session.createDataFrame(table))

    def lines(self, files: Sequence[Path]) -> str:
        """A relation of the lines of NDJSON files; column ``resource``. All of them are checked first."""
        for _ in LineReader(files):
            pass
        read = self._session.read.option("lineSep", "\n")
        uris = [_location(file) for file in files]
        relation = self._relation("medcairn_files", lambda: read.text(uris))
        cleaned = "regexp_replace(value, '^\\\\x{FEFF}', '')"
        return f"(SELECT {cleaned} AS resource FROM {relation} WHERE {cleaned} RLIKE '\\\\S')"

    def parquet(self, files: Sequence[Path], without: pa.Table | None = None) -> str:
        """A relation of the column ``resource`` of Parquet files, without some (id, sequence)."""
        uris = [_location(file) for file in files]
        relation = self._relation("medcairn_parquet", lambda: self._session.read.parquet(*uris))
        if without is None or without.num_rows == 0:
            return relation
        left_out = self._relation("medcairn_without", lambda: self._session.createDataFrame(without))
        return f"(SELECT * FROM {relation} ANTI JOIN {left_out} USING (id, sequence))"

    def rows(self, sql: str) -> list[Row]:
        """The rows of a query."""
        with self._settings():
            return [tuple(row) for row in _guarded(lambda: self._session.sql(sql).collect())]

    def batches(self, sql: str) -> Iterator[pa.RecordBatch]:
        """The rows of a query as Arrow batches."""
        with self._settings():
            table = _guarded(lambda: self._session.sql(sql).toArrow())
        yield from table.to_batches()

    def _relation(self, name: str, make: Callable[[], DataFrame]) -> str:
        _guarded(lambda: make().createOrReplaceTempView(name))
        return name

    @contextmanager
    def _settings(self) -> Iterator[None]:
        before = {name: self._session.conf.get(name) for name in _SETTINGS}
        for name, value in _SETTINGS.items():
            self._session.conf.set(name, value)
        try:
            yield
        finally:
            for name, old in before.items():
                self._session.conf.set(name, str(old))


def _location(file: Path) -> str:
    """A local file as Spark takes it: not escaped as a URI is, but without the signs of a pattern."""
    return "file://" + re.sub(r"([\\{}\[\]*?])", r"\\\1", str(file.resolve()))


def _guarded(call: Callable[[], _Result]) -> _Result:
    error: MedcairnError
    try:
        return call()
    except Exception as failure:
        if not type(failure).__module__.startswith(("pyspark", "py4j")):
            raise
        error = known_failure(str(failure)) or refused()
    # Outside the except block, so that the engine's own error does not travel along as context.
    raise error


__all__ = ["SparkEngine"]
