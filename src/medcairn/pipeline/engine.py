"""What runs a study's heavy steps: this machine, or Spark."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medcairn.core.spark import spark_session
from medcairn.pipeline.study import Study

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def session_of(study: Study) -> SparkSession | None:
    """The Spark session of a study whose ``engine`` is ``spark``; None when it runs embedded.

    Raises what :func:`~medcairn.core.spark.spark_session` raises.
    """
    if study.settings.engine != "spark":
        return None
    return spark_session(
        cores=study.settings.lakehouse.spark_cores, memory=study.settings.lakehouse.spark_memory
    )


__all__ = ["session_of"]
