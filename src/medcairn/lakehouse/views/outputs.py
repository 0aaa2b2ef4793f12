"""Writes the rows of a view in one of several formats; what is written is whole or absent."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path

import pyarrow as pa

from medcairn.core.errors import MedcairnError, UsageError
from medcairn.core.files import replace_folder, storage_errors
from medcairn.lakehouse.commit import commit_table, part_name
from medcairn.lakehouse.engines.duckdb import Engine
from medcairn.lakehouse.views.elements import INTEGERS


class Format(StrEnum):
    """What a view's rows can be written as; the value is the file's suffix, for Delta the folder's."""

    PARQUET = "parquet"
    CSV = "csv"
    NDJSON = "ndjson"
    ARROW = "arrow"
    DELTA = "delta"


_COPY = {
    Format.PARQUET: "(FORMAT parquet, COMPRESSION zstd)",
    Format.DELTA: "(FORMAT parquet, COMPRESSION zstd)",
    Format.CSV: "(FORMAT csv, HEADER)",
    Format.NDJSON: "(FORMAT json)",
}


def format_of(out: Path) -> Format:
    """The format that the suffix of ``out`` names.

    Raises :class:`UsageError` when it names none.
    """
    suffix = out.suffix.removeprefix(".")
    if suffix not in list(Format):
        raise UsageError(
            "The output's suffix is no format that a view can be written in",
            hint="parquet, csv, ndjson, arrow or delta; or say it with --format",
        )
    return Format(suffix)


def schema_of(columns: Sequence[tuple[str, str, bool]]) -> pa.Schema:
    """The Arrow schema of a view's columns: (name, FHIR type, is a list)."""
    return pa.schema([pa.field(name, _arrow_type(kind, is_list)) for name, kind, is_list in columns])


def _arrow_type(type_name: str, is_list: bool) -> pa.DataType:
    found = pa.string()
    if type_name in INTEGERS:
        found = pa.int64()
    elif type_name in ("boolean", "decimal"):
        found = pa.bool_() if type_name == "boolean" else pa.float64()
    return pa.list_(found) if is_list else found


class _Rows:
    """The batches on their way into a file: counted, and with the failure that ended them, if one did.

    What pulls them wraps a failure in its own, so it is kept here.
    """

    def __init__(self, batches: Iterator[pa.RecordBatch], schema: pa.Schema) -> None:
        self._batches, self._schema = batches, schema
        self.rows = 0
        self.failure: MedcairnError | None = None

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        try:
            for batch in self._batches:
                self.rows += batch.num_rows
                yield from pa.Table.from_batches([batch]).cast(self._schema).to_batches()
        except MedcairnError as error:
            self.failure = error
            raise

    def reader(self) -> pa.RecordBatchReader:
        return pa.RecordBatchReader.from_batches(self._schema, iter(self))


def write_rows(batches: Iterator[pa.RecordBatch], schema: pa.Schema, form: Format, out: Path) -> int:
    """Write the rows to ``out`` and give their number. A file of that name is replaced.

    Raises :class:`UsageError` when a folder is in the way, :class:`~medcairn.core.errors.StorageError` when
    the disk refuses, and whatever ends ``batches``; then nothing is left.
    """
    if out.is_dir():
        raise UsageError("There is a folder of this name already", hint="Remove it or choose another name")
    partial = out.with_name(out.name + ".partial")
    rows = _Rows(batches, schema)
    failed: MedcairnError | None = None
    with storage_errors():
        out.parent.mkdir(parents=True, exist_ok=True)
        _remove(partial)
    try:
        _write(rows, schema, form, partial)
    except MedcairnError as error:
        failed = rows.failure or error
    if failed is not None:
        _remove(partial)
        raise failed
    with storage_errors():
        if form is Format.DELTA:
            replace_folder(partial, out)
        else:
            partial.replace(out)
    return rows.rows


def _write(rows: _Rows, schema: pa.Schema, form: Format, partial: Path) -> None:
    if form is Format.ARROW:
        with storage_errors(), pa.OSFile(str(partial), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
            for batch in rows:
                writer.write_batch(batch)
    elif form is Format.DELTA:
        partial.mkdir()
        file = partial / part_name(0)
        Engine().copy(rows.reader(), file, _COPY[form])
        commit_table(partial, schema, [file])
    else:
        Engine().copy(rows.reader(), partial, _COPY[form], lists_as_json=form is Format.CSV)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


__all__ = ["Format", "format_of", "schema_of", "write_rows"]
