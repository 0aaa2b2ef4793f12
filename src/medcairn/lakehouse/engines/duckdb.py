"""DuckDB as the embedded engine: one place for its settings and for translating its errors."""

# ruff: noqa: S608 -- statements are put together from names of ours; no value of data enters their text

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import duckdb
import pyarrow as pa

from medcairn.core.errors import DataError, ExternalError, MedcairnError
from medcairn.core.files import storage_error
from medcairn.lakehouse.engines.failures import known_failure, refused
from medcairn.lakehouse.engines.seam import Row
from medcairn.lakehouse.views.dialects import DuckDb
from medcairn.lakehouse.views.lines import LineReader

MEMORY_LIMIT = "1GB"
THREADS = 2
_BATCH_ROWS = 20_000

_Result = TypeVar("_Result")


class Engine:
    """A DuckDB in memory, bounded, in UTC, with no access to the network.

    Every method translates DuckDB's errors into ours: their text quotes values, so it is looked at for a
    marker and dropped. ``spill`` is the folder for what does not fit into ``memory_limit`` (DuckDB's form,
    "1GB"); without it nothing is spilled.
    """

    def __init__(
        self, *, spill: Path | None = None, memory_limit: str = MEMORY_LIMIT, threads: int = THREADS
    ) -> None:
        settings: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": memory_limit,
            "threads": threads,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "temp_directory": str(spill) if spill else "",
        }
        self._lines: LineReader | None = None
        self._connection = self._guarded(lambda: duckdb.connect(":memory:", config=settings))
        self.run("SET enable_progress_bar = false")
        # The time zone is a setting of an extension that some builds lack; UTC is then the only one.
        if self.rows("SELECT 1 FROM duckdb_extensions() WHERE extension_name = 'icu' AND loaded"):
            self.run("SET TimeZone = 'UTC'")

    def run(self, sql: str, parameters: Sequence[object] = ()) -> None:
        """Run a statement."""
        self._guarded(lambda: self._connection.execute(sql, list(parameters)))

    def rows(self, sql: str) -> list[Row]:
        """The rows of a query. Instants with a zone do not come this way; see :meth:`table`."""
        return self._guarded(lambda: list(self._connection.execute(sql).fetchall()))

    def count(self, sql: str) -> int:
        """The one number that a query gives; 0 for NULL."""
        return int(str(self.rows(sql)[0][0] or 0))

    def table(self, sql: str) -> pa.Table:
        """The rows of a query as an Arrow table."""
        return self._guarded(lambda: self._connection.sql(sql).to_arrow_table())

    def load(self, name: str, table: pa.Table) -> None:
        """Make a temporary table of that name."""
        self._guarded(lambda: self._connection.register("medcairn_loading", table))
        self.run(f"CREATE OR REPLACE TEMP TABLE {name} AS FROM medcairn_loading")
        self._guarded(lambda: self._connection.unregister("medcairn_loading"))

    @property
    def dialect(self) -> DuckDb:
        """How its SQL is written."""
        return DuckDb()

    def texts(self, texts: Sequence[str]) -> str:
        """A relation of texts in memory; column ``resource``."""
        self.load("medcairn_texts", pa.table({"resource": pa.array(texts, pa.string())}))
        return "medcairn_texts"

    def lines(self, files: Sequence[Path]) -> str:
        """A relation of the lines of NDJSON files, which can be read once; column ``resource``."""
        self._lines = LineReader(files)
        schema = pa.schema([("resource", pa.string())])
        batches = (pa.record_batch([pa.array(lines, pa.string())], schema) for lines in self._lines)
        reader = pa.RecordBatchReader.from_batches(schema, batches)
        self._guarded(lambda: self._connection.register("medcairn_lines", reader))
        return "medcairn_lines"

    def parquet(self, files: Sequence[Path], without: pa.Table | None = None) -> str:
        """A relation of the column ``resource`` of Parquet files, without some (id, sequence)."""
        listed = ", ".join("'" + str(file).replace("'", "''") + "'" for file in files)
        relation = f"read_parquet([{listed}], hive_partitioning = false)"
        if without is None or without.num_rows == 0:
            return relation
        self.load("medcairn_without", without)
        return f"(FROM {relation} ANTI JOIN medcairn_without USING (id, sequence))"

    def batches(self, sql: str) -> Iterator[pa.RecordBatch]:
        """The rows of a query as Arrow batches, as they are made."""
        reader = self._guarded(lambda: self._connection.sql(sql).to_arrow_reader(_BATCH_ROWS))
        while (batch := self._guarded(lambda: next(reader, None))) is not None:
            yield batch

    def copy(
        self, rows: pa.RecordBatchReader, file: Path, options: str, *, lists_as_json: bool = False
    ) -> None:
        """Write Arrow rows to ``file``; ``options`` are those of DuckDB's COPY, in parentheses.

        ``lists_as_json`` is for formats that know no lists.
        """
        self._guarded(lambda: self._connection.register("medcairn_rows", rows))
        quoted = "'" + str(file).replace("'", "''") + "'"
        lists = [field.name for field in rows.schema if lists_as_json and pa.types.is_list(field.type)]
        replaced = ", ".join(f'to_json("{name}") AS "{name}"' for name in lists)
        columns = f"* REPLACE ({replaced})" if lists else "*"
        self.run(f"COPY (SELECT {columns} FROM medcairn_rows) TO {quoted} {options}")
        self._guarded(lambda: self._connection.unregister("medcairn_rows"))

    def close(self) -> None:
        """Free the memory and the spilled files."""
        self._connection.close()

    def _line_failure(self) -> DataError | None:
        """What ended the reading of lines, once: the engine reports it in words of its own."""
        lines, self._lines = self._lines, None
        return lines.failure if lines else None

    def _guarded(self, call: Callable[[], _Result]) -> _Result:
        error: MedcairnError
        try:
            return call()
        except (duckdb.Error, pa.ArrowException) as failure:
            error = self._line_failure() or _translated(failure)
        except OSError as failure:
            translated = storage_error(failure)
            if translated is None:
                raise
            error = translated
        # Outside the except block, so that the engine's own error does not travel along as context.
        raise error


def _translated(failure: Exception) -> MedcairnError:
    known = known_failure(str(failure))
    if known is not None:
        return known
    if isinstance(failure, duckdb.OutOfMemoryException):
        return ExternalError("The engine ran out of the memory that it may use")
    if isinstance(failure, duckdb.IOException | duckdb.InvalidInputException | duckdb.ConversionException):
        return DataError("The engine could not read its input")
    return refused()


__all__ = ["MEMORY_LIMIT", "THREADS", "Engine", "Row"]
