"""A study with `engine: spark`: the same artifacts as with the embedded engine."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from medcairn.cli.main import run
from medcairn.core.artifacts import read_manifest
from medcairn.pipeline.study import init_study
from medcairn.synthetic import write_ndjson

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def digests(folder: Path, source: Path, engine: str) -> dict[str, str]:
    """The identities of what a study makes up to its feature table."""
    settings = (
        f"study: {{name: small, synthetic: true}}\nsource: {{kind: files, path: '{source}'}}\n"
        f"engine: {engine}\ndeid: {{as_of: 2025-06-30, processes: 1}}\nlakehouse: {{processes: 1}}\n"
    )
    study = init_study(folder, settings)
    (study.root / "keys" / "pseudonym.key").write_text("6b" * 32)
    assert run(["run", "--study", str(folder), "--until", "features"]) == 0
    names = ("deid", "bronze", "silver", "gold/readmission_30d")
    return {name: read_manifest(folder / "lake" / name).digest for name in names}


def test_both_engines_make_the_same_artifacts(spark: SparkSession, tmp_path: Path) -> None:
    source = tmp_path / "hospital"
    write_ndjson(source, patients=120, seed=5, as_of=date(2025, 6, 30))
    embedded = digests(tmp_path / "embedded", source, "duckdb")
    assert digests(tmp_path / "spark", source, "spark") == embedded
