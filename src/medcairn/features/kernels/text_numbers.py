"""A 64-bit number for a text: the same in every process and on every machine, so that equal texts meet again.

Not a secret and not a seal: it only tells the codes and resources of one subject apart.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from medcairn.features.kernels.compiled import compiled

Ints = npt.NDArray[np.int64]

_SEED, _FACTOR = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD6E8FEB86659FD93)
_HALF = np.uint64(32)


@compiled
def _numbers(offsets: Ints, data: npt.NDArray[np.uint8], out: Ints) -> None:
    for text in range(len(offsets) - 1):
        number = _SEED
        for at in range(offsets[text], offsets[text + 1]):
            number = (number ^ np.uint64(data[at])) * _FACTOR
            number ^= number >> _HALF
        out[text] = np.int64(number)


@compiled
def _mixed(one: Ints, other: Ints, out: Ints) -> None:
    """One number of two, in this order."""
    for at in range(len(one)):
        number = (np.uint64(one[at]) * _FACTOR) ^ np.uint64(other[at])
        number = (number ^ (number >> _HALF)) * _FACTOR
        out[at] = np.int64(number ^ (number >> _HALF))


def text_numbers(texts: pa.Array) -> Ints:
    """The number of each text; that of null is that of the empty text."""
    column = texts.cast(pa.large_string())
    out = np.empty(len(column), np.int64)
    if len(column):
        _, offsets, data = column.buffers()
        places = np.frombuffer(offsets, np.int64)[column.offset : column.offset + len(column) + 1].copy()
        letters = (
            np.frombuffer(data, np.uint8).copy() if data is not None and data.size else np.zeros(1, np.uint8)
        )
        _numbers(places, letters, out)
    return out


def paired(one: Ints, other: Ints) -> Ints:
    """One number for each pair of numbers."""
    out = np.empty(len(one), np.int64)
    _mixed(np.array(one), np.array(other), out)  # memory of our own: views would be compiled once more
    return out


__all__ = ["paired", "text_numbers"]
