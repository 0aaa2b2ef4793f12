"""Cases of the gold tables: silver rows in, a check of the rows that come out, on each engine.

All cases of a table are built at once, each with subjects of its own, because starting a query on Spark costs
more than running it. A case's subjects keep their names in what it is given to check.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from medcairn.core.delta import read_delta
from medcairn.lakehouse.gold import ALL_TABLES, INDEX_SCHEMA, build_gold_tables, shipped_rules
from medcairn.lakehouse.gold.build import EngineName

from .silver_by_hand import Row, time, write_silver

AS_OF = "2024-07-01"
Rows = list[dict[str, Any]]
Gold = Callable[[str, str], Rows]


@dataclass(frozen=True)
class Case:
    """One table of one case; ``index`` is (subject, instant) pairs for tables that take them."""

    table: str
    index: Sequence[tuple[str, str]]
    silver: Mapping[str, Sequence[Row]]


@dataclass
class Cases:
    """The cases of one test module."""

    known: dict[str, Case] = field(default_factory=dict)

    def case(
        self,
        table: str,
        *,
        index: Sequence[tuple[str, str]] = (),
        **silver: Sequence[Row],
    ) -> Callable[[Callable[[Rows], None]], Callable[[Gold], None]]:
        """Makes a test, for each engine, of a function that checks the rows of ``table``."""

        def register(check: Callable[[Rows], None]) -> Callable[[Gold], None]:
            name = check.__name__.removeprefix("test_")
            self.known[name] = Case(table, index, silver)

            def test(gold: Gold) -> None:
                check(gold(table, name))

            test.__name__, test.__doc__ = check.__name__, check.__doc__
            return test

        return register

    def built_by(self, engine: EngineName, folder: Path) -> Gold:
        """Gives the rows of a case; builds what it needs when it is first asked for."""

        @cache
        def built(table: str) -> Rows:
            chosen = {n: c for n, c in self.known.items() if c.table == table}
            found = [
                _build(folder / f"{table}-{seed}", engine, table, chosen, seed)
                for seed in ((3, 7) if engine == "duckdb" else (7,))
            ]
            assert all(rows == found[0] for rows in found), "the order of the input shows in the rows"
            return found[0]

        def rows(table: str, name: str) -> Rows:
            prefix = f"{name}/"
            return [
                {**row, "subject_id": row["subject_id"].removeprefix(prefix)}
                for row in built(table)
                if row["subject_id"].startswith(prefix)
            ]

        return rows


def _build(folder: Path, engine: EngineName, table: str, cases: Mapping[str, Case], seed: int) -> Rows:
    silver: dict[str, list[Row]] = {}
    index: list[Row] = []
    for name, case in cases.items():
        for kind, rows in case.silver.items():
            silver.setdefault(kind, []).extend(
                {**row, "subject_id": f"{name}/{row.get('subject_id', 's1')}"} for row in rows
            )
        pairs = case.index or [(row.get("subject_id", "s1"), AS_OF) for row in case.silver.get("patient", ())]
        index += [{"subject_id": f"{name}/{s}", "prediction_time": time(t)} for s, t in pairs]
    build_gold_tables(
        write_silver(folder / "silver", seed, **silver),
        folder / "gold",
        engine=engine,
        as_of=time(AS_OF),
        tables=[table],
        index=pa.Table.from_pylist(index, schema=INDEX_SCHEMA) if "chronic" in table else None,
    )
    result = read_delta(folder / "gold" / table)
    assert result.schema.equals(ALL_TABLES[table].schema(shipped_rules()))
    return [dict(row) for row in result.to_pylist()]


def skip_without_spark() -> None:
    """Skip the test where PySpark or Java is missing."""
    pytest.importorskip("pyspark", reason="the spark extra is not installed")
    if shutil.which("java") is None:
        pytest.skip("no Java on this machine")


def columns(rows: Rows, *names: str) -> list[Any]:
    """The values of one column, or tuples of several."""
    return [row[names[0]] if len(names) == 1 else tuple(row[name] for name in names) for row in rows]


__all__ = ["AS_OF", "Cases", "Gold", "Rows", "columns", "skip_without_spark"]
