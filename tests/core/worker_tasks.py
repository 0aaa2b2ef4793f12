"""Work that worker processes can import."""

from __future__ import annotations

import os
from collections.abc import Callable

from medcairn.core.errors import DataError


def adder(step: int) -> Callable[[int], tuple[int, int]]:
    remembered = 0

    def add(number: int) -> tuple[int, int]:
        nonlocal remembered
        remembered += 1
        return number + step, remembered

    return add


def failing(how: str) -> Callable[[int], int]:
    def fail(number: int) -> int:
        if number == 3 and how == "ours":
            raise DataError("Line three cannot be read", line=3)
        if number == 3 and how == "a defect":
            raise ValueError("patient Jane Roe")
        if number == 3:
            os._exit(9)
        return number

    return fail


def pid() -> Callable[[int], int]:
    return lambda number: os.getpid()
