"""Arrow arrays out of what the workers hold, straight from buffers.

``pa.array``, ``pa.scalar`` and ``to_numpy`` import pandas where it is installed, to look whether they were
given something of its kind: 0.2 seconds and 35 MB in every worker, for nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Numbers = npt.NDArray[np.integer[Any]]
Width = TypeVar("Width", np.int32, np.int64)


def numbers(values: Numbers, of: pa.DataType) -> pa.Array:
    """Whole numbers, of which ``values`` has the width that the type has."""
    return pa.Array.from_buffers(of, len(values), [None, pa.py_buffer(np.ascontiguousarray(values))])


def same_number(value: int, rows: int, of: pa.DataType) -> pa.Array:
    """One number again and again; of a timestamp its units since 1970."""
    return numbers(np.full(rows, value, np.dtype(f"i{of.bit_width // 8}")), of)


def same_bool(value: bool, rows: int) -> pa.Array:
    """One truth value again and again."""
    bits = pa.py_buffer((b"\xff" if value else b"\x00") * ((rows + 7) // 8))
    return pa.Array.from_buffers(pa.bool_(), rows, [None, bits])


def same_text(value: str, rows: int) -> pa.StringArray:
    """One text again and again."""
    data = value.encode()
    return text_from(data * rows, np.full(rows, len(data)))


def texts(values: Sequence[str | None]) -> pa.StringArray:
    """Texts, or null for None."""
    nulls: npt.NDArray[np.bool_] | None = None
    filled = cast("Sequence[str]", values)
    if None in values:
        nulls = np.fromiter((value is None for value in values), np.bool_, len(values))
        filled = [value or "" for value in values]
    joined = "".join(filled)
    data = joined.encode()
    if len(data) != len(joined):  # then a text's length is not that of its bytes
        filled = [text.encode().decode("latin-1") for text in filled]
    return text_from(data, np.fromiter(map(len, filled), np.int64, len(values)), nulls)


def text_from(data: bytes, lengths: Numbers, nulls: npt.NDArray[np.bool_] | None = None) -> pa.StringArray:
    """Texts of those lengths in bytes, which lie one after another in ``data`` and are UTF-8."""
    offsets = np.zeros(len(lengths) + 1, np.int32)
    np.cumsum(lengths, out=offsets[1:])
    valid = None if nulls is None else pa.py_buffer(np.packbits(~nulls, bitorder="little"))
    return pa.StringArray.from_buffers(len(lengths), pa.py_buffer(offsets), pa.py_buffer(data), valid)


def fixed(values: Sequence[bytes], width: int) -> pa.FixedSizeBinaryArray:
    """Binary values that are all ``width`` bytes long."""
    return pa.Array.from_buffers(pa.binary(width), len(values), [None, pa.py_buffer(b"".join(values))])


def values_of(column: pa.Array | pa.ChunkedArray, dtype: type[Width]) -> npt.NDArray[Width]:
    """The numbers of a column without nulls."""
    width = np.dtype(dtype).itemsize
    parts = []
    for chunk in column.chunks if isinstance(column, pa.ChunkedArray) else [column]:
        if len(chunk):
            parts.append(np.frombuffer(chunk.buffers()[1], dtype, len(chunk), chunk.offset * width))
    return np.concatenate(parts) if parts else np.empty(0, dtype)


__all__ = ["fixed", "numbers", "same_bool", "same_number", "same_text", "text_from", "texts", "values_of"]
