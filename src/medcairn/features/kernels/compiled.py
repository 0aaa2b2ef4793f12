"""Compiling this package's kernels: once a machine where a cache can be written, else once a process.

Each kernel module compiles by itself and calls no compiled function of another module: a cached kernel would
not notice that such a function changed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numba

Kernel = TypeVar("Kernel", bound=Callable[..., object])


def compiled(function: Kernel) -> Kernel:
    """``function`` compiled on first call, without the interpreter's lock and without fused arithmetic."""
    try:
        return numba.njit(function, cache=True, nogil=True, error_model="numpy")  # type: ignore[no-any-return]
    except RuntimeError:  # neither the package's folder nor the user's cache can be written
        return numba.njit(function, nogil=True, error_model="numpy")  # type: ignore[no-any-return]


__all__ = ["compiled"]
