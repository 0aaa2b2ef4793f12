"""CSV and TSV: column by column, so that a column's name is the cue of its values."""

from __future__ import annotations

import csv
import io
from typing import BinaryIO

import pyarrow as pa
import pyarrow.csv as arrow_csv

from medcairn.core.labels import Label
from medcairn.phi.artifacts.columns import look_in_column
from medcairn.phi.artifacts.looking import Looking, below
from medcairn.phi.artifacts.texts import characters, look_in_text

_BLOCK_BYTES = 1 << 20
_LONGEST_HEADER = 1 << 16


def look_in_table(stream: BinaryIO, looking: Looking, location: Label, *, tabs: bool = False) -> None:
    """Look at the names of the columns and then at their values, a block of rows at a time.

    A table whose rows are not of one length is looked through as a text, line by line.
    """
    names, delimiter = _header(stream, tabs=tabs)
    looking.add(looking.detector.find_in_column_names(names, location=below(location, ".columns")))
    broken = False
    stream.seek(0)
    try:
        _look_in_batches(stream, names, delimiter, looking, location)
    except pa.ArrowInvalid:
        broken = True
    if broken or _is_utf16(stream):
        stream.seek(0)
        look_in_text(stream, looking, location)


def _look_in_batches(
    stream: BinaryIO, names: list[str], delimiter: str, looking: Looking, location: Label
) -> None:
    fields = [f"f{place}" for place in range(len(names))]
    if not fields or _is_utf16(stream):
        return
    with arrow_csv.open_csv(
        pa.PythonFile(_Unclosed(stream), mode="r"),
        read_options=arrow_csv.ReadOptions(block_size=_BLOCK_BYTES, column_names=fields, use_threads=False),
        parse_options=arrow_csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
        convert_options=arrow_csv.ConvertOptions(
            column_types=dict.fromkeys(fields, pa.string()), strings_can_be_null=False
        ),
    ) as batches:
        for batch in batches:
            for place, name in enumerate(names):
                look_in_column(batch.column(place), name, looking, below(location, f".columns[{place}]"))
            if looking.enough:
                return


def _header(stream: BinaryIO, *, tabs: bool) -> tuple[list[str], str]:
    """The first row, and the mark between fields: the most frequent of those that are used."""
    stream.seek(0)
    start = ""
    for piece in characters(stream):
        start += piece
        if len(start) > _LONGEST_HEADER or "\n" in start:
            break
    line = start.split("\n", 1)[0]
    delimiter = "\t" if tabs else max(",;\t|", key=line.count)
    for row in csv.reader(io.StringIO(start), delimiter=delimiter):
        return row, delimiter
    return [], delimiter


def _is_utf16(stream: BinaryIO) -> bool:
    stream.seek(0)
    head = stream.read(2)
    stream.seek(0)
    return head in (b"\xff\xfe", b"\xfe\xff")


class _Unclosed(io.RawIOBase):
    """A stream that its reader may close without closing ours."""

    def __init__(self, stream: BinaryIO) -> None:
        super().__init__()
        self._stream = stream

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        self._stream.seek(offset, whence)
        return self._stream.tell()

    def tell(self) -> int:
        return self._stream.tell()

    def read(self, size: int = -1) -> bytes:
        return self._stream.read(size)


__all__ = ["look_in_table"]
