"""Builds the silver tables of a whole lake."""

# ruff: noqa: S608 -- statements are put together from names of ours; no value of data enters their text

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow.parquet as pq

from medcairn.core.canonical import JSON
from medcairn.core.delta import check_parquet, delta_files, is_delta
from medcairn.core.errors import DataError, UsageError
from medcairn.core.files import storage_errors
from medcairn.core.progress import NoProgress, Progress
from medcairn.lakehouse.commit import commit_table, part_name
from medcairn.lakehouse.engine import MEMORY_LIMIT, Engine
from medcairn.lakehouse.quarantine import Quarantine, Reason, problems_in
from medcairn.lakehouse.silver.lookups import prepare
from medcairn.lakehouse.silver.tables import (
    SILVER_TABLES,
    SilverTable,
    one_concept_each,
    resource_types_of,
    step,
)

_MOST_UNMAPPED = 100
_NO_ROWS = (
    "(SELECT CAST(NULL AS VARCHAR) AS resource, CAST(NULL AS VARCHAR) AS source_file,"
    " CAST(NULL AS INTEGER) AS source_line WHERE FALSE)"
)


@dataclass(frozen=True)
class UnmappedCode:
    """A code that belongs to no concept, and how many rows of a table carry it."""

    table: str
    system: str
    code: str
    rows: int


@dataclass(frozen=True)
class SilverReport:
    """What silver holds. ``unmapped`` is the most frequent codes of each table, most frequent first."""

    rows: Mapping[str, int]
    concepts: Mapping[str, int]
    unmapped: tuple[UnmappedCode, ...]
    quarantined: Mapping[str, int]
    only_in_bronze: tuple[str, ...]

    def facts(self) -> dict[str, JSON]:
        """Aggregate numbers for the manifest and the ledger."""
        return {
            "rows": dict(self.rows),
            "concepts": dict(self.concepts),
            "unmapped": [
                {"table": u.table, "system": u.system, "code": u.code, "rows": u.rows} for u in self.unmapped
            ],
            "quarantined": dict(self.quarantined),
            "only_in_bronze": list(self.only_in_bronze),
        }


def build_silver(
    bronze_dir: Path,
    out_dir: Path,
    *,
    progress: Progress | None = None,
    memory_limit: str = MEMORY_LIMIT,
) -> SilverReport:
    """Run every silver view over the bronze tables in ``bronze_dir`` and write Delta tables to ``out_dir``.

    The newest version of a resource counts (by ``meta.versionId``, then ``meta.lastUpdated``, then the last
    line); older ones are counted as superseded. What does not fit into ``memory_limit`` (DuckDB's form,
    "1GB") is spilled beside ``out_dir``. The same bronze gives the same data files, byte for byte.

    Raises :class:`UsageError` when there is no bronze, :class:`DataError` or
    :class:`~medcairn.core.errors.IntegrityError` when a table of it cannot be read.
    """
    found = sorted(p.name for p in bronze_dir.iterdir() if is_delta(p)) if bronze_dir.is_dir() else []
    if not found:
        raise UsageError("This folder holds no bronze tables", folder=bronze_dir)
    shown = progress or NoProgress()
    shown.begin("silver: typing resources", len(SILVER_TABLES), "tables")
    with _spill_beside(out_dir) as spill:
        engine = Engine(spill=spill, memory_limit=memory_limit)
        prepare(engine)
        build = _Build(engine, bronze_dir, out_dir, frozenset(found))
        for table in SILVER_TABLES.values():
            build.table(table)
            shown.advance(1)
        engine.close()
    build.quarantine.write(out_dir / "quarantine.parquet")
    used = {name for table in SILVER_TABLES.values() for name in resource_types_of(table)}
    return SilverReport(
        build.rows,
        build.concepts,
        tuple(build.unmapped),
        build.quarantine.counts(),
        tuple(name for name in found if name not in used),
    )


@contextmanager
def _spill_beside(out_dir: Path) -> Iterator[Path]:
    spill = out_dir.with_name(out_dir.name + ".spill")
    with storage_errors():
        shutil.rmtree(spill, ignore_errors=True)
        spill.mkdir(parents=True)
    try:
        yield spill
    finally:
        shutil.rmtree(spill, ignore_errors=True)


@dataclass
class _Build:
    engine: Engine
    bronze_dir: Path
    out_dir: Path
    found: frozenset[str]
    quarantine: Quarantine = field(default_factory=Quarantine)
    rows: dict[str, int] = field(default_factory=dict)
    concepts: dict[str, int] = field(default_factory=dict)
    unmapped: list[UnmappedCode] = field(default_factory=list)

    def table(self, table: SilverTable) -> None:
        """One silver table, from bronze to its committed files."""
        types = resource_types_of(table)
        if not self.found & set(types):
            self._write_empty(table)
            return
        for resource_type in types:
            self._source(table, resource_type)
        self._stage(table, {name: f"bronze_{name.lower()}" for name in types})
        self._note_problems(table, types[0])
        self._write(table)
        self._tally(table)
        self.engine.run("DROP TABLE stage")

    def _source(self, table: SilverTable, resource_type: str) -> None:
        """A relation of the newest versions of one resource type."""
        source = _NO_ROWS
        if resource_type in self.found:
            files = delta_files(self.bronze_dir / resource_type)
            for file in files:
                check_parquet(file)
            if files:
                relation = f"read_parquet([{', '.join(_quoted(file) for file in files)}])"
                source = self._without_superseded(table, resource_type, relation)
        self.engine.run(
            f"CREATE OR REPLACE TEMP VIEW bronze_{resource_type.lower()} AS"
            f" SELECT resource, source_file, source_line FROM {source}"
        )

    def _without_superseded(self, table: SilverTable, resource_type: str, source: str) -> str:
        if self.engine.count(f"SELECT count(*) - count(DISTINCT id) FROM {source}") == 0:
            return source
        superseded = f"superseded_{resource_type.lower()}"
        self.engine.run(
            f"CREATE OR REPLACE TEMP TABLE {superseded} AS SELECT source_file, source_line FROM ("
            "SELECT source_file, source_line, row_number() OVER (PARTITION BY id ORDER BY"
            " TRY_CAST(version_id AS BIGINT) DESC NULLS LAST, fhir_time(last_updated) DESC NULLS LAST,"
            f" source_file DESC, source_line DESC) AS age FROM {source}) WHERE age > 1"
        )
        self._quarantine(table, Reason.SUPERSEDED, resource_type, f"FROM {superseded}")
        return f"{source} AS newest ANTI JOIN {superseded} USING (source_file, source_line)"

    def _quarantine(self, table: SilverTable, reason: Reason, resource_type: str, query: str) -> None:
        for file, line in self.engine.rows(query):
            self.quarantine.add(table.name, reason, resource_type, str(file), int(str(line)))

    def _stage(self, table: SilverTable, sources: Mapping[str, str]) -> None:
        malformed = False
        try:
            self.engine.run(f"CREATE TEMP TABLE stage AS {step(table, sources)}")
        except DataError:
            malformed = True
        if malformed:
            self._stage_valid(table, sources)

    def _stage_valid(self, table: SilverTable, sources: Mapping[str, str]) -> None:
        """Again, without the resources whose text in bronze is not JSON to the engine."""
        valid = {}
        for resource_type, source in sources.items():
            broken = f"SELECT source_file, source_line FROM {source} WHERE NOT json_valid(resource)"
            self._quarantine(table, Reason.NOT_JSON, resource_type, broken)
            valid[resource_type] = f"(FROM {source} WHERE json_valid(resource))"
        self.engine.run(f"CREATE TEMP TABLE stage AS {step(table, valid)}")

    def _note_problems(self, table: SilverTable, resource_type: str) -> None:
        by_row = "resource_type" if "resource_type" in table.columns else f"'{resource_type}'"
        for kind, file, line, bits, no_subject in self.engine.rows(
            f"SELECT DISTINCT {by_row}, source_file, source_line, problems, subject_id IS NULL FROM stage"
            " WHERE problems > 0 OR subject_id IS NULL"
        ):
            found = [Reason.NO_SUBJECT] if no_subject else problems_in(int(str(bits)))
            for reason in found:
                self.quarantine.add(table.name, reason, str(kind), str(file), int(str(line)))

    def _write(self, table: SilverTable) -> None:
        file = self._new_file(table)
        rows = "stage"
        if table.kind is not None and self.engine.count("SELECT count(*) FROM stage WHERE several_codings"):
            rows = f"({one_concept_each(table, 'stage')})"
        self.engine.run(
            f"COPY (SELECT {', '.join(table.columns)} FROM {rows} WHERE subject_id IS NOT NULL"
            f" ORDER BY {table.sort_keys}) TO {_quoted(file)}"
            " (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 122880)"
        )
        commit_table(file.parent, table.schema, [file])

    def _write_empty(self, table: SilverTable) -> None:
        file = self._new_file(table)
        with storage_errors():
            pq.write_table(table.schema.empty_table(), file, compression="zstd")
        self.rows[table.name] = 0
        commit_table(file.parent, table.schema, [file])

    def _new_file(self, table: SilverTable) -> Path:
        folder = self.out_dir / table.name
        with storage_errors():
            folder.mkdir(parents=True)
        return folder / part_name(0)

    def _tally(self, table: SilverTable) -> None:
        written = f"read_parquet({_quoted(self.out_dir / table.name / part_name(0))})"
        self.rows[table.name] = self.engine.count(f"SELECT count(*) FROM {written}")
        if table.kind is None:
            return
        for name, rows in self.engine.rows(
            f"SELECT concept, count(*) FROM {written} WHERE concept IS NOT NULL GROUP BY 1 ORDER BY 1"
        ):
            self.concepts[str(name)] = int(str(rows))
        for system, code, rows in self.engine.rows(
            "SELECT coalesce(system, ''), code, count(*) AS n FROM stage WHERE concept IS NULL"
            f" AND code IS NOT NULL GROUP BY 1, 2 ORDER BY n DESC, 1, 2 LIMIT {_MOST_UNMAPPED}"
        ):
            self.unmapped.append(UnmappedCode(table.name, str(system), str(code), int(str(rows))))


def _quoted(file: Path) -> str:
    return "'" + str(file).replace("'", "''") + "'"


__all__ = ["SilverReport", "UnmappedCode", "build_silver"]
