"""A silver folder on disk: its Delta tables, read with DuckDB by ranges of subjects."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from medcairn.core.delta import check_parquet, delta_files, is_delta
from medcairn.core.errors import DataError, IntegrityError, UsageError
from medcairn.core.labels import Label
from medcairn.features.silver_columns import COLUMNS, FOLLOW_UP_END, empty_table
from medcairn.features.subjects import AVAILABLE_IN


class SilverFolder:
    """Reads silver tables. Make one with :func:`open_silver`."""

    def __init__(self, folder: Path, database: duckdb.DuckDBPyConnection) -> None:
        self.folder = folder
        self._database = database
        self._files = {name: delta_files(folder / name) for name in COLUMNS if is_delta(folder / name)}
        for files in self._files.values():
            for file in files:
                check_parquet(file)

    def subject_ids(self) -> pa.Array:
        """Ids of all subjects with a patient row, sorted."""
        if not self._files.get("patient"):
            return pa.array([], pa.string())
        rows = self._query("patient", "SELECT DISTINCT subject_id", "WHERE subject_id IS NOT NULL ORDER BY 1")
        return rows.column(0).combine_chunks().cast(pa.string())

    def read(self, name: str, first: str, last: str, *, concepts: Collection[str] | None = None) -> pa.Table:
        """The rows of a table whose subject lies from ``first`` to ``last``, both included.

        Only columns that features use; with ``concepts`` only rows of those. No order is promised.

        Raises :class:`DataError` when a needed column is absent, :class:`IntegrityError` when a file cannot
        be read.
        """
        if not self._files.get(name):
            return empty_table(name)
        columns = self._columns(name)
        condition = "WHERE subject_id BETWEEN $first AND $last"
        values: dict[str, object] = {"first": first, "last": last}
        if concepts is not None:
            condition += " AND concept IN (SELECT unnest($concepts))"
            values["concepts"] = sorted(concepts)
        quoted = ", ".join(f'"{column}"' for column in columns)
        return self._query(name, f"SELECT {quoted}", condition, values)

    def latest_available(self) -> int | None:
        """The latest available time of any fact in microseconds, None when there is no fact."""
        latest: list[int] = []
        for name in AVAILABLE_IN:
            if self._files.get(name):
                rows = self._query(name, "SELECT max(epoch_us(available_time))", "")
                if (value := rows.column(0)[0].as_py()) is not None:
                    latest.append(int(value))
        return max(latest) if latest else None

    def _columns(self, name: str) -> list[str]:
        present = set(pq.read_schema(self._files[name][0]).names)
        for column in COLUMNS[name]:
            if column not in present:
                raise DataError(
                    "A silver table lacks a column that features need",
                    hint="Build silver again with this version",
                    table=Label(name),
                    column=Label(column),
                )
        optional = [FOLLOW_UP_END] if name == "patient" and FOLLOW_UP_END in present else []
        return [*COLUMNS[name], *optional]

    def _query(
        self, name: str, select: str, condition: str, values: dict[str, object] | None = None
    ) -> pa.Table:
        files = [str(file) for file in self._files[name]]
        found: pa.Table | None = None
        with suppress(duckdb.Error, pa.ArrowException):
            found = self._database.sql(
                f"{select} FROM read_parquet($files) {condition}", params={"files": files, **(values or {})}
            ).to_arrow_table()
        if found is None:
            raise IntegrityError(
                "A silver table cannot be read",
                hint="Build silver again",
                table=Label(name),
                folder=self.folder,
            )
        return found


@contextmanager
def open_silver(folder: Path) -> Iterator[SilverFolder]:
    """The silver tables in ``folder``.

    Raises :class:`UsageError` when it holds no patient table, and what
    :func:`~medcairn.core.delta.delta_files` raises.
    """
    if not is_delta(folder / "patient"):
        raise UsageError(
            "This folder holds no silver tables: there is no Delta table named patient in it",
            hint="Give the folder that `medcairn lakehouse` made, such as lake/silver",
            folder=folder,
        )
    with duckdb.connect(":memory:") as database:
        database.execute("SET preserve_insertion_order = false")
        yield SilverFolder(folder, database)


__all__ = ["SilverFolder", "open_silver"]
