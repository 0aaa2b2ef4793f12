"""Asks a silver folder what the report says. One question a method; every answer is counted by the engine."""

# ruff: noqa: S608 -- statements are put together from names of ours; no value of data enters their text

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from medcairn.core.concepts import CONCEPTS, Kind
from medcairn.core.silver import SILVER_SCHEMAS
from medcairn.lakehouse.engine import Engine
from medcairn.lakehouse.quality.counts import SMALL_CELL, Count, share, shown, shown_part
from medcairn.lakehouse.quality.report import (
    ColumnQuality,
    ConceptQuality,
    LagCount,
    RefusedCount,
    TableQuality,
    UnitUse,
    UnmappedTotal,
    UnmappedUse,
    YearCount,
)
from medcairn.lakehouse.quality.shapes import BOOKKEEPING, SHAPES, is_missing

LAGS = ("at once", "within an hour", "within a day", "within a week", "within 30 days", "later")
RARER = "(rarer units)"
NO_UNIT = "(no unit)"
_LAG_SECONDS = (0, 3_600, 86_400, 7 * 86_400, 30 * 86_400)
_MOST_UNMAPPED = 50
_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_LEAST_FOR_QUANTILES = int(SMALL_CELL / _QUANTILES[0])


class Questions:
    """``engine`` knows each silver table as ``silver_<table>`` and the quarantine as ``refused``."""

    def __init__(self, engine: Engine, as_of: date) -> None:
        self._engine = engine
        self._as_of = as_of

    def table(self, name: str) -> TableQuality:
        """Rows, resources, subjects, and what is wrong with their times."""
        shape, source = SHAPES[name], f"silver_{name}"
        timed = [f"{shape.time} IS NULL", self._future(shape.time)] if shape.time else ["NULL", "NULL"]
        (row,) = self._rows(
            f"SELECT count(*), count(*) FILTER (WHERE current), count(DISTINCT ({shape.resource})),"
            " count(DISTINCT subject_id), count(*) FILTER (WHERE version > 1),"
            " count(*) FILTER (WHERE current AND available_time IS NULL),"
            f" count(*) FILTER (WHERE current AND {timed[0]}), count(*) FILTER (WHERE current AND {timed[1]})"
            f" FROM {source}"
        )
        rows, current, resources, subjects, later, unavailable, undated, future = row
        lived = self._lived(name) if shape.time else (None, None)
        return TableQuality(
            name,
            shown(rows, subjects),
            shown(current, subjects),
            shown(resources, subjects),
            shown(subjects),
            shown(later),
            self._duplicates(name) if shape.time else None,
            shown_part(undated, current) if shape.time else None,
            shown_part(unavailable, current) if shape.time else None,
            shown(future) if shape.time else None,
            *lived,
        )

    def columns(self, name: str) -> Iterator[ColumnQuality]:
        """What is missing, column by column."""
        skipped = BOOKKEEPING if SHAPES[name].time else BOOKKEEPING | {"available_time"}
        asked = [column for column in SILVER_SCHEMAS[name].names if column not in skipped]
        counted = ", ".join(f"count(*) FILTER (WHERE {is_missing(name, column)})" for column in asked)
        (row,) = self._rows(f"SELECT count(*), {counted} FROM silver_{name} WHERE current")
        for column, missing in zip(asked, row[1:], strict=True):
            withheld = shown_part(missing, row[0])
            yield ColumnQuality(name, column, withheld, share(withheld, row[0]))

    def units(self) -> Iterator[UnitUse]:
        """The units of every measurement as they came; those of few subjects in one row without a name."""
        rarer: dict[str, list[int]] = {}
        for concept, unit, rows, unusable, subjects in self._engine.rows(
            f"SELECT concept, coalesce(unit, '{NO_UNIT}'), count(*),"
            " count(*) FILTER (WHERE canonical_value IS NULL), count(DISTINCT subject_id)"
            " FROM silver_observation WHERE current AND concept IS NOT NULL AND numeric_value IS NOT NULL"
            " GROUP BY 1, 2 ORDER BY 1, 3 DESC, 2"
        ):
            numbers = [int(str(rows)), int(str(unusable)), int(str(subjects))]
            if min(numbers[0], numbers[2]) < SMALL_CELL:
                held = rarer.setdefault(str(concept), [0, 0, 0])
                rarer[str(concept)] = [a + b for a, b in zip(held, numbers, strict=True)]
                continue
            yield UnitUse(str(concept), str(unit), numbers[0], shown_part(numbers[1], numbers[0]))
        for name, (rows, unusable, subjects) in sorted(rarer.items()):
            yield UnitUse(name, RARER, shown(rows, subjects), shown(unusable, subjects))

    def concepts(self, name: str) -> Iterator[ConceptQuality]:
        """The concepts that were found in a table, most subjects first."""
        column = SHAPES[name].concepts
        if column is None:
            return
        spread = "" if name == "observation" else "unnest"
        values = "canonical_value" if name == "observation" else "CAST(NULL AS DOUBLE)"
        quantiles = ", ".join(f"quantile_disc(value, {q})" for q in _QUANTILES)
        for row in self._engine.rows(
            f"SELECT concept, count(*), count(DISTINCT subject_id), count(value), {quantiles} FROM ("
            f"SELECT subject_id, {spread}({column}) AS concept, {values} AS value FROM silver_{name}"
            " WHERE current) AS c WHERE concept IS NOT NULL GROUP BY 1 ORDER BY 3 DESC, 2 DESC, 1"
        ):
            concept, rows, subjects, usable = str(row[0]), *(int(str(n)) for n in row[1:4])
            enough = usable >= _LEAST_FOR_QUANTILES and subjects >= SMALL_CELL
            yield ConceptQuality(
                name,
                concept,
                shown(rows, subjects),
                shown(subjects),
                CONCEPTS[concept].canonical_unit if concept in CONCEPTS else None,
                tuple(float(f"{float(str(value)):.3g}") for value in row[4:]) if enough else (),
            )

    def years(self, name: str) -> Iterator[YearCount]:
        """Rows by year of their own time."""
        if SHAPES[name].time is None:
            return
        for year, rows, subjects in self._rows(
            f"SELECT year(CAST({SHAPES[name].time} AS DATE)) AS y, count(*), count(DISTINCT subject_id)"
            f" FROM silver_{name} WHERE current AND {SHAPES[name].time} IS NOT NULL GROUP BY y ORDER BY y"
        ):
            yield YearCount(name, year, shown(rows, subjects))

    def lags(self, name: str) -> Iterator[LagCount]:
        """How long after their own time rows could be known."""
        if SHAPES[name].time is None:
            return
        cases = " ".join(f"WHEN lag <= {s * 1_000_000} THEN {n}" for n, s in enumerate(_LAG_SECONDS))
        for lag, rows, subjects in self._rows(
            f"SELECT CASE {cases} ELSE {len(_LAG_SECONDS)} END AS l, count(*), count(DISTINCT subject_id)"
            f" FROM (SELECT subject_id, epoch_us(available_time) - epoch_us({SHAPES[name].time}) AS lag"
            f" FROM silver_{name} WHERE current) AS t WHERE lag IS NOT NULL GROUP BY l ORDER BY l"
        ):
            yield LagCount(name, LAGS[lag], shown(rows, subjects))

    def refusals(self) -> Iterator[RefusedCount]:
        """What could not be used, by reason."""
        for table, reason, rows in self._engine.rows(
            'SELECT "table", reason, count(*) FROM refused GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2'
        ):
            yield RefusedCount(str(table), str(reason), shown(int(str(rows))))

    def unmapped(self, name: str) -> tuple[UnmappedTotal, list[UnmappedUse]]:
        """The codes that belong to no concept, most frequent first; rare ones are only counted."""
        nowhere = is_missing(name, str(SHAPES[name].concepts))
        (row,) = self._rows(
            f"SELECT count(code), count(code) FILTER (WHERE {nowhere}) FROM silver_{name} WHERE current"
        )
        listed: list[UnmappedUse] = []
        rare = 0
        for system, code, rows, subjects in self._engine.rows(
            f"SELECT coalesce(system, ''), code, count(*), count(DISTINCT subject_id) FROM silver_{name}"
            f" WHERE current AND code IS NOT NULL AND ({nowhere}) GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2"
        ):
            if min(int(str(rows)), int(str(subjects))) < SMALL_CELL:
                rare += 1
            elif len(listed) < _MOST_UNMAPPED:
                listed.append(UnmappedUse(name, str(system), str(code), int(str(rows))))
        return UnmappedTotal(name, shown(row[0]), shown_part(row[1], row[0]), shown(rare)), listed

    def _future(self, time: str) -> str:
        return f"{time} >= TIMESTAMPTZ '{self._as_of.isoformat()} 00:00:00+00' + INTERVAL 1 DAY"

    def _duplicates(self, name: str) -> Count:
        """Resources beyond the first of those that are equal in content, at a known time."""
        shape = SHAPES[name]
        content = ", ".join(("subject_id", str(shape.time), *shape.content))
        (row,) = self._rows(
            f"SELECT coalesce(sum(n - 1), 0) FROM (SELECT count(DISTINCT {shape.identity}) AS n"
            f" FROM silver_{name} WHERE current AND {shape.time} IS NOT NULL"
            f" GROUP BY {content} HAVING count(*) > 1) AS d"
        )
        return shown(row[0])

    def _lived(self, name: str) -> tuple[Count, Count]:
        """Rows in a year before the subject's birth, and more than a day after the subject's death."""
        time = SHAPES[name].time
        (row,) = self._rows(
            f"SELECT count(*) FILTER (WHERE year(CAST(t.{time} AS DATE)) < p.birth_year),"
            f" count(*) FILTER (WHERE epoch_us(t.{time}) > epoch_us(p.deceased_time) + 86400000000)"
            f" FROM silver_{name} AS t JOIN silver_patient AS p"
            " ON p.subject_id = t.subject_id WHERE t.current AND p.current"
        )
        return shown(row[0]), shown(row[1])

    def _rows(self, sql: str) -> list[tuple[int, ...]]:
        """The rows of a query that gives whole numbers."""
        return [tuple(int(str(value or 0)) for value in row) for row in self._engine.rows(sql)]


def absent_concepts(found: set[str]) -> tuple[str, ...]:
    """The measurements and conditions of the catalogue that no row has, in catalogue order."""
    kinds = (Kind.MEASUREMENT, Kind.CONDITION)
    return tuple(str(c.name) for c in CONCEPTS.values() if c.kind in kinds and c.name not in found)


__all__ = ["LAGS", "NO_UNIT", "RARER", "Questions", "absent_concepts"]
