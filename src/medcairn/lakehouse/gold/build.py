"""Builds gold and normalized tables of a silver folder, on either engine."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from medcairn.core.canonical import JSON
from medcairn.core.delta import check_parquet, delta_files, is_delta, open_delta
from medcairn.core.digests import Digest, digest_file, digest_json
from medcairn.core.errors import DataError, UsageError
from medcairn.core.files import replace_folder, storage_errors
from medcairn.core.labels import Label
from medcairn.core.progress import NoProgress, Progress
from medcairn.core.silver import SILVER_SCHEMAS, TIME
from medcairn.lakehouse.commit import commit_files, commit_table
from medcairn.lakehouse.gold.dialects import Dialect
from medcairn.lakehouse.gold.rules import Rules, shipped_rules
from medcairn.lakehouse.gold.statements import Statements
from medcairn.lakehouse.gold.tables import ALL_TABLES
from medcairn.lakehouse.spill import spill_beside

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

EngineName = Literal["duckdb", "spark"]
MEMORY_LIMIT = "1GB"
INDEX_SCHEMA = pa.schema([pa.field("subject_id", pa.string()), pa.field("prediction_time", TIME)])
"""What ``index`` holds: the subjects and instants that ``chronic_disease_features`` is made at."""

_MOMENTS = "medcairn_gold_moments"


class _Runner(Protocol):
    """An engine: names relations, runs a statement, writes its rows in order as Parquet files."""

    dialect: Dialect

    def relation(self, name: str, files: Sequence[Path], schema: pa.Schema) -> None: ...

    def rows(self, name: str, table: pa.Table) -> None: ...

    def write(self, select: str, relations: Sequence[str], folder: Path) -> list[Path]: ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class GoldReport:
    """What was built: rows and Delta version by table, on which engine, as of when, by which rules."""

    engine: EngineName
    as_of: datetime
    rules: Digest
    rows: Mapping[str, int]
    versions: Mapping[str, int]

    def facts(self) -> dict[str, JSON]:
        """Aggregate numbers for the manifest and the ledger."""
        return {
            "engine": self.engine,
            "as_of": self.as_of.astimezone(UTC).isoformat(),
            "rules": str(self.rules),
            "rows": dict(self.rows),
            "versions": dict(self.versions),
        }


def build_gold_tables(
    silver_dir: Path,
    out_dir: Path,
    *,
    engine: EngineName = "duckdb",
    as_of: datetime,
    tables: Sequence[str] = tuple(ALL_TABLES),
    index: pa.Table | None = None,
    rules: Rules | None = None,
    progress: Progress | None = None,
    memory_limit: str = MEMORY_LIMIT,
    session: SparkSession | None = None,
) -> GoldReport:
    """Build ``tables`` from the silver tables in ``silver_dir`` as Delta tables in ``out_dir``.

    ``as_of`` is the instant (with an offset) after which nothing is known; with ``index``
    (:data:`INDEX_SCHEMA`) ``chronic_disease_features`` has a row for each of its rows, with what was known
    then, instead of one a subject at ``as_of``. A table that is there already gets a new version, whole
    or not at all. DuckDB keeps to ``memory_limit`` and spills beside ``out_dir``; Spark uses ``session``.

    Both engines give the same rows in the same order; DuckDB's data files have the same bytes each time.

    Raises :class:`UsageError` for an unknown table or an ``as_of`` without an offset,
    :class:`~medcairn.core.errors.DataError` when silver lacks a column, and what reading a Delta table does.
    """
    chosen, used = _chosen(tables), rules or shipped_rules()
    shown = progress or NoProgress()
    shown.begin("gold: building tables", len(chosen), "tables")
    built: dict[str, tuple[int, int]] = {}
    with ExitStack() as stack:
        runner = _runner(engine, out_dir, memory_limit, session, stack)
        for name in sorted({need for table in chosen for need in ALL_TABLES[table].silver}):
            runner.relation(
                runner.dialect.silver(name), _silver_files(silver_dir, name), SILVER_SCHEMAS[name]
            )
        moments = _moments(runner, index) if index is not None else None
        statements = Statements(runner.dialect, used, as_of, moments=moments)
        for name in chosen:
            built[name] = _write(runner, statements, name, out_dir, used)
            shown.advance(1)
    return GoldReport(
        engine,
        as_of,
        digest_json(msgspec.to_builtins(used)),
        {name: rows for name, (rows, _) in built.items()},
        {name: version for name, (_, version) in built.items()},
    )


def _chosen(tables: Sequence[str]) -> list[str]:
    if not tables or not set(tables) <= set(ALL_TABLES):
        raise UsageError("There is no such gold table", known=Label(",".join(ALL_TABLES)))
    return [name for name in ALL_TABLES if name in tables]


def _runner(
    engine: EngineName, out_dir: Path, memory_limit: str, session: SparkSession | None, stack: ExitStack
) -> _Runner:
    runner: _Runner
    if engine == "spark":
        from medcairn.lakehouse.gold.clustered import ClusteredGold

        runner = ClusteredGold(session)
    else:
        from medcairn.lakehouse.gold.embedded import EmbeddedGold

        runner = EmbeddedGold(stack.enter_context(spill_beside(out_dir)), memory_limit)
    stack.callback(runner.close)
    return runner


def _silver_files(silver_dir: Path, name: str) -> list[Path]:
    """The active files of a silver table, after seeing that they hold its columns."""
    files = delta_files(silver_dir / name)
    for file in files:
        check_parquet(file)
        lacking = set(SILVER_SCHEMAS[name].names) - set(pq.read_schema(file).names)
        if lacking:
            raise DataError(
                "A silver table lacks a column that gold tables need",
                hint="Build silver again with this version",
                table=Label(name),
                column=Label(min(lacking)),
            )
    return files


def _moments(runner: _Runner, index: pa.Table) -> str:
    if not set(INDEX_SCHEMA.names) <= set(index.column_names):
        raise DataError("The index lacks a column", needed=Label(",".join(INDEX_SCHEMA.names)))
    runner.rows(_MOMENTS, index.select(INDEX_SCHEMA.names).cast(INDEX_SCHEMA))
    micros = runner.dialect.words["micros"]
    return (
        f"SELECT subject_id, {micros}(prediction_time) AS moment FROM {_MOMENTS}"  # noqa: S608 -- our names
        " WHERE subject_id IS NOT NULL AND prediction_time IS NOT NULL GROUP BY subject_id, prediction_time"
    )


def _write(
    runner: _Runner, statements: Statements, name: str, out_dir: Path, rules: Rules
) -> tuple[int, int]:
    """Rows and Delta version of a table that was built and committed."""
    building, final = out_dir / f".{name}.building", out_dir / name
    schema = ALL_TABLES[name].schema(rules)
    with storage_errors():
        shutil.rmtree(building, ignore_errors=True)
        building.mkdir(parents=True)
    try:
        relations = [runner.dialect.silver(need) for need in ALL_TABLES[name].silver]
        files = _named_by_content(runner.write(statements.select(name), relations, building))
        rows = sum(pq.read_metadata(file).num_rows for file in files)
        version = _commit(building, final, schema, files)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return rows, version


def _named_by_content(files: Sequence[Path]) -> list[Path]:
    """The same rows have the same file names, so that building again what is there changes nothing."""
    with storage_errors():
        return [file.rename(file.with_stem(f"{file.stem}-{digest_file(file).short}")) for file in files]


def _commit(building: Path, final: Path, schema: pa.Schema, files: Sequence[Path]) -> int:
    """The next version of the table; a first one where there is none, or one with other columns."""
    if not is_delta(final) or pa.schema(open_delta(final).schema()) != schema:
        commit_table(building, schema, files)
        replace_folder(building, final)
        return 0
    before = {file.name: file for file in delta_files(final)}
    with storage_errors():
        added = [file.rename(final / file.name) for file in files if file.name not in before]
    kept = {file.name for file in files}
    return commit_files(final, schema, add=added, remove=[f for n, f in before.items() if n not in kept])


__all__ = ["INDEX_SCHEMA", "MEMORY_LIMIT", "EngineName", "GoldReport", "build_gold_tables"]
