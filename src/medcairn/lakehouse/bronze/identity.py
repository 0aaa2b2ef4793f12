"""The content of a bronze table as one digest, whenever and in however many runs it was loaded.

Every row is a record of 40 bytes; the digest is that of the records in order. A version's record is its
content hash, life and sequence: the hashed text has the id, the version and its time in it. A deletion's is
the hash of its id and time, then life and sequence, marked. Where rows came from, when, and in which load is
no part of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from medcairn.core.canonical import canonical_json
from medcairn.core.delta import open_delta
from medcairn.core.digests import Digest, digest_json
from medcairn.core.errors import IntegrityError
from medcairn.core.files import storage_errors
from medcairn.lakehouse.bronze.arrays import values_of
from medcairn.lakehouse.commit import OPERATION

CONTENT: Final = "medcairn.content"
"""The key under which a commit keeps the digest of what the table holds then."""

_KEEPS_ROWS: Final = ("OPTIMIZE", "VACUUM START", "VACUUM END")
_DELETED: Final = 1 << 31
_WIDTH: Final = 40
_BUCKETS: Final = 256
_IN_MEMORY_ROWS: Final = 1 << 17

Records = npt.NDArray[np.uint8]
"""Shape (rows, 40)."""


def table_digest(files: Sequence[Path], scratch: Path) -> Digest:
    """The digest of the rows in the ``files`` of one table, whatever their order.

    Memory holds some hundred thousand rows; of more, the records are sorted through files in ``scratch``.

    Raises :class:`IntegrityError` with the path of a file that cannot be read.
    """
    state = hashlib.sha256()
    for bucket in _buckets(files, scratch):
        state.update(_in_order(bucket).tobytes())
    return Digest("sha256:" + state.hexdigest())


def known_digest(table_dir: Path) -> Digest | None:
    """The digest that the newest commit of ours left, where nothing but maintenance came after it."""
    for commit in open_delta(table_dir).history(limit=100):
        if CONTENT in commit:
            return Digest(commit[CONTENT])
        if commit.get(OPERATION, commit.get("operation")) not in _KEEPS_ROWS:
            return None
    return None


def content_digest(tables: Mapping[str, Digest]) -> Digest:
    """The digest of all tables, by resource type."""
    return digest_json(dict(tables))


def _buckets(files: Sequence[Path], scratch: Path) -> Iterator[Records]:
    """All records, in parts that follow one another: by the first byte, when there are many."""
    records = (part for file in files for part in _records_of(file))
    held: list[Records] = []
    rows = 0
    for part in records:
        held.append(part)
        rows += len(part)
        if rows > _IN_MEMORY_ROWS:
            break
    else:
        yield np.concatenate(held) if held else np.empty((0, _WIDTH), np.uint8)
        return
    with storage_errors():
        buckets = [(scratch / f"records-{number:03d}").open("w+b") for number in range(_BUCKETS)]
        try:
            for part in _also(held, records):
                part = part[np.argsort(part[:, 0], kind="stable")]
                ends = np.searchsorted(part[:, 0], np.arange(_BUCKETS), side="right")
                for bucket, rows_of_it in zip(buckets, np.split(part, ends[:-1]), strict=True):
                    bucket.write(rows_of_it.tobytes())
            for bucket in buckets:
                bucket.seek(0)
                yield np.frombuffer(bucket.read(), np.uint8).reshape(-1, _WIDTH)
        finally:
            for bucket in buckets:
                bucket.close()
                Path(bucket.name).unlink(missing_ok=True)


def _also(held: list[Records], more: Iterator[Records]) -> Iterator[Records]:
    while held:
        yield held.pop(0)
    yield from more


def _in_order(records: Records) -> Records:
    """The records sorted by their bytes."""
    words = records.view(">u8")  # five to a record
    order = np.argsort(words[:, 0], kind="stable")
    first = words[order, 0]
    if len(order) and np.any(first[1:] == first[:-1]):  # the same content twice, in two lives
        order = np.lexsort(tuple(words[:, column] for column in reversed(range(words.shape[1]))))
    return np.asarray(records[order])


def _records_of(file: Path) -> Iterator[Records]:
    broken = False
    try:
        with pq.ParquetFile(file) as opened:
            for group in range(opened.num_row_groups):
                yield _records(opened, group)
    except (pa.ArrowException, OSError, ValueError):
        broken = True
    if broken:
        raise IntegrityError("A Parquet file cannot be read", file=file)


def _records(file: pq.ParquetFile, group: int) -> Records:
    rows = file.read_row_group(group, columns=["content_hash", "life", "sequence"], use_threads=False)
    hashes = rows.column("content_hash")
    life = values_of(rows.column("life"), np.int32).astype(np.uint32)
    records = np.empty((rows.num_rows, _WIDTH), np.uint8)
    if hashes.null_count == 0:
        records[:, :32] = _fixed(hashes)
    else:
        records[:, :32], deleted = _with_deletions(file, group)
        life |= np.where(deleted, np.uint32(_DELETED), np.uint32(0))
    for first, numbers in ((32, life), (36, values_of(rows.column("sequence"), np.int32))):
        records[:, first : first + 4] = numbers.astype(">u4").view(np.uint8).reshape(-1, 4)
    return records


def _fixed(hashes: pa.ChunkedArray) -> Records:
    """The bytes of a column of hashes without nulls."""
    parts = [chunk.cast(pa.binary(32)) for chunk in hashes.chunks]
    return np.concatenate(
        [np.frombuffer(part.buffers()[1], np.uint8, len(part) * 32, part.offset * 32) for part in parts]
    ).reshape(-1, 32)


def _with_deletions(file: pq.ParquetFile, group: int) -> tuple[Records, npt.NDArray[np.bool_]]:
    """The hashes of a row group with deletions, which have one of their id and time; and which these are."""
    rows = file.read_row_group(group, columns=["id", "last_updated", "content_hash"], use_threads=False)
    hashes = [
        row["content_hash"] or hashlib.sha256(canonical_json([row["id"], row["last_updated"]])).digest()
        for row in rows.to_pylist()
    ]
    deleted = np.array([value is None for value in rows.column("content_hash").to_pylist()])
    return np.frombuffer(b"".join(hashes), np.uint8).reshape(-1, 32), deleted


__all__ = ["CONTENT", "content_digest", "known_digest", "table_digest"]
