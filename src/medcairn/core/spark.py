"""One way to come by a Spark session: the one that is running, or a small local one.

On a cluster (Databricks, Synapse, EMR, Kubernetes) the platform has made the session, and it is used as it
is. Elsewhere a local one is started, in UTC, with ANSI SQL, on loopback and without its web page.
Needs the ``spark`` extra and Java 17 or later.
"""

from __future__ import annotations

import os
import shutil
import warnings
from typing import TYPE_CHECKING

from medcairn.core.errors import ExternalError, UsageError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_LOCAL_SETTINGS = {
    "spark.ui.enabled": "false",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.shuffle.partitions": "4",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    "spark.ui.showConsoleProgress": "false",
    "spark.log.level": "ERROR",
}


def spark_session(*, cores: int = 2, memory: str = "2g") -> SparkSession:
    """The active session, else a local one of ``cores`` threads and ``memory`` for the JVM ("2g").

    An active session keeps its settings, but its time zone must be UTC.

    Raises :class:`UsageError` when PySpark or Java is missing or the session is not in UTC,
    :class:`ExternalError` when no session comes up.
    """
    session = _active() or _local(cores, memory)
    if session.conf.get("spark.sql.session.timeZone") not in ("UTC", "Etc/UTC", "Z", "+00:00"):
        raise UsageError(
            "The Spark session's time zone is not UTC", hint="Set spark.sql.session.timeZone to UTC"
        )
    return session


def _active() -> SparkSession | None:
    try:
        from pyspark.sql import SparkSession
    except ImportError:
        raise_missing = True
    else:
        raise_missing = False
    if raise_missing:
        raise UsageError("The Spark engine needs PySpark", hint="pip install 'medcairn[spark]'")
    return SparkSession.getActiveSession()


def _local(cores: int, memory: str) -> SparkSession:
    from pyspark.sql import SparkSession

    if "JAVA_HOME" not in os.environ and shutil.which("java") is None:
        raise UsageError("Spark needs Java", hint="Install a JDK 17: apt install openjdk-17-jre-headless")
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    builder = SparkSession.builder.master(f"local[{cores}]").appName("medcairn")
    for name, value in {**_LOCAL_SETTINGS, "spark.driver.memory": memory}.items():
        builder = builder.config(name, value)
    session: SparkSession | None = None
    with warnings.catch_warnings():
        # PySpark warns of pandas 3; nothing here goes through pandas.
        warnings.simplefilter("ignore", FutureWarning)
        try:
            session = builder.getOrCreate()
        except Exception as failure:  # noqa: BLE001 -- py4j raises what it likes
            del failure
    if session is None:
        raise ExternalError("Spark did not start", hint="Run `medcairn doctor`; it checks Java and PySpark")
    return session


__all__ = ["spark_session"]
