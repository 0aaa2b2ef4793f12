"""What a view is, without running it: columns, what it reads, warnings, its SQL."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import cast

from medcairn.core.canonical import JSON
from medcairn.core.labels import Label
from medcairn.lakehouse.engines import EngineName
from medcairn.lakehouse.views.compiled import compile_view
from medcairn.lakehouse.views.dialects import Dialect, DuckDb, Spark
from medcairn.lakehouse.views.elements import INTEGERS
from medcairn.lakehouse.views.files import read_view
from medcairn.lakehouse.views.shape import read_schema

_DIALECTS: dict[EngineName, type[DuckDb] | type[Spark]] = {EngineName.DUCKDB: DuckDb, EngineName.SPARK: Spark}


@dataclass(frozen=True)
class ViewColumn:
    """A column: its FHIR type, and the SQL type it comes out as."""

    name: str
    type: str
    sql_type: str


@dataclass(frozen=True)
class ViewCheck:
    """A view that can be compiled. ``reads`` is the pruned read schema; ``sql`` is over a table ``resources``
    with the JSON text in a column ``resource``."""

    view: Label
    resource: str
    columns: tuple[ViewColumn, ...]
    warnings: tuple[str, ...]
    reads: dict[str, JSON]
    sql: str

    def facts(self) -> dict[str, JSON]:
        """For ``--json``."""
        columns: list[JSON] = [
            {"name": column.name, "type": column.type, "sql_type": column.sql_type} for column in self.columns
        ]
        return {
            "view": self.view,
            "resource": self.resource,
            "columns": columns,
            "unknown_elements": list(self.warnings),
            "reads": self.reads,
            "sql": self.sql,
        }


def check_view(view_file: Path, engine: EngineName = EngineName.DUCKDB) -> ViewCheck:
    """Compile the view in ``view_file`` for ``engine``, which is not started.

    Raises :class:`~medcairn.core.errors.UsageError` when there is no such file and
    :class:`~medcairn.core.errors.SettingsError` when the view cannot be compiled.
    """
    dialect: Dialect = _DIALECTS[engine]()
    compiled = compile_view(read_view(view_file), dialect)
    columns = tuple(ViewColumn(name, kind, _sql_type(kind, many)) for name, kind, many in compiled.columns)
    reads = cast("dict[str, JSON]", {"resourceType": "text", **read_schema(compiled.plan.shape)})
    sql = compiled.sql("resources")
    return ViewCheck(compiled.name, compiled.resource, columns, compiled.warnings, reads, sql)


def _sql_type(type_name: str, is_list: bool) -> str:
    found = "CHARACTER VARYING"
    if type_name in INTEGERS:
        found = "BIGINT"
    elif type_name in ("boolean", "decimal"):
        found = "BOOLEAN" if type_name == "boolean" else "DOUBLE PRECISION"
    return f"{found} ARRAY" if is_list else found


__all__ = ["ViewCheck", "ViewColumn", "check_view"]
