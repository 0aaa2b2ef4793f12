"""A process that exports and stops in the middle of a phase, to be killed there.

``stalling.py KIND BASE_URL OUT_DIR PREVIOUS PHASE AFTER``: KIND is increment, search or attachments; once
PHASE has advanced AFTER times the process says so on its standard output and waits.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

from medcairn.core.clock import SystemClock
from medcairn.export import BulkRequest
from medcairn.export.attachments import fetch_attachments
from medcairn.export.incremental import export_incremental
from medcairn.export.sources.search.request import SearchRequest
from medcairn.export.sources.search.run import export_search

STALLED = "stalled"
TYPES = ("Patient", "Condition")


class Stalling:
    """Progress that goes no further."""

    def __init__(self, phase: str, after: int) -> None:
        self._phase, self._after = phase, after
        self._here = False
        self._done = 0

    def begin(self, what: str, total: int | None = None, unit: str = "") -> None:
        self._here = what == self._phase
        self._wait()

    def advance(self, done: int) -> None:
        self._done += self._here
        self._wait()

    def _wait(self) -> None:
        if self._here and self._done >= self._after:
            print(STALLED, flush=True)
            threading.Event().wait()


def killed(kind: str, base_url: str, out_dir: Path, previous: Path, phase: str, after: int) -> None:
    """Run such a process until it stalls, and kill it (SIGKILL)."""
    command = [sys.executable, __file__, kind, base_url, str(out_dir), str(previous), phase, str(after)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline().strip() == STALLED, "it ended before it stalled"
        finally:
            process.kill()


def main(kind: str, base_url: str, out_dir: Path, previous: Path, phase: str, after: int) -> None:
    """The process."""
    progress = Stalling(phase, after)
    if kind == "increment":
        export_incremental(
            base_url,
            previous,
            out_dir,
            request=BulkRequest(),
            credentials=None,
            progress=progress,
            clock=SystemClock(),
        )
    elif kind == "search":
        export_search(
            base_url,
            out_dir,
            request=SearchRequest(TYPES, page_size=5),
            credentials=None,
            progress=progress,
            clock=SystemClock(),
            parallel=1,
        )
    else:
        fetch_attachments(
            base_url, out_dir, credentials=None, progress=progress, clock=SystemClock(), parallel=1
        )


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]), sys.argv[5], int(sys.argv[6]))

__all__ = ["TYPES", "Stalling", "killed"]
