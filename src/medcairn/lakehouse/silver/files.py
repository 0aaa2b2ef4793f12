"""One data file of a silver table: its bytes and its name.

The name tells the file's place among the others and a digest of its bytes: a file is never overwritten, and
the same rows have the same file whenever they were written.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from medcairn.core.files import storage_errors
from medcairn.lakehouse.silver.contents import Tally
from medcairn.lakehouse.silver.shapes import Shape

ROWS_PER_FILE = 1 << 17
ROWS_AT_ONCE = 1 << 14
"""Rows that are written at a time. The bytes depend on it."""
_DIGITS = 16


def write_file(shape: Shape, batches: Iterable[pa.Table], path: str, folder: Path) -> Path:
    """Write sorted rows to a file in ``folder`` for the branch ``path``; gives the file.

    All ``batches`` but the last are of :data:`ROWS_AT_ONCE` rows.
    """
    partial = folder / f"part-{path or 'all'}.partial"
    tally = Tally(shape)
    with storage_errors():
        with pq.ParquetWriter(
            partial,
            shape.schema,
            compression="zstd",
            compression_level=1,
            store_schema=False,
            use_dictionary=sorted(_repeating(shape)),
        ) as writer:
            for rows in batches:
                tally.add(rows)
                writer.write_batch(rows.combine_chunks().to_batches()[0])
            writer.add_key_value_metadata(tally.footer())
        with partial.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()[:_DIGITS]
        return partial.rename(file_of(folder, path, digest))


def file_of(folder: Path, path: str, digest: str) -> Path:
    """The data file of the branch ``path`` with that digest."""
    return folder / f"part-{path or 'all'}-{digest}.parquet"


def digest_in(file: Path) -> str:
    """The digest in a data file's name."""
    return file.stem.rpartition("-")[2]


def _repeating(shape: Shape) -> set[str]:
    """Columns whose values recur, so that a dictionary of them is smaller than they are."""
    return {
        name
        for name in shape.schema.names
        if name != shape.id and not pa.types.is_timestamp(shape.schema.field(name).type)
    } - {"numeric_value", "canonical_value", "version", "current"}


__all__ = ["ROWS_AT_ONCE", "ROWS_PER_FILE", "digest_in", "file_of", "write_file"]
