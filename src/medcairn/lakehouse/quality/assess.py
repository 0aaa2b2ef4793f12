"""Assesses a silver folder: one pass of questions over its tables, on DuckDB in bounded memory."""

# ruff: noqa: S608 -- statements are put together from names and paths of ours; no data enters their text

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

import pyarrow as pa

from medcairn.core.delta import check_parquet, delta_files, is_delta
from medcairn.core.progress import NoProgress, Progress
from medcairn.core.silver import SILVER_SCHEMAS
from medcairn.lakehouse.engine import Engine
from medcairn.lakehouse.quality.findings import findings_of
from medcairn.lakehouse.quality.questions import Questions, absent_concepts
from medcairn.lakehouse.quality.report import (
    ColumnQuality,
    ConceptQuality,
    LagCount,
    QualityReport,
    TableQuality,
    UnmappedTotal,
    UnmappedUse,
    YearCount,
)
from medcairn.lakehouse.quality.shapes import SHAPES

MEMORY_LIMIT = "1GB"
_REFUSED = pa.schema([("table", pa.string()), ("reason", pa.string())])


def assess_quality(
    silver_dir: Path,
    *,
    as_of: date,
    bronze_dir: Path | None = None,
    spill: Path | None = None,
    memory_limit: str = MEMORY_LIMIT,
    progress: Progress | None = None,
) -> QualityReport:
    """What can be said of the quality of the silver tables in ``silver_dir``.

    ``as_of`` is the last day that is not the future. ``bronze_dir`` adds the lines that never became a
    resource. What does not fit into ``memory_limit`` is spilled to ``spill``, when it is given.

    Raises :class:`~medcairn.core.errors.UsageError` when a silver table is not there, and what reading a
    Delta table raises.
    """
    shown = progress or NoProgress()
    shown.begin("quality: assessing tables", len(SHAPES), "tables")
    engine = Engine(spill=spill, memory_limit=memory_limit)
    try:
        for name in SHAPES:
            _relation(engine, f"silver_{name}", delta_files(silver_dir / name), SILVER_SCHEMAS[name])
        _refused(engine, silver_dir, bronze_dir)
        return _asked(Questions(engine, as_of), as_of, shown)
    finally:
        engine.close()


def _asked(questions: Questions, as_of: date, progress: Progress) -> QualityReport:
    tables: list[TableQuality] = []
    columns: list[ColumnQuality] = []
    concepts: list[ConceptQuality] = []
    years: list[YearCount] = []
    lags: list[LagCount] = []
    codes: list[tuple[UnmappedTotal, list[UnmappedUse]]] = []
    for name, shape in SHAPES.items():
        tables.append(questions.table(name))
        columns.extend(questions.columns(name))
        concepts.extend(questions.concepts(name))
        years.extend(questions.years(name))
        lags.extend(questions.lags(name))
        codes.extend([questions.unmapped(name)] if shape.concepts is not None else [])
        progress.advance(1)
    units, totals = tuple(questions.units()), tuple(total for total, _ in codes)
    return QualityReport(
        as_of=as_of,
        tables=tuple(tables),
        columns=tuple(columns),
        units=units,
        concepts=tuple(concepts),
        absent_concepts=absent_concepts({concept.concept for concept in concepts}),
        years=tuple(years),
        lags=tuple(lags),
        refusals=tuple(questions.refusals()),
        unmapped=tuple(code for _, listed in codes for code in listed),
        unmapped_totals=totals,
        findings=findings_of(tuple(tables), units, totals),
    )


def _refused(engine: Engine, silver_dir: Path, bronze_dir: Path | None) -> None:
    """One relation of all that is in quarantine."""
    files: list[Path] = []
    quarantine = silver_dir / "quarantine"
    if is_delta(quarantine):
        files += delta_files(quarantine)
    folders = [silver_dir] if bronze_dir is None else [silver_dir, bronze_dir]
    files += [file for folder in folders if (file := folder / "quarantine.parquet").is_file()]
    _relation(engine, "refused", files, _REFUSED)


def _relation(engine: Engine, name: str, files: Sequence[Path], schema: pa.Schema) -> None:
    if not files:
        engine.load(name, schema.empty_table())
        return
    for file in files:
        check_parquet(file)
    listed = ", ".join("'" + str(file).replace("'", "''") + "'" for file in files)
    columns = ", ".join(f'"{column}"' for column in schema.names)
    engine.run(
        f"CREATE OR REPLACE TEMP VIEW {name} AS SELECT {columns}"
        f" FROM read_parquet([{listed}], union_by_name = true)"
    )


__all__ = ["MEMORY_LIMIT", "assess_quality"]
