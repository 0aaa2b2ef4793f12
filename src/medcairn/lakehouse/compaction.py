"""Fewer, larger files for a Delta table: small neighbours become one, with the same rows in the same order.

Ours rather than the library's, for three reasons: one row group at a time is in memory, row groups keep the
size that readers work in, and a file is named by its content.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from medcairn.core.delta import DeltaFile
from medcairn.core.digests import digest_file
from medcairn.core.errors import IntegrityError
from medcairn.core.files import storage_errors

_GROUP_BYTES = 8 << 20
_DIGITS = 16


@dataclass(frozen=True)
class Bin:
    """Files of one partition, in order, that become one."""

    files: tuple[DeltaFile, ...]

    @property
    def size(self) -> int:
        """Their bytes."""
        return sum(file.size for file in self.files)


def bins_of(files: Sequence[DeltaFile], target_bytes: int) -> list[Bin]:
    """Neighbours, two or more, of one partition that fit into a file of ``target_bytes`` together."""
    bins: list[Bin] = []
    for _, partition in groupby(sorted(files, key=lambda file: file.path), key=lambda file: file.path.parent):
        held: list[DeltaFile] = []
        for file in partition:
            if held and sum(one.size for one in held) + file.size > target_bytes:
                bins.append(Bin(tuple(held)))
                held = []
            held.append(file)
        bins.append(Bin(tuple(held)))
    return [one for one in bins if len(one.files) > 1]


def merge(one: Bin) -> Path:
    """Write the rows of a bin as one file beside them. Gives the file, which no table knows yet.

    Raises :class:`IntegrityError` with the path of a file that cannot be read,
    :class:`~medcairn.core.errors.StorageError` when the disk refuses; then nothing is left.
    """
    folder = one.files[0].path.parent
    partial = folder / f"compact-{one.files[0].path.stem}.partial"
    try:
        with storage_errors():
            _write(one, partial)
            digest = digest_file(partial).hex[:_DIGITS]
            return partial.rename(folder / f"compact-{one.files[0].path.stem[:40]}-{digest}.parquet")
    finally:
        partial.unlink(missing_ok=True)


def _write(one: Bin, partial: Path) -> None:
    schema, counted, repeating = _habits(one.files[0].path)
    with pq.ParquetWriter(
        partial,
        schema,
        compression="zstd",
        compression_level=1,
        use_dictionary=repeating,
        write_statistics=counted,
    ) as out:
        for group in _groups(_row_groups(one, schema)):
            out.write_table(group, row_group_size=max(group.num_rows, 1))


def _habits(file: Path) -> tuple[pa.Schema, list[str], list[str]]:
    """A file's schema, and which of its columns have statistics and dictionaries."""
    with _opened(file) as opened:
        counted, repeating = [], []
        if opened.num_row_groups:
            group = opened.metadata.row_group(0)
            for column in (group.column(index) for index in range(group.num_columns)):
                if column.is_stats_set:
                    counted.append(column.path_in_schema)
                if column.has_dictionary_page:
                    repeating.append(column.path_in_schema)
        return opened.schema_arrow, counted, repeating


def _row_groups(one: Bin, schema: pa.Schema) -> Iterator[pa.Table]:
    for file in one.files:
        broken = False
        try:
            with _opened(file.path) as opened:
                for number in range(opened.num_row_groups):
                    yield opened.read_row_group(number, use_threads=False).cast(schema)
        except (pa.ArrowException, OSError, ValueError):
            broken = True
        if broken:
            raise IntegrityError("A Parquet file cannot be read", file=file.path)


def _opened(file: Path) -> pq.ParquetFile:
    opened: pq.ParquetFile | None = None
    with contextlib.suppress(pa.ArrowException, OSError):
        opened = pq.ParquetFile(file)
    if opened is None:
        raise IntegrityError("A Parquet file cannot be read", file=file)
    return opened


def _groups(tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """Row groups of _GROUP_BYTES in memory, or a little more."""
    held: list[pa.Table] = []
    for table in tables:
        held.append(table)
        if sum(one.nbytes for one in held) >= _GROUP_BYTES:
            yield pa.concat_tables(held)
            held = []
    if held:
        yield pa.concat_tables(held)


__all__ = ["Bin", "bins_of", "merge"]
