"""Parquet: names and metadata first, then the columns, some rows at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from medcairn.core.labels import Label
from medcairn.phi.artifacts.columns import look_in_column
from medcairn.phi.artifacts.limits import Reason
from medcairn.phi.artifacts.looking import Looking, below, refused

_ROWS = 8192
_BUFFER_BYTES = 1 << 20


def look_in_parquet(stream: BinaryIO, looking: Looking, location: Label) -> None:
    """Look at a Parquet file: key-value metadata, names of columns at all depths, and their values."""
    # The caller holds the stream; nothing is mapped or read ahead.
    file = pq.ParquetFile(stream, pre_buffer=False, buffer_size=_BUFFER_BYTES)
    about = file.metadata
    size = sum(about.row_group(group).total_byte_size for group in range(about.num_row_groups))
    if size > looking.limits.largest:
        raise refused(Reason.TOO_LARGE, "parquet")
    schema = file.schema_arrow
    place = below(location, ".metadata")
    looking.texts((f"writer: {about.created_by or ''}", *_metadata(about.metadata)), place)
    for field in _fields(schema):
        looking.texts(_metadata(field.metadata), place)
    names = [field.name for field in _fields(schema)]
    looking.add(looking.detector.find_in_column_names(names, location=below(location, ".columns")))
    for batch in file.iter_batches(batch_size=_ROWS, use_threads=False):
        for number, name in enumerate(schema.names):
            look_in_column(batch.column(number), name, looking, below(location, f".columns[{number}]"))
        if looking.enough:
            return


def _metadata(pairs: dict[bytes, bytes] | None) -> Iterator[str]:
    """Keys and values; of the encoded Arrow schema the fields are looked at instead."""
    for name, value in (pairs or {}).items():
        key = name.decode("utf-8", "replace")
        if key != "ARROW:schema":
            yield from (key, value.decode("utf-8", "replace"))


def _fields(schema: pa.Schema) -> Iterator[pa.Field]:
    waiting = list(schema)
    while waiting:
        field = waiting.pop(0)
        yield field
        kind = field.type
        if pa.types.is_nested(kind):
            waiting = [kind.field(number) for number in range(kind.num_fields)] + waiting


__all__ = ["look_in_parquet"]
