"""One measurement in this process: prints its figures as one line of JSON."""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path

from bench.measurements import MEASUREMENTS


def main(name: str, folder: Path, patients: int) -> None:
    """Run measurement ``name`` on the data in ``folder``."""
    action = MEASUREMENTS[name].action
    before, began = _cpu_seconds(), time.perf_counter()
    outcome = action(folder, patients)
    wall = outcome.pop("wall_seconds", time.perf_counter() - began)
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    figures = {
        "items": 0.0,
        "bytes": 0.0,
        **outcome,
        "wall_seconds": wall,
        "cpu_seconds": _cpu_seconds() - before,
        # The largest single process: a stage with two workers holds up to this in each.
        "peak_bytes": max(resource.getrusage(kind).ru_maxrss for kind in kinds) * 1024,
    }
    print(json.dumps(figures))


def _cpu_seconds() -> float:
    usages = (resource.getrusage(kind) for kind in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
