"""Finished downloads get their final names: durable first, many at a time to make tiny files cheap."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from medcairn.core.errors import ExternalError
from medcairn.core.files import storage_errors, sync_folder
from medcairn.export.outputs import PARTIAL
from medcairn.export.report import ExportedFile

_MOST_WAITING: Final = 2_000
_LARGEST_BATCH: Final = 500
_FLUSHES_AT_A_TIME: Final = 8
"""File systems write one journal record for flushes that come together."""

Recorded = Callable[[list[ExportedFile]], None]


class Committer:
    """Flushes partial files to disk, renames them, flushes the folders, and then has them ``recorded``.

    It works in a thread of its own, with all that waits at a time, while the next files are fetched. A crash
    anywhere in between leaves a file that is fetched again, and never a record of one that is not there.
    """

    def __init__(self, folder: Path, recorded: Recorded) -> None:
        self._folder, self._recorded = folder, recorded
        self._queue: queue.Queue[ExportedFile | None] = queue.Queue(_MOST_WAITING)
        self._failure: BaseException | None = None
        self._flushing = ThreadPoolExecutor(_FLUSHES_AT_A_TIME, "medcairn-flush")
        self._thread = threading.Thread(target=self._run, name="medcairn-commit", daemon=True)
        self._thread.start()

    def finish(self, file: ExportedFile) -> None:
        """Have ``file`` committed soon. Raises what an earlier commit failed with."""
        self._raise()
        self._queue.put(file)

    def close(self) -> None:
        """Commit what waits. Raises what a commit failed with."""
        self._queue.put(None)
        self._thread.join()
        self._flushing.shutdown()
        self._raise()

    def _run(self) -> None:
        last = False
        while not last:
            batch = [self._queue.get()]
            while len(batch) < _LARGEST_BATCH and batch[-1] is not None and not self._queue.empty():
                batch.append(self._queue.get())
            last = batch[-1] is None
            files = [file for file in batch if file is not None]
            if files and self._failure is None:
                try:
                    self._commit(files)
                except BaseException as failure:  # noqa: BLE001 - whoever waits must hear of it
                    self._failure = failure

    def _commit(self, files: list[ExportedFile]) -> None:
        with storage_errors():
            partials = [self._folder / f"{file.name}{PARTIAL}" for file in files]
            list(self._flushing.map(_flush, partials))
            for file, partial in zip(files, partials, strict=True):
                partial.replace(self._folder / file.name)
            for folder in {partial.parent for partial in partials}:
                sync_folder(folder)
        self._recorded(files)

    def _raise(self) -> None:
        if isinstance(self._failure, Exception):
            raise self._failure
        if self._failure is not None:
            raise ExternalError("A fetched file could not be kept")


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


__all__ = ["Committer"]
