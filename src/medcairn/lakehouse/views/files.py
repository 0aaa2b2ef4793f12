"""Runs a view over a folder of resource files (or of bronze tables)."""

# ruff: noqa: S608 -- statements are put together from names of ours; no value of data enters their text

from __future__ import annotations

import gzip
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import msgspec

from medcairn.core.canonical import JSON
from medcairn.core.delta import delta_files, is_delta
from medcairn.core.errors import DataError, UsageError
from medcairn.core.files import storage_errors
from medcairn.core.labels import Label
from medcairn.lakehouse.bronze import open_resources, source_files
from medcairn.lakehouse.engine import Engine
from medcairn.lakehouse.views.compiled import CompiledView, compile_view


class Format(StrEnum):
    """What a view's rows can be written as; the value is the file's suffix."""

    PARQUET = "parquet"
    CSV = "csv"
    NDJSON = "ndjson"


_COPY = {
    Format.PARQUET: "(FORMAT parquet, COMPRESSION zstd)",
    Format.CSV: "(FORMAT csv, HEADER)",
    Format.NDJSON: "(FORMAT json)",
}


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


def run_view_on_folder(view_file: Path, data_dir: Path, out: Path) -> ViewRun:
    """Run the view in ``view_file`` over the resources in ``data_dir`` and write its rows to ``out``.

    ``data_dir`` holds ``<Type>….ndjson`` or ``.ndjson.gz`` files, or bronze tables. The suffix of ``out``
    says the format (:class:`Format`); the file is whole or absent.

    Raises :class:`~medcairn.core.errors.SettingsError` for a view that cannot be compiled,
    :class:`UsageError` for a path that is wrong, :class:`DataError` with file and line for a line that is
    not JSON.
    """
    form = _format(out)
    if not view_file.is_file():
        raise UsageError("There is no such view file", file=view_file)
    compiled = compile_view(view_file.read_bytes())
    source, column, files = _source(compiled, data_dir)
    partial = out.with_name(out.name + ".partial")
    engine = Engine()
    failed: DataError | None = None
    with storage_errors():
        out.parent.mkdir(parents=True, exist_ok=True)
    try:
        engine.run(f"COPY ({compiled.sql(source, json=column)}) TO {_quoted(partial)} {_COPY[form]}")
    except DataError as error:
        failed = error
    if failed is not None:
        partial.unlink(missing_ok=True)
        raise _first_broken_line(files) or failed
    rows = _count(engine, form, partial)
    with storage_errors():
        partial.replace(out)
    return ViewRun(
        compiled.name, compiled.resource, tuple(c[0] for c in compiled.columns), rows, compiled.warnings
    )


def _format(out: Path) -> Format:
    suffix = out.suffix.removeprefix(".")
    if suffix not in [form.value for form in Format]:
        raise UsageError(
            "The output's suffix is no format that a view can be written in", hint="parquet, csv or ndjson"
        )
    return Format(suffix)


def _source(view: CompiledView, data_dir: Path) -> tuple[str, str, Sequence[Path]]:
    """(relation, its JSON column, the text files behind it)."""
    table = data_dir / view.resource
    if is_delta(table):
        return f"read_parquet({_listed(delta_files(table))})", "resource", ()
    files = [path for path in source_files(data_dir) if path.name.split(".")[0] == view.resource]
    if not files:
        raise UsageError(
            "This folder holds no resources of the view's type",
            hint="Files are named <ResourceType>….ndjson or .ndjson.gz",
            folder=data_dir,
            resource_type=Label(view.resource),
        )
    return f"read_ndjson_objects({_listed(files)})", "json", files


def _first_broken_line(files: Sequence[Path]) -> DataError | None:
    """Where the first line stands that is not a JSON object."""
    check = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
    for file in files:
        number, broken = 0, False
        try:
            with open_resources(file) as stream:
                for number, line in enumerate(stream, start=1):  # noqa: B007
                    if line.strip():
                        check(line)
        except (msgspec.MsgspecError, EOFError, zlib.error, gzip.BadGzipFile):
            broken = True
        if broken:
            return DataError("A line of a resource file is not a JSON object", file=file, line=number)
    return None


def _count(engine: Engine, form: Format, file: Path) -> int:
    readers = {
        Format.PARQUET: f"read_parquet({_quoted(file)})",
        Format.CSV: f"read_csv({_quoted(file)}, header = true, all_varchar = true)",
        Format.NDJSON: f"read_ndjson_objects({_quoted(file)})",
    }
    return engine.count(f"SELECT count(*) FROM {readers[form]}")


def _listed(files: Sequence[Path]) -> str:
    return "[" + ", ".join(_quoted(file) for file in files) + "]"


def _quoted(file: Path) -> str:
    return "'" + str(file).replace("'", "''") + "'"


__all__ = ["Format", "ViewRun", "run_view_on_folder"]
