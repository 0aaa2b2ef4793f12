"""Importing a library without what it only asks after: time and memory, in every worker process."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


class _Hidden:
    """An importer that finds none of some packages."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = names

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name.partition(".")[0] in self._names:
            raise ModuleNotFoundError(name=name)


@contextmanager
def hidden(*names: str) -> Iterator[None]:
    """In the block, packages of these names are found only where they were imported before.

    For libraries that look whether another one is installed, and can do without.
    """
    importer = _Hidden(names)
    sys.meta_path.insert(0, importer)
    try:
        yield
    finally:
        sys.meta_path.remove(importer)


__all__ = ["hidden"]
