"""A small hospital that changes between exports, and exports of it in time that passes by sleeping alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from medcairn.core.canonical import JSON
from medcairn.core.clock import SystemClock
from medcairn.core.progress import NoProgress
from medcairn.export import BulkRequest
from medcairn.export.incremental import IncrementalReport, export_incremental
from medcairn.synthetic.server import HospitalServer

START = "2025-01-01T00:00:00Z"
GROUP = BulkRequest(level="group", group="study")


def resource(
    resource_type: str, resource_id: str, patient: str | None = None, **more: JSON
) -> dict[str, JSON]:
    """A resource, about ``patient`` if any."""
    about: dict[str, JSON] = {"subject": {"reference": f"Patient/{patient}"}} if patient else {}
    return {"resourceType": resource_type, "id": resource_id, "meta": {"lastUpdated": START}, **about, **more}


def write_hospital(folder: Path, resources: Sequence[dict[str, JSON]]) -> Path:
    """A folder for :class:`HospitalServer` with these resources."""
    folder.mkdir(exist_ok=True)
    for resource_type in sorted({str(item["resourceType"]) for item in resources}):
        lines = [json.dumps(item) + "\n" for item in resources if item["resourceType"] == resource_type]
        (folder / f"{resource_type}.000.ndjson").write_text("".join(lines))
    return folder


def lines_of(folder: Path) -> list[bytes]:
    """Every line of an export, sorted."""
    return sorted(line for path in folder.glob("[A-Z]*.ndjson") for line in path.read_bytes().splitlines())


def ids(folder: Path, resource_type: str) -> list[str]:
    """Sorted ids of one type."""
    found = [json.loads(line) for line in lines_of(folder)]
    return sorted(item["id"] for item in found if item["resourceType"] == resource_type)


@dataclass
class Exporter:
    """Exports of one server into numbered folders below ``root``."""

    server: HospitalServer
    root: Path
    sleep: Callable[[float], None]
    monotonic: Callable[[], float]
    count: int = 0

    def __call__(
        self,
        previous: Path | None = None,
        request: BulkRequest = GROUP,
        *,
        out: Path | None = None,
        **more: object,
    ) -> tuple[Path, IncrementalReport]:
        self.count += 1
        folder = out or self.root / f"export-{self.server.port}-{self.count}"
        folder.mkdir(parents=True, exist_ok=True)
        report = export_incremental(
            self.server.base_url,
            previous,
            folder,
            request=request,
            credentials=None,
            progress=NoProgress(),
            clock=SystemClock(),
            sleep=self.sleep,
            monotonic=self.monotonic,
            **more,  # type: ignore[arg-type]
        )
        return folder, report

    def kick_offs(self) -> list[str]:
        """The exports that the server was asked for, by method and query."""
        asked = [seen for seen in self.server.requests if "$export" in seen.path]
        return [f"{seen.method} {seen.path.partition('$export')[2]}" for seen in asked]
