"""Runs a view over a folder of resource files, or of bronze tables."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from medcairn.core.canonical import JSON
from medcairn.core.delta import check_parquet, delta_files, is_delta
from medcairn.core.errors import UsageError
from medcairn.core.labels import Label
from medcairn.lakehouse.bronze import bronze_rows, several_versions, source_files, version_key
from medcairn.lakehouse.engines import EngineName, ViewEngine, view_engine
from medcairn.lakehouse.views.compiled import CompiledView, compile_view
from medcairn.lakehouse.views.outputs import Format, format_of, schema_of, write_rows

_KEY = ["id", "sequence"]
_VERSION = ["life", "deleted", "version_id", "last_updated", "sequence"]


@dataclass(frozen=True)
class ViewRun:
    """What running a view gave."""

    view: Label
    resource: str
    columns: tuple[str, ...]
    rows: int
    warnings: tuple[str, ...]

    def facts(self) -> dict[str, JSON]:
        """For ``--json``."""
        return {
            "view": self.view,
            "resource": self.resource,
            "columns": list(self.columns),
            "rows": self.rows,
            "unknown_elements": list(self.warnings),
        }


def run_view_on_folder(
    view_file: Path,
    data_dir: Path,
    out: Path,
    *,
    form: Format | None = None,
    engine: EngineName = EngineName.DUCKDB,
) -> ViewRun:
    """Run the view in ``view_file`` over the resources in ``data_dir`` and write its rows to ``out``.

    ``data_dir`` holds ``<Type>….ndjson`` or ``.ndjson.gz`` files, or bronze tables, of which the current
    versions count. Without ``form`` the suffix of ``out`` says the format; what is written is whole or
    absent.

    Raises :class:`~medcairn.core.errors.SettingsError` for a view that cannot be compiled,
    :class:`UsageError` for a path that is wrong, :class:`~medcairn.core.errors.DataError` with file and line
    for a line that is not a JSON object.
    """
    form = form or format_of(out)
    text = read_view(view_file)
    compile_view(text)
    runs_on = view_engine(engine)
    compiled = compile_view(text, runs_on.dialect)
    relation = _relation(runs_on, compiled, data_dir)
    rows = write_rows(runs_on.batches(compiled.sql(relation)), schema_of(compiled.columns), form, out)
    names = tuple(name for name, _, _ in compiled.columns)
    return ViewRun(compiled.name, compiled.resource, names, rows, compiled.warnings)


def read_view(view_file: Path) -> bytes:
    """The bytes of a view's file. Raises :class:`UsageError` when there is none."""
    if not view_file.is_file():
        raise UsageError("There is no such view file", file=view_file)
    return view_file.read_bytes()


def _relation(engine: ViewEngine, view: CompiledView, data_dir: Path) -> str:
    if is_delta(data_dir / view.resource):
        files = delta_files(data_dir / view.resource)
        for file in files:
            check_parquet(file)
        if not files:
            return engine.texts([])
        return engine.parquet(files, _not_current(data_dir, view.resource, files[0]))
    files = [path for path in source_files(data_dir) if path.name.split(".")[0] == view.resource]
    if not files:
        raise UsageError(
            "This folder holds no resources of the view's type",
            hint="Files are named <ResourceType>….ndjson or .ndjson.gz",
            folder=data_dir,
            resource_type=Label(view.resource),
        )
    return engine.lines(files)


def _not_current(bronze_dir: Path, resource_type: str, file: Path) -> pa.Table | None:
    """(id, sequence) of the versions that a later one, or a deletion, has taken the place of.

    None for a table that knows no versions.
    """
    if not {*_KEY, *_VERSION} <= set(pq.read_schema(file).names):
        return None
    ids = several_versions(bronze_dir, resource_type)
    rows: dict[str, list[tuple[tuple[int, bool, int, int, int], bool, int]]] = defaultdict(list)
    for batch in bronze_rows(bronze_dir, resource_type, columns=["id", *_VERSION], ids=ids):
        for row in batch.to_pylist():
            key = version_key(*(row[name] for name in _VERSION))
            rows[row["id"]].append((key, row["deleted"], row["sequence"]))
    old = [
        (identity, sequence)
        for identity, versions in sorted(rows.items())
        for key, deleted, sequence in sorted(versions)
        if deleted or key != max(versions)[0]
    ]
    columns = [
        pa.array([pair[0] for pair in old], pa.string()),
        pa.array([pair[1] for pair in old], pa.int32()),
    ]
    return pa.table(columns, names=_KEY)


__all__ = ["ViewRun", "read_view", "run_view_on_folder"]
