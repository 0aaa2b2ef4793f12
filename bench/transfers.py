"""Exports of one large file and of many tiny ones, each beside a plain download of the same bytes.

The synthetic hospital makes the files on the way out and runs in a process of its own.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

Figures = dict[str, float]

LARGE_BYTES, TINY_FILES = 2_000_000_000, 20_000
_LARGE = (f"large-file={LARGE_BYTES}", "gzip=never")
_TINY = (f"tiny-files={TINY_FILES}",)


def large_plain(folder: Path, patients: int) -> Figures:
    """The floor for one file of 2 GB: read it and drop it."""
    return _plain(folder, _LARGE)


def large_export(folder: Path, patients: int) -> Figures:
    """One file of 2 GB, checked line by line, hashed, written."""
    return _export(folder, _LARGE)


def tiny_plain(folder: Path, patients: int) -> Figures:
    """The floor for 20,000 files: read one after the other and drop them."""
    return _plain(folder, _TINY)


def tiny_export(folder: Path, patients: int) -> Figures:
    """20,000 files, each one durable under its own name."""
    return _export(folder, _TINY)


def _export(folder: Path, faults: tuple[str, ...]) -> Figures:
    from medcairn.core.clock import SystemClock
    from medcairn.core.progress import NoProgress
    from medcairn.export import BulkRequest, export_bulk

    with _serving(folder, faults) as base_url:
        began = time.perf_counter()
        report = export_bulk(
            base_url,
            folder / f"transfer-{faults[0].partition('=')[0]}",
            request=BulkRequest(),
            credentials=None,
            progress=NoProgress(),
            clock=SystemClock(),
        )
        seconds = time.perf_counter() - began
    return {"items": len(report.files), "bytes": report.size, "wall_seconds": seconds}


def _plain(folder: Path, faults: tuple[str, ...]) -> Figures:
    import httpx

    size = 0
    identity = {"Accept-Encoding": "identity"}
    with _serving(folder, faults) as base_url, httpx.Client(headers=identity, timeout=60) as client:
        began = time.perf_counter()
        status = client.get(f"{base_url}/$export", headers={"Prefer": "respond-async"}).headers[
            "content-location"
        ]
        while (answer := client.get(status)).status_code == 202:
            time.sleep(0.1)
        files = answer.json()["output"]
        for file in files:
            with client.stream("GET", file["url"]) as response:
                size += sum(len(block) for block in response.iter_raw())
        seconds = time.perf_counter() - began
    return {"items": len(files), "bytes": size, "wall_seconds": seconds}


@contextmanager
def _serving(folder: Path, faults: tuple[str, ...]) -> Iterator[str]:
    """The base URL of a hospital with the switches ``faults``."""
    data = folder / "one-patient"
    data.mkdir(exist_ok=True)
    (data / "Patient.000.ndjson").write_text('{"resourceType":"Patient","id":"generated"}\n')
    command = [sys.executable, "-m", "medcairn.cli.main", "hospital", "serve", str(data), "--open", "--json"]
    command += ["--port", "0", "--polls", "0", *(f"--fault={fault}" for fault in faults)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        assert server.stdout is not None
        text = b""
        while not text.strip().endswith(b"}"):
            line = server.stdout.readline()
            if not line:
                raise RuntimeError("the hospital did not start")
            text += line
        yield json.loads(text)["base_url"]
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(20)
