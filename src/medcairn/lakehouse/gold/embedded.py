"""Gold tables on DuckDB in bounded memory: some subjects at a time, in order, one data file each time.

No row of any gold table looks at another subject, so how many subjects are taken at once changes nothing but
the number of files. Silver is sorted by subject: what is not wanted is skipped by the files' statistics.
"""

# ruff: noqa: S608 -- statements are put together from names and paths of ours; no data enters their text

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from medcairn.lakehouse.commit import part_name
from medcairn.lakehouse.engine import Engine
from medcairn.lakehouse.gold.dialects import DUCKDB, Dialect

ROWS_AT_ONCE = 1_000_000
"""Rows of silver that are taken at a time, and as many more as the last subject has."""

_WANTED = (
    "(getvariable('medcairn_low') IS NULL OR subject_id >= getvariable('medcairn_low'))"
    " AND (getvariable('medcairn_high') IS NULL OR subject_id < getvariable('medcairn_high'))"
)


class EmbeddedGold:
    """Runs the statements in this process. ``spill`` takes what does not fit into ``memory_limit``."""

    dialect: Dialect = DUCKDB

    def __init__(self, spill: Path, memory_limit: str) -> None:
        self._engine = Engine(spill=spill, memory_limit=memory_limit)

    def relation(self, name: str, files: Sequence[Path], schema: pa.Schema) -> None:
        """Give the rows of some Parquet files a name."""
        if not files:
            self.rows(name, schema.empty_table())
            return
        self._view(name, f"read_parquet([{', '.join(_quoted(file) for file in files)}])")

    def rows(self, name: str, table: pa.Table) -> None:
        """Give a few rows in memory, which have a ``subject_id`` each, a name."""
        self._engine.load(f"{name}_rows", table)
        self._view(name, f"{name}_rows")

    def write(self, select: str, relations: Sequence[str], folder: Path) -> list[Path]:
        """Write the rows of a statement over ``relations``, in its order, into ``folder``."""
        files = []
        for number in range(self._parts(relations)):
            for variable in ("low", "high"):
                self._engine.run(
                    f"SET VARIABLE medcairn_{variable} ="
                    f" (SELECT {variable} FROM medcairn_parts WHERE part = {number})"
                )
            files.append(folder / part_name(number))
            self._engine.run(
                f"COPY ({select}) TO {_quoted(files[-1])}"
                " (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 122880)"
            )
        return files

    def close(self) -> None:
        """Free the memory and what was spilled."""
        self._engine.close()

    def _view(self, name: str, source: str) -> None:
        self._engine.run(f"CREATE OR REPLACE TEMP VIEW {name}_all AS SELECT * FROM {source}")
        self._engine.run(f"CREATE OR REPLACE TEMP VIEW {name} AS SELECT * FROM {name}_all WHERE {_WANTED}")

    def _parts(self, relations: Sequence[str]) -> int:
        """Divides the subjects of ``relations`` into ranges of about as many rows; gives their number."""
        counted = " UNION ALL ".join(f"SELECT subject_id FROM {name}_all" for name in relations)
        self._engine.run(
            "CREATE OR REPLACE TEMP TABLE medcairn_parts AS"
            " SELECT row_number() OVER (ORDER BY bucket) - 1 AS part,"
            "  CASE WHEN row_number() OVER (ORDER BY bucket) > 1 THEN first END AS low,"
            "  lead(first) OVER (ORDER BY bucket) AS high"
            " FROM (SELECT bucket, min(subject_id) AS first FROM ("
            f"  SELECT subject_id, (sum(n) OVER (ORDER BY subject_id) - n) // {ROWS_AT_ONCE} AS bucket"
            f"  FROM (SELECT subject_id, count(*) AS n FROM ({counted}) AS c GROUP BY subject_id) AS s"
            " ) AS b GROUP BY bucket) AS p"
        )
        return max(self._engine.count("SELECT count(*) FROM medcairn_parts"), 1)


def _quoted(file: Path) -> str:
    return "'" + str(file).replace("'", "''") + "'"


__all__ = ["ROWS_AT_ONCE", "EmbeddedGold"]
