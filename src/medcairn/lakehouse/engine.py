"""DuckDB as the embedded engine: one place for its settings and for translating its errors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import duckdb
import pyarrow as pa

from medcairn.core.errors import DataError, ExternalError, MedcairnError, StorageError
from medcairn.core.files import storage_error
from medcairn.lakehouse.views.compiled import compile_view
from medcairn.lakehouse.views.dialects.dialect import MORE_THAN_ONE

MEMORY_LIMIT = "1GB"
THREADS = 2

Row = tuple[object, ...]
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
        self._connection = _guarded(lambda: duckdb.connect(":memory:", config=settings))
        self.run("SET enable_progress_bar = false")
        # The time zone is a setting of an extension that some builds lack; UTC is then the only one.
        if self.rows("SELECT 1 FROM duckdb_extensions() WHERE extension_name = 'icu' AND loaded"):
            self.run("SET TimeZone = 'UTC'")

    def run(self, sql: str, parameters: Sequence[object] = ()) -> None:
        """Run a statement."""
        _guarded(lambda: self._connection.execute(sql, list(parameters)))

    def rows(self, sql: str) -> list[Row]:
        """The rows of a query. Instants with a zone do not come this way; see :meth:`table`."""
        return _guarded(lambda: list(self._connection.execute(sql).fetchall()))

    def count(self, sql: str) -> int:
        """The one number that a query gives; 0 for NULL."""
        return int(str(self.rows(sql)[0][0] or 0))

    def table(self, sql: str) -> pa.Table:
        """The rows of a query as an Arrow table."""
        return _guarded(lambda: self._connection.sql(sql).to_arrow_table())

    def load(self, name: str, table: pa.Table) -> None:
        """Make a temporary table of that name."""
        _guarded(lambda: self._connection.register("medcairn_loading", table))
        self.run(f"CREATE OR REPLACE TEMP TABLE {name} AS FROM medcairn_loading")
        _guarded(lambda: self._connection.unregister("medcairn_loading"))

    def close(self) -> None:
        """Free the memory and the spilled files."""
        self._connection.close()


def _guarded(call: Callable[[], _Result]) -> _Result:
    error: MedcairnError
    try:
        return call()
    except duckdb.Error as failure:
        error = _translated(failure)
    except OSError as failure:
        translated = storage_error(failure)
        if translated is None:
            raise
        error = translated
    # Outside the except block, so that the engine's own error does not travel along as context.
    raise error


def _translated(failure: duckdb.Error) -> MedcairnError:
    text = str(failure)
    if MORE_THAN_ONE in text:
        return DataError(
            "A view asks for one value where the data hold several",
            hint="Set `collection: true` on the column, or take one with first() or where()",
        )
    if "No space left" in text or "max_temp_directory_size" in text:
        return StorageError("The disk is full", hint="Free some space and run the same command again")
    if isinstance(failure, duckdb.OutOfMemoryException):
        return ExternalError("The engine ran out of the memory that it may use")
    if "Malformed JSON" in text:
        return DataError("A resource is not JSON")
    if isinstance(failure, duckdb.IOException | duckdb.InvalidInputException | duckdb.ConversionException):
        return DataError("The engine could not read its input")
    return ExternalError("The engine refused a statement of ours; please report this as a defect")


class ViewRunner:
    """Runs views over resources in memory, on one engine."""

    def __init__(self) -> None:
        self._engine = Engine()

    def __call__(self, view: Mapping[str, object], resources: Sequence[bytes]) -> tuple[list[str], list[Row]]:
        """Rows of ``view`` over ``resources``: (column names, rows).

        Raises :class:`~medcairn.core.errors.SettingsError` for a view that cannot be compiled and
        :class:`DataError` for resources that it cannot be run on.
        """
        compiled = compile_view(view)
        texts = pa.array([resource.decode() for resource in resources], pa.string())
        self._engine.load("resources", pa.table({"resource": texts}))
        rows = self._engine.rows(compiled.sql("resources"))
        return [name for name, _, _ in compiled.columns], rows


__all__ = ["MEMORY_LIMIT", "THREADS", "Engine", "Row", "ViewRunner"]
