"""Features on Spark: the same as embedded, to the last bit."""

from __future__ import annotations

import random
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from features.silver_rows import Silver, at, index_of
from medcairn.core.errors import DataError
from medcairn.core.progress import NoProgress
from medcairn.features import spark as spark_features
from medcairn.features.batch import features_in
from medcairn.features.feature_set import load_feature_set
from medcairn.features.silver_folder import open_silver
from medcairn.features.spark import features_on_spark

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SUBJECTS = 23


def a_hospital(folder: Path) -> None:
    """Silver tables of some subjects, at random: versions, repeated instants, late results."""
    draw, silver = random.Random(4), Silver()
    for number in range(SUBJECTS):
        subject = f"s{number:02d}"
        silver.patient(subject, born=1930 + number)
        for _ in range(draw.randint(0, 40)):
            when = (at("2020-01-01") + timedelta(hours=draw.randint(0, 24 * 700))).isoformat()[:16]
            concept = draw.choice(["glucose", "creatinine", "systolic_bp", "hba1c"])
            silver.lab(concept, round(draw.uniform(1, 200), 3), when, subject=subject)
            silver.condition(draw.choice(["diabetes", "hypertension"]), when, subject=subject)
            silver.medication("statin", when, subject=subject)
    silver.write(folder)


def test_spark_gives_the_same_bits(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_hospital(tmp_path)
    rows = [(f"s{n:02d}", f"202{year}-06-30") for n in range(SUBJECTS) for year in (0, 1)]
    index = index_of(*reversed(rows))
    chosen = load_feature_set("clinical_core")
    with open_silver(tmp_path) as silver:
        expected = pa.concat_tables(features_in(silver, index, chosen, NoProgress()))
    monkeypatch.setattr(spark_features, "SUBJECTS_A_STRETCH", 3)
    monkeypatch.setattr(spark_features, "STRETCHES_A_WAVE", 5)
    found = pa.concat_tables(features_on_spark(spark, tmp_path, index, chosen, NoProgress()))
    assert found.num_rows == len(rows)
    assert found.combine_chunks().equals(expected.combine_chunks())
    assert sum(column.null_count < found.num_rows for column in found.columns) > 50


def test_a_silver_table_without_a_column_is_our_error(spark: SparkSession, tmp_path: Path) -> None:
    from deltalake import write_deltalake

    write_deltalake(tmp_path / "patient", pa.table({"subject_id": ["s00"]}))
    with pytest.raises(DataError):
        list(
            features_on_spark(
                spark,
                tmp_path,
                index_of(("s00", "2020-01-01")),
                load_feature_set("clinical_core"),
                NoProgress(),
            )
        )
