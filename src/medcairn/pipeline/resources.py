"""What a step cost: wall time and peak memory."""

from __future__ import annotations

import resource
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")
_RESET_PEAK = "5"


@dataclass
class Meter:
    """Starts when made. Peak memory is this process's own and leaves out the processes that it starts.

    On Linux the kernel's high-water mark is reset at the start, so that each step has its own peak;
    elsewhere the peak is that of the process so far.
    """

    _began: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        try:
            _CLEAR.write_text(_RESET_PEAK)
        except OSError:
            return

    @property
    def seconds(self) -> float:
        """Wall time since the start."""
        return time.monotonic() - self._began

    @property
    def peak_bytes(self) -> int:
        """Peak resident memory since the start, in bytes."""
        try:
            lines = _STATUS.read_text().splitlines()
        except OSError:
            lines = []
        for line in lines:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


__all__ = ["Meter"]
