"""The first pass: what each line of a segment is, without its text.

A worker reads a segment, takes the head of each resource and the hash of its text, and writes them as a small
Parquet file. Lines that are no resource are told with their place and reason.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from medcairn.core.files import storage_errors
from medcairn.lakehouse.bronze import arrays
from medcairn.lakehouse.bronze.source import Segment, blocks_of
from medcairn.lakehouse.header import Header, Meta, decode_header, decode_headers, decode_odd_header
from medcairn.lakehouse.quarantine import Reason

HEADS = pa.schema(
    [
        pa.field("segment", pa.int32()),
        pa.field("line", pa.int32()),
        pa.field("place", pa.int64()),
        pa.field("length", pa.int64()),
        pa.field("id", pa.string()),
        pa.field("version_id", pa.string()),
        pa.field("last_updated", pa.string()),
        pa.field("content_hash", pa.binary(32)),
    ]
)
"""``line`` counts from 0 in its segment; ``place`` and ``length`` are the text's in the plain file."""

_NO_META = Meta()
_ENDS = b"\r\n"


@dataclass(frozen=True)
class Surveyed:
    """What a segment holds: lines in all (empty ones too), resources, their bytes, and lines at fault.

    ``first_line`` is its first line's number in the file, from 1; it is known when the segments before are.
    """

    segment: Segment
    lines: int
    resources: int
    resource_bytes: int
    quarantined: tuple[tuple[int, Reason], ...]
    first_line: int = 1


def heads_file(scratch: Path, segment: int) -> Path:
    """Where the heads of that segment are."""
    return scratch / f"heads-{segment:07d}.parquet"


def surveyor(scratch: Path) -> Callable[[Segment], Surveyed]:
    """The work of a worker in the first pass: survey a segment and leave its heads in ``scratch``."""

    def survey(segment: Segment) -> Surveyed:
        heads = _Heads(segment)
        with storage_errors():
            for place, block in blocks_of(segment):
                heads.add(place, block)
            heads.write(heads_file(scratch, segment.number))
        return Surveyed(segment, heads.lines, len(heads.heads), sum(heads.lengths), tuple(heads.quarantined))

    return survey


@dataclass
class _Heads:
    segment: Segment
    lines: int = 0
    numbers: list[int] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)
    heads: list[Header] = field(default_factory=list)
    hashes: list[bytes] = field(default_factory=list)
    quarantined: list[tuple[int, Reason]] = field(default_factory=list)

    def add(self, place: int, block: bytes) -> None:
        """The heads of the lines of ``block``, which begins at ``place``."""
        texts = block.split(b"\n")
        if not texts[-1]:
            texts.pop()
        due = str(self.segment.file.resource_type)
        heads = None if b"\r" in block else _all_heads(block, len(texts), due)
        if heads is None:
            self._add_one_by_one(place, texts, due)
        else:
            lengths = list(map(len, texts))
            self.numbers += range(self.lines, self.lines + len(texts))
            self.places += accumulate(lengths[:-1], lambda at, length: at + length + 1, initial=place)
            self.lengths += lengths
            self.heads += heads
            sha256 = hashlib.sha256
            self.hashes += [sha256(text).digest() for text in texts]
        self.lines += len(texts)

    def _add_one_by_one(self, place: int, texts: Sequence[bytes], due: str) -> None:
        """The same for a block with a line that is no resource, or that ends in a carriage return."""
        for number, line in enumerate(texts, start=self.lines):
            text = line.rstrip(_ENDS)
            head = _head(text, due) if text else None
            if isinstance(head, Reason):
                self.quarantined.append((number, head))
            elif head is not None:
                self.numbers.append(number)
                self.places.append(place)
                self.lengths.append(len(text))
                self.heads.append(head)
                self.hashes.append(hashlib.sha256(text).digest())
            place += len(line) + 1

    def write(self, file: Path) -> None:
        """Write the heads. A segment without a resource leaves no file."""
        if not self.heads:
            return
        metas = [head.meta or _NO_META for head in self.heads]
        columns = [
            arrays.same_number(self.segment.number, len(metas), pa.int32()),
            arrays.numbers(np.array(self.numbers, np.int32), pa.int32()),
            arrays.numbers(np.array(self.places, np.int64), pa.int64()),
            arrays.numbers(np.array(self.lengths, np.int64), pa.int64()),
            arrays.texts([head.id for head in self.heads]),
            arrays.texts([meta.versionId for meta in metas]),
            arrays.texts([meta.lastUpdated for meta in metas]),
            arrays.fixed(self.hashes, 32),
        ]
        pq.write_table(
            pa.Table.from_arrays(columns, schema=HEADS),
            file,
            compression="none",
            use_dictionary=["segment"],
            write_statistics=False,
        )


def _all_heads(block: bytes, lines: int, due: str) -> list[Header] | None:
    """The heads of a block in which every line is a resource of the type that is due; else None."""
    try:
        if not block.isascii():
            block.decode()
        heads = decode_headers(block)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    # A line may hold several values, or none.
    if len(heads) == lines and all(head.resourceType == due and head.id for head in heads):
        return heads
    return None


def _head(text: bytes, due: str) -> Header | Reason:
    """The head of a resource of the type that is due, or why the line is none."""
    try:
        if not text.isascii():
            text.decode()
        header = _any_header(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Reason.NOT_JSON
    if header is None or not header.resourceType:
        return Reason.NO_RESOURCE_TYPE
    if header.resourceType != due:
        return Reason.OTHER_RESOURCE_TYPE
    return header if header.id else Reason.NO_ID


def _any_header(text: bytes) -> Header | None:
    try:
        return decode_header(text)
    except msgspec.ValidationError:
        return decode_odd_header(text)


__all__ = ["HEADS", "Surveyed", "heads_file", "surveyor"]
