"""A bronze lake and the folders that are loaded into it, for the tests of bronze and of maintenance."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from medcairn.core.delta import read_delta
from medcairn.lakehouse.bronze import SCHEMA, BronzeReport, build_bronze

FIRST_DAY = datetime(2026, 3, 1, 12, 30, 15, 250_000, tzinfo=UTC)
Resource = Mapping[str, Any]


def patient(
    resource_id: str, *, version: str | None = None, updated: str | None = None, **members: Any
) -> Resource:
    """A Patient, whose ``meta`` has what is given."""
    meta = {"versionId": version, "lastUpdated": updated}
    filled = {name: value for name, value in meta.items() if value is not None}
    return {"resourceType": "Patient", "id": resource_id, **({"meta": filled} if filled else {}), **members}


def deletion(url: str, *, time: str | None = None, method: str = "DELETE") -> Resource:
    """A Bulk Data deletion: a transaction Bundle with one entry."""
    entry: dict[str, Any] = {"request": {"method": method, "url": url}}
    if time is not None:
        entry["response"] = {"status": "204", "lastModified": time}
    return {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}


class BronzeFolder:
    """Loads one source after another into one lake; each load is a day later than the last."""

    def __init__(self, folder: Path) -> None:
        self.source, self.bronze, self.loads = folder / "deid", folder / "bronze", 0

    def load(
        self,
        *resources: Resource,
        deleted: Sequence[Resource] = (),
        complete: bool = True,
        processes: int = 1,
    ) -> BronzeReport:
        """Replace the source by ``resources``, in this order, and load it."""
        shutil.rmtree(self.source, ignore_errors=True)
        self.source.mkdir(parents=True)
        for resource in resources:
            self.write(f"{resource['resourceType']}.000.ndjson", json.dumps(resource))
        for bundle in deleted:
            self.write("deletions/0.ndjson", json.dumps(bundle))
        return self.again(complete=complete, processes=processes)

    def write(self, name: str, line: str | bytes) -> None:
        """Append a line to a file of the source."""
        file = self.source / name
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("ab") as stream:
            stream.write((line.encode() if isinstance(line, str) else line) + b"\n")

    def again(self, *, complete: bool = True, processes: int = 1) -> BronzeReport:
        """Load the source as it lies there."""
        self.loads += 1
        when = FIRST_DAY + timedelta(days=self.loads - 1)
        return build_bronze(
            self.source, self.bronze, ingested_at=when, complete=complete, processes=processes
        )

    def table(self, resource_type: str = "Patient", *, version: int | None = None) -> pa.Table:
        """A table of the lake."""
        return read_delta(self.bronze / resource_type, SCHEMA.names, version=version)

    def history(self, resource_id: str, resource_type: str = "Patient") -> list[str]:
        """The rows of one id in order of ingestion, as ``load.life.version`` or ``load.life.gone``."""
        rows = sorted(
            (row for row in self.table(resource_type).to_pylist() if row["id"] == resource_id),
            key=lambda row: row["sequence"],
        )
        assert [row["sequence"] for row in rows] == list(range(1, len(rows) + 1))
        told = [(r["load"], r["life"], "gone" if r["deleted"] else r["version_id"] or "-") for r in rows]
        return [f"{load}.{life}.{what}" for load, life, what in told]

    def files(self) -> dict[str, bytes]:
        """Every file of the lake with its bytes."""
        return {
            path.relative_to(self.bronze).as_posix(): path.read_bytes()
            for path in sorted(self.bronze.rglob("*"))
            if path.is_file()
        }
