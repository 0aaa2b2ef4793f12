"""Which sessions are taken: classic ones of this process, in UTC."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from features.silver_rows import index_of
from medcairn.core.errors import UsageError
from medcairn.core.progress import NoProgress
from medcairn.core.spark import spark_session
from medcairn.core.spark_workers import SparkWorkers
from medcairn.features.feature_set import load_feature_set
from medcairn.features.spark import features_on_spark
from medcairn.lakehouse.engines.spark import SparkEngine
from medcairn.lakehouse.gold.clustered import ClusteredGold

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def test_an_active_session_is_used_as_it_is(spark: SparkSession) -> None:
    assert spark_session(cores=7) is spark


def test_a_session_that_is_not_in_utc_is_refused(spark: SparkSession) -> None:
    spark.conf.set("spark.sql.session.timeZone", "Europe/Berlin")
    try:
        with pytest.raises(UsageError, match="not UTC"):
            spark_session()
    finally:
        spark.conf.set("spark.sql.session.timeZone", "UTC")


@pytest.mark.parametrize("variable", ["SPARK_REMOTE", "SPARK_CONNECT_MODE_ENABLED"])
def test_pyspark_that_is_set_to_spark_connect_is_refused(
    spark: SparkSession, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    """The second variable is what PySpark itself sets when it has made a Spark Connect session."""
    monkeypatch.setenv(variable, "sc://nowhere.example")
    with pytest.raises(UsageError, match="Spark Connect sessions are not supported"):
        spark_session()


class ConnectSession:
    """Stands for ``pyspark.sql.connect.session.SparkSession``, which is no kind of classic session either;
    it needs gRPC, which the extra does not bring."""


def test_a_spark_connect_session_is_refused_wherever_one_is_given(
    spark: SparkSession, tmp_path: Path
) -> None:
    session: SparkSession = ConnectSession()  # type: ignore[assignment]
    features = load_feature_set("clinical_core")
    index: pa.Table = index_of(("ann", "2020-03-01"))
    for take in (
        lambda: SparkWorkers(session),
        lambda: SparkEngine(session),
        lambda: ClusteredGold(session),
        lambda: list(features_on_spark(session, tmp_path, index, features, NoProgress())),
    ):
        with pytest.raises(UsageError, match="Spark Connect sessions are not supported"):
            take()
