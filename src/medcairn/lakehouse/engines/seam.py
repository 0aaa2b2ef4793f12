"""What the views need of an engine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias

from medcairn.lakehouse.views.dialects import Dialect

if TYPE_CHECKING:
    import pyarrow as pa

Row: TypeAlias = tuple[object, ...]


class EngineName(StrEnum):
    """The engines there are."""

    DUCKDB = "duckdb"
    SPARK = "spark"


class ViewEngine(Protocol):
    """Runs queries in its own dialect. Foreign errors are translated, the same ones on every engine.

    The relations that it makes have one column, ``resource``: the JSON text of a resource. They are valid
    until the next one is made.
    """

    @property
    def dialect(self) -> Dialect:
        """How its SQL is written."""
        ...

    def texts(self, texts: Sequence[str]) -> str:
        """A relation of texts in memory."""
        ...

    def lines(self, files: Sequence[Path]) -> str:
        """A relation of the lines of NDJSON files, ``.gz`` or not.

        A line that is no JSON object raises :class:`~medcairn.core.errors.DataError` with file and line, here
        or when the relation is read.
        """
        ...

    def parquet(self, files: Sequence[Path], without: pa.Table | None = None) -> str:
        """A relation of Parquet files with a column ``resource``, without some rows: (id, sequence)."""
        ...

    def rows(self, sql: str) -> list[Row]:
        """The rows of a query."""
        ...

    def batches(self, sql: str) -> Iterator[pa.RecordBatch]:
        """The rows of a query as Arrow batches."""
        ...


def view_engine(name: EngineName) -> ViewEngine:
    """The engine of that name, ready to run.

    Raises :class:`~medcairn.core.errors.UsageError` when what it needs is not installed.
    """
    if name is EngineName.SPARK:
        from medcairn.lakehouse.engines.spark import SparkEngine

        return SparkEngine()
    from medcairn.lakehouse.engines.duckdb import Engine

    return Engine()


__all__ = ["EngineName", "Row", "ViewEngine", "view_engine"]
