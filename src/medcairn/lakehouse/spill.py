"""Where a build keeps what does not fit into memory: beside what it makes, gone when it ends."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from medcairn.core.files import storage_errors


@contextmanager
def spill_beside(out_dir: Path) -> Iterator[Path]:
    """An empty folder next to ``out_dir``, on the same disk; what a build that died left there goes first.

    Raises :class:`~medcairn.core.errors.StorageError` when the disk refuses.
    """
    spill = out_dir.with_name(out_dir.name + ".spill")
    with storage_errors():
        shutil.rmtree(spill, ignore_errors=True)
        spill.mkdir(parents=True)
    try:
        yield spill
    finally:
        shutil.rmtree(spill, ignore_errors=True)


__all__ = ["spill_beside"]
