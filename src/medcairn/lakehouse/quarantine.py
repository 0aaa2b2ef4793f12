"""Quarantine: what could not be loaded, where it stands and why. Never what it says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from medcairn.core.errors import IntegrityError
from medcairn.core.files import storage_errors, write_file

SCHEMA = pa.schema(
    [
        pa.field("table", pa.string()),
        pa.field("reason", pa.string()),
        pa.field("resource_type", pa.string()),
        pa.field("source_file", pa.string()),
        pa.field("source_line", pa.int32()),
    ]
)


class Reason(StrEnum):
    """Why a line is kept out of bronze.

    ``superseded``: a later line of the same folder is of the same resource and version number, or the folder
    says that the resource was deleted after it. ``not_a_deletion``: an entry of a deletion Bundle that does
    not name one resource with certainty.
    """

    NOT_JSON = "not_json"
    NO_RESOURCE_TYPE = "no_resource_type"
    OTHER_RESOURCE_TYPE = "other_resource_type"
    NO_ID = "no_id"
    SUPERSEDED = "superseded"
    NOT_A_DELETION = "not_a_deletion"


class Quarantine:
    """Collects entries and counts them by reason."""

    def __init__(self) -> None:
        self._entries: set[tuple[str, str, str, str, int]] = set()

    def add(self, table: str, reason: Reason, resource_type: str, file: str, line: int) -> None:
        """One entry; ``file`` is a name, ``line`` counts from 1, ``resource_type`` is "" when not known."""
        self._entries.add((table, file, resource_type, reason.value, line))

    def counts(self) -> Mapping[str, int]:
        """Entries by reason."""
        return dict(sorted(Counter(entry[3] for entry in self._entries).items()))

    def read(self, path: Path) -> None:
        """Take in the entries of a file that :meth:`write` wrote; none when there is no such file.

        Raises :class:`IntegrityError` when it cannot be read.
        """
        if not path.is_file():
            return
        broken = False
        try:
            for row in pq.read_table(path).to_pylist():
                entry = (row["table"], row["source_file"], row["resource_type"] or "", row["reason"])
                self._entries.add((*entry, row["source_line"]))
        except (pa.ArrowException, OSError, KeyError):
            broken = True
        if broken:
            raise IntegrityError("A Parquet file cannot be read", file=path)

    def write(self, path: Path) -> None:
        """Write the entries as Parquet, sorted, whole or not at all; no file when there is none.

        A file that says the same already is left alone.
        """
        if not self._entries:
            with storage_errors():
                path.unlink(missing_ok=True)
            return
        ordered = sorted(self._entries, key=lambda e: (e[0], e[1], e[4], e[3], e[2]))
        tables, files, types, reasons, lines = zip(*ordered, strict=True)
        columns = (tables, reasons, [t or None for t in types], files, lines)
        arrays = [pa.array(c, f.type) for c, f in zip(columns, SCHEMA, strict=True)]
        buffer = pa.BufferOutputStream()
        pq.write_table(pa.Table.from_arrays(arrays, schema=SCHEMA), buffer, compression="zstd")
        data = buffer.getvalue().to_pybytes()
        if not path.is_file() or path.read_bytes() != data:
            write_file(path, data)


__all__ = ["SCHEMA", "Quarantine", "Reason"]
