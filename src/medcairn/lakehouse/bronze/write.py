"""The second pass: the rows that are news, with their text, as the data files of a load."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from medcairn.core.files import storage_errors
from medcairn.lakehouse.bronze import arrays
from medcairn.lakehouse.bronze.schema import SCHEMA, WITH_STATISTICS, microseconds
from medcairn.lakehouse.bronze.source import Segment
from medcairn.lakehouse.bronze.survey import heads_file

FILE_BYTES = 128 << 20
"""JSON bytes in one data file, about. Fixed, so that the same load gives the same files."""
_GROUP_BYTES = 6 << 20
"""JSON bytes at which a row group ends; one more segment may reach past it."""
_RUN_BYTES = 1 << 20
_FEW_VALUES = ["version_id", "last_updated", "life", "sequence", "load", "source_file", "ingested_at"]
_OF_HEADS = ("id", "version_id", "last_updated", "content_hash")
_OF_TOMBSTONES = ("id", "life", "sequence", "source_file", "source_line")

Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]
_Column: TypeAlias = "pa.Array | pa.ChunkedArray"


@dataclass(frozen=True)
class Pick:
    """Lines of one segment that are loaded. ``lines`` counts in the segment, ``first_line`` in the file."""

    segment: Segment
    first_line: int
    lines: Int32s
    life: Int32s
    sequence: Int32s


@dataclass(frozen=True)
class FilePlan:
    """One data file to write: its path, the number of the load, and what goes into it, in order."""

    file: Path
    load: int
    picks: tuple[Pick, ...]


def writer(scratch: Path, ingested_at: datetime) -> Callable[[FilePlan], int]:
    """The work of a worker in the second pass: write a data file. Gives its number of rows."""

    def write(plan: FilePlan) -> int:
        rows = 0
        with storage_errors(), _parquet_writer(plan.file) as out:
            for group in _groups(_table(pick, scratch, plan.load, ingested_at) for pick in plan.picks):
                out.write_table(group, row_group_size=group.num_rows)
                rows += group.num_rows
        return rows

    return write


def write_tombstones(file: Path, gone: Iterator[pa.RecordBatch], load: int, ingested_at: datetime) -> None:
    """Write the rows of deleted resources (see :class:`~medcairn.lakehouse.bronze.compare.Difference`)."""
    with storage_errors(), _parquet_writer(file) as out:
        for batch in gone:
            columns: dict[str, _Column] = {name: batch.column(name) for name in _OF_TOMBSTONES}
            columns["last_updated"] = batch.column("deleted_at")
            out.write_table(_rows(columns, batch.num_rows, load, ingested_at, deleted=True))


def _parquet_writer(file: Path) -> pq.ParquetWriter:
    file.parent.mkdir(parents=True, exist_ok=True)
    return pq.ParquetWriter(
        file,
        SCHEMA,
        compression="zstd",
        compression_level=1,
        use_dictionary=_FEW_VALUES,
        column_encoding={"source_line": "DELTA_BINARY_PACKED"},
        write_statistics=list(WITH_STATISTICS),
    )


def _groups(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """The rows in groups of _GROUP_BYTES of text or a little more, whatever segments they come from."""
    held: list[pa.Table] = []
    size = 0
    for table in tables:
        held.append(table)
        size += table.column("resource").nbytes
        if size >= _GROUP_BYTES:
            yield pa.concat_tables(held)
            held, size = [], 0
    if held:
        yield pa.concat_tables(held)


def _table(pick: Pick, scratch: Path, load: int, ingested_at: datetime) -> pa.Table:
    """The rows of one pick: a segment, so the texts fit in memory."""
    heads = _heads(pick, scratch)
    columns: dict[str, _Column] = {name: heads.column(name) for name in _OF_HEADS}
    columns["resource"] = _texts(pick.segment.file.path, heads)
    columns["source_file"] = arrays.same_text(pick.segment.file.name, heads.num_rows)
    columns["source_line"] = arrays.numbers(pick.lines + np.int32(pick.first_line), pa.int32())
    columns["life"] = arrays.numbers(pick.life, pa.int32())
    columns["sequence"] = arrays.numbers(pick.sequence, pa.int32())
    return _rows(columns, heads.num_rows, load, ingested_at, deleted=False)


def _heads(pick: Pick, scratch: Path) -> pa.Table:
    """The heads of the picked lines."""
    with pq.ParquetFile(heads_file(scratch, pick.segment.number)) as file:
        heads = file.read(use_threads=False)
    if len(pick.lines) == heads.num_rows:
        return heads
    rows = np.searchsorted(arrays.values_of(heads.column("line"), np.int32), pick.lines)
    return heads.take(arrays.numbers(rows, pa.int64()))


def _texts(file: Path, heads: pa.Table) -> pa.ChunkedArray:
    """The texts of the resources. The survey saw that they are UTF-8, so nobody looks again."""
    places, lengths = (arrays.values_of(heads.column(name), np.int64) for name in ("place", "length"))
    with file.open("rb", buffering=0) as stream:
        return pa.chunked_array(
            [_run(stream, places[begin:end], lengths[begin:end]) for begin, end in _runs(lengths)]
        )


def _runs(lengths: Int64s) -> Iterator[tuple[int, int]]:
    """Runs of rows with at most _RUN_BYTES of text, or a single row with more."""
    ends = np.cumsum(lengths)
    begin = 0
    while begin < len(lengths):
        before = int(ends[begin - 1]) if begin else 0
        end = max(begin + 1, int(np.searchsorted(ends, before + _RUN_BYTES, side="right")))
        yield begin, end
        begin = end


def _run(stream: BinaryIO, places: Int64s, lengths: Int64s) -> pa.StringArray:
    if np.array_equal(places[1:], places[:-1] + lengths[:-1] + 1):  # line after line: one read
        stream.seek(int(places[0]))
        text = stream.read(int(places[-1] + lengths[-1] - places[0])).replace(b"\n", b"")
    else:
        parts = []
        for place, length in zip(places.tolist(), lengths.tolist(), strict=True):
            stream.seek(place)
            parts.append(stream.read(length))
        text = b"".join(parts)
    return arrays.text_from(text, lengths)


def _rows(
    columns: Mapping[str, _Column], rows: int, load: int, ingested_at: datetime, *, deleted: bool
) -> pa.Table:
    given = {
        **columns,
        "deleted": arrays.same_bool(deleted, rows),
        "load": arrays.same_number(load, rows, pa.int32()),
        "ingested_at": arrays.same_number(microseconds(ingested_at), rows, SCHEMA.field("ingested_at").type),
    }
    filled = [given[f.name].cast(f.type) if f.name in given else pa.nulls(rows, f.type) for f in SCHEMA]
    return pa.Table.from_arrays(filled, schema=SCHEMA)


def planned(folder: Path, load: int, picks: Iterable[tuple[Pick, int]]) -> Iterator[FilePlan]:
    """Picks with their bytes of JSON, in order, as data files of FILE_BYTES or a little more."""
    held: list[Pick] = []
    number = size = 0
    for pick, weight in picks:
        held.append(pick)
        size += weight
        if size >= FILE_BYTES:
            yield FilePlan(folder / load_file(load, number), load, tuple(held))
            held, size, number = [], 0, number + 1
    if held:
        yield FilePlan(folder / load_file(load, number), load, tuple(held))


def load_file(load: int, number: int) -> str:
    """Name of a data file of a load."""
    return f"load-{load:05d}-{number:05d}.parquet"


__all__ = ["FILE_BYTES", "FilePlan", "Int32s", "Pick", "load_file", "planned", "write_tombstones", "writer"]
