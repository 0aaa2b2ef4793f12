"""Reads a MEDS dataset: its files one after another, each with whole subjects."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from medcairn.core.delta import is_delta
from medcairn.core.errors import DataError, IntegrityError, UsageError
from medcairn.core.labels import Label

_NEEDED = {"subject_id": pa.int64(), "time": pa.timestamp("us"), "code": pa.string()}
_OPTIONAL = {"numeric_value": pa.float32(), "text_value": pa.large_string()}


def is_meds(folder: Path) -> bool:
    """Whether a folder looks like a MEDS dataset: Parquet files below ``data``, and no Delta table beside."""
    return not is_delta(folder / "patient") and next((folder / "data").glob("**/*.parquet"), None) is not None


class MedsFolder:
    """A MEDS dataset on disk.

    Raises :class:`UsageError` when the folder holds none.
    """

    def __init__(self, folder: Path) -> None:
        if not is_meds(folder):
            raise UsageError(
                "This folder holds no MEDS dataset: there is no data/*.parquet in it",
                hint="Give the folder that holds data and metadata",
                folder=folder,
            )
        self.folder = folder
        self.files = sorted((folder / "data").glob("**/*.parquet"))

    def shards(self) -> Iterator[pa.Table]:
        """The rows of each file: MEDS's columns in MEDS's types, further columns as they are.

        Raises :class:`IntegrityError` for a file that cannot be read, :class:`DataError` for one without a
        needed column, with a column of a type that cannot be MEDS's, with a null subject or code, or with a
        subject that an earlier file had.
        """
        seen: set[int] = set()
        for number, file in enumerate(self.files):
            rows = _conforming(_table(file), file)
            subjects = set(pc.unique(rows.column("subject_id")).to_pylist())
            if seen & subjects:
                raise DataError(
                    "A subject of a MEDS dataset is in more than one file",
                    hint="MEDS keeps each subject in one file; write the dataset again",
                    file=file,
                    number=number,
                    subjects=len(seen & subjects),
                )
            seen |= subjects
            yield rows


def _table(file: Path) -> pa.Table:
    found: pa.Table | None = None
    with suppress(pa.ArrowException, OSError):
        found = pq.ParquetFile(file).read()
    if found is None:
        raise IntegrityError("A file of a MEDS dataset cannot be read", hint="Fetch it again", file=file)
    return found


def _conforming(table: pa.Table, file: Path) -> pa.Table:
    for name, wanted in (_NEEDED | _OPTIONAL).items():
        if name not in table.column_names:
            if name in _NEEDED:
                raise DataError("A file of a MEDS dataset lacks a column", file=file, column=Label(name))
            continue
        place = table.column_names.index(name)
        table = table.set_column(place, name, _cast(table.column(name), wanted, file, name))
        if name in ("subject_id", "code") and table.column(name).null_count:
            raise DataError("A MEDS column may not be null, and is", file=file, column=Label(name))
    return table


def _cast(column: pa.ChunkedArray, wanted: pa.DataType, file: Path, name: str) -> pa.ChunkedArray:
    found: pa.ChunkedArray | None = None
    with suppress(pa.ArrowInvalid, pa.ArrowNotImplementedError):
        # A number may lose digits on its way to 32 bits; a time or an id may not.
        found = column.cast(wanted, safe=name != "numeric_value")
    if found is None:
        raise DataError("A MEDS column has a type that is not MEDS's", file=file, column=Label(name))
    return found


__all__ = ["MedsFolder", "is_meds"]
