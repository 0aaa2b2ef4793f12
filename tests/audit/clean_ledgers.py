"""Random honest ledgers, both verifiers: ``python -m audit.clean_ledgers COUNT [SEED]``, run in ``tests``."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from .histories import honest
from .standalone import export, findings_in_process


def main(count: int, first: int) -> int:
    """Prints how many were verified and how many raised an alarm; the exit code is 1 when any did."""
    began, alarms, entries = time.monotonic(), 0, 0
    for seed in range(first, first + count):
        with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as name:
            folder = Path(name)
            book, evidence = honest(folder, seed)
            check = book.verify(evidence)
            export(book.address, folder / "export", evidence)
            alone = findings_in_process(folder / "export", evidence.public_key)
            entries += check.tree_size
            if check.findings or alone:
                alarms += 1
                print(f"seed {seed}: {check.findings} {alone}", flush=True)
    print(f"{count} ledgers, {entries} entries, {alarms} alarms, {time.monotonic() - began:.0f} s")
    return 1 if alarms else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0))
