"""One way to come by a Spark session: the one that is running, or a small local one.

On a cluster (Databricks, Synapse, EMR, Kubernetes) the platform has made the session, and it is used as it
is. Elsewhere a local one is started, in UTC, with ANSI SQL, on loopback and without its web page.
Needs the ``spark`` extra and Java 17 or later. Spark Connect is refused: work is dealt out by the number of
cores that only a session in the driver's own process can tell.
"""

from __future__ import annotations

import logging
import os
import shutil
import sys
import warnings
from typing import TYPE_CHECKING

from medcairn.core.delta import delta_files, read_delta
from medcairn.core.errors import ExternalError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import DataFrame, SparkSession

_LOCAL_SETTINGS = {
    "spark.ui.enabled": "false",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.shuffle.partitions": "4",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    "spark.ui.showConsoleProgress": "false",
    # Spark's own error log quotes plans and values; what went wrong comes as an error of ours.
    "spark.log.level": "OFF",
    "spark.python.sql.dataFrameDebugging.enabled": "false",
}
_TALKATIVE = ("SQLQueryContextLogger", "DataFrameQueryContextLogger")
"""PySpark's loggers that write error texts, which quote values, to standard error."""


def spark_session(*, cores: int = 2, memory: str = "2g") -> SparkSession:
    """The active session, else a local one of ``cores`` threads and ``memory`` for the JVM ("2g").

    An active session keeps its settings, but its time zone must be UTC.

    Raises :class:`UsageError` when PySpark or Java is missing, the session is not in UTC or PySpark is set
    to Spark Connect, :class:`ExternalError` when no session comes up.
    """
    # PySpark warns of pandas 3 at every turn; nothing here goes through pandas.
    warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas", FutureWarning)
    for name in _TALKATIVE:
        logging.getLogger(name).disabled = True
    session = _active() or _local(cores, memory)
    if session.conf.get("spark.sql.session.timeZone") not in ("UTC", "Etc/UTC", "Z", "+00:00"):
        raise UsageError(
            "The Spark session's time zone is not UTC", hint="Set spark.sql.session.timeZone to UTC"
        )
    return session


def classic(session: object) -> SparkSession:
    """``session``, if it is one of this process and not a Spark Connect client's, which is a type of its own.

    Raises :class:`UsageError` for any other.
    """
    from pyspark.sql import SparkSession

    if not isinstance(session, SparkSession):
        raise _no_classic_session()
    return session


def _no_classic_session() -> UsageError:
    return UsageError(
        "Spark Connect sessions are not supported",
        hint="Run in the driver's own process, with a classic session and SPARK_REMOTE not set",
    )


def read_table(session: SparkSession, table_dir: Path) -> DataFrame:
    """The newest version of a Delta table.

    Delta's own reader is used where the session has its jars (:func:`has_delta`); else the Parquet files of
    the active list, after the table's protocol was checked.

    Raises what :func:`~medcairn.core.delta.delta_files` raises.
    """
    files = delta_files(table_dir)
    if has_delta(session):
        return session.read.format("delta").load(str(table_dir))
    if not files:
        from pyspark.sql.pandas.types import from_arrow_schema

        return session.createDataFrame([], from_arrow_schema(read_delta(table_dir).schema))
    return session.read.parquet(*(str(file) for file in files))


def has_delta(session: SparkSession) -> bool:
    """Whether the session reads Delta tables by itself."""
    return "delta" in str(session.conf.get("spark.sql.catalog.spark_catalog", "")).lower()


def _active() -> SparkSession | None:
    try:
        from pyspark.sql import SparkSession, is_remote
    except ImportError:
        raise_missing = True
    else:
        raise_missing = False
    if raise_missing:
        raise UsageError("The Spark engine needs PySpark", hint="pip install 'medcairn[spark]'")
    # Asked for its active session, PySpark would look for that of the remote server.
    if is_remote() or "SPARK_REMOTE" in os.environ:
        raise _no_classic_session()
    return SparkSession.getActiveSession()


def _local(cores: int, memory: str) -> SparkSession:
    from pyspark.sql import SparkSession

    if "JAVA_HOME" not in os.environ and shutil.which("java") is None:
        raise UsageError("Spark needs Java", hint="Install a JDK 17: apt install openjdk-17-jre-headless")
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # executors need this package too
    builder = SparkSession.builder.master(f"local[{cores}]").appName("medcairn")
    for name, value in {**_LOCAL_SETTINGS, "spark.driver.memory": memory}.items():
        builder = builder.config(name, value)
    session: SparkSession | None = None
    try:
        session = builder.getOrCreate()
    except Exception as failure:  # noqa: BLE001 -- py4j raises what it likes
        del failure
    if session is None:
        raise ExternalError("Spark did not start", hint="Run `medcairn doctor`; it checks Java and PySpark")
    return session


__all__ = ["classic", "has_delta", "read_table", "spark_session"]
