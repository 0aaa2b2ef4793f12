"""One Spark session for all of these tests."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@pytest.fixture(scope="session")
def spark() -> SparkSession:
    """The session that Spark's tests share; it ends with the process."""
    pytest.importorskip("pyspark", reason="PySpark is not installed (the spark extra)")
    if "JAVA_HOME" not in os.environ and shutil.which("java") is None:
        pytest.skip("Spark needs Java, and there is none")
    from medcairn.core.spark import spark_session

    return spark_session()
