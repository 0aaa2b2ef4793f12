"""De-identification on Spark: the same bytes as on one process."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from medcairn.core.errors import DataError, ExternalError
from medcairn.core.spark_workers import SparkWorkers
from medcairn.core.workers import Work
from medcairn.deid import deidentify, scan
from medcairn.deid import source as source_module
from medcairn.synthetic import write_ndjson

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

KEY = b"k" * 32
AS_OF = date(2025, 6, 30)


def test_spark_leaves_the_same_bytes(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "hospital"
    write_ndjson(source, patients=30, seed=3, as_of=AS_OF)
    with (source / "Observation.ndjson").open("a") as file:
        file.write("no JSON\n" + json.dumps({"resourceType": "Observation"}) + "\n")
    alone, together = tmp_path / "alone", tmp_path / "together"
    expected = deidentify(source, alone, key=KEY, as_of=AS_OF)
    monkeypatch.setattr(source_module, "CHUNK_BYTES", 1 << 18)  # many chunks of little data
    found = deidentify(source, together, key=KEY, as_of=AS_OF, spark=spark)
    assert found.facts() == expected.facts()
    assert found.resources_quarantined == 2
    names = sorted(path.name for path in alone.iterdir())
    assert names == sorted(path.name for path in together.iterdir())
    assert [(together / n).read_bytes() for n in names] == [(alone / n).read_bytes() for n in names]
    assert not scan(source, together).hits


@pytest.mark.parametrize(("word", "error"), [("ours", DataError), ("foreign", ExternalError)])
def test_an_error_on_an_executor_arrives_as_ours_and_quotes_nothing(
    spark: SparkSession, tmp_path: Path, word: str, error: type[Exception]
) -> None:
    def refusing() -> Work[source_module.Chunk, int]:  # in here, so that it travels whole
        def work(chunk: source_module.Chunk) -> int:
            if word == "ours":
                raise DataError("A source file cannot be read", file=chunk.file.path)
            raise ValueError("Jane Doe")

        return work

    file = source_module.SourceFile(tmp_path / "Patient.ndjson", "Patient", 1)
    chunks = [source_module.Chunk(file, 0, 1)]
    with pytest.raises(error) as raised:
        list(SparkWorkers(spark).in_order(refusing, (), chunks))
    assert "Jane" not in str(raised.value)
    assert raised.value.__context__ is None or "Jane" not in str(raised.value.__context__)
