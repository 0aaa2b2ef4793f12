"""``python -m bench [--patients N]``: prints one row a measurement. Each runs in a process of its own.

Absolute speeds depend on the machine; the ratio to an alternative, taken in the same run, is what to quote.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.measurements import MEASUREMENTS


def main() -> None:
    """Run all measurements on one synthetic hospital and print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--patients", type=int, default=2000)
    parser.add_argument("--until", choices=list(MEASUREMENTS), help="the last measurement; they run in order")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="medcairn-bench-") as folder:
        print(f"{chosen.patients:,} patients, {os.cpu_count()} cores\n")
        print(f"{'':<34}{'wall s':>8}{'CPU s':>8}{'items/s':>12}{'MB/s':>8}{'peak MB':>9}  ratio")
        seconds: dict[str, float] = {}
        for name in MEASUREMENTS:
            row = _measure(name, Path(folder), chosen.patients)
            seconds[name] = row["wall_seconds"]
            print(_line(name, row, seconds), flush=True)
            if name == chosen.until:
                break


def _measure(name: str, folder: Path, patients: int) -> dict[str, float]:
    command = [sys.executable, "-m", "bench.measure", name, str(folder), str(patients)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    row: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return row


def _line(name: str, row: dict[str, float], seconds: dict[str, float]) -> str:
    wall = row["wall_seconds"]
    text = f"{name:<34}{wall:>8.2f}{row['cpu_seconds']:>8.2f}"
    text += f"{row['items'] / wall:>12,.0f}" if row["items"] else f"{'':>12}"
    text += f"{row['bytes'] / 1e6 / wall:>8.1f}" if row["bytes"] else f"{'':>8}"
    text += f"{row['peak_bytes'] / 1e6:>9.0f}"
    if "p50_ms" in row:
        text += f"  p50 {row['p50_ms']:.2f} ms, p99 {row['p99_ms']:.2f} ms"
    against = MEASUREMENTS[name].against
    if against is not None:
        text += f"  {seconds[against] / wall:.2f}x the speed of {against}"
    return text


if __name__ == "__main__":
    main()
