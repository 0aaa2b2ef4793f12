"""A lake made of a few resources, for the lakehouse's tests."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from medcairn.core.delta import read_delta
from medcairn.core.silver import SILVER_SCHEMAS
from medcairn.lakehouse import BronzeReport, SilverReport, build_bronze, build_silver

Resource = Mapping[str, Any]

FIRST_LOAD = datetime(2025, 7, 1, tzinfo=UTC)


class Lake:
    """A bronze and silver lake in a folder."""

    def __init__(self, folder: Path) -> None:
        self.source, self.bronze, self.silver = folder / "deid", folder / "bronze", folder / "silver"
        self.loads = 0
        for path in (self.source, self.bronze, self.silver):
            path.mkdir(parents=True)

    def write(self, *resources: Resource) -> None:
        """Write resources into one file per type, as de-identification leaves them."""
        for resource in resources:
            with (self.source / f"{resource['resourceType']}.000.ndjson").open("a", encoding="utf-8") as file:
                file.write(json.dumps(resource) + "\n")

    def load(self, *resources: Resource, complete: bool = False) -> BronzeReport:
        """Load these resources, and nothing else. ``complete``: what is not among them was deleted."""
        for file in self.source.iterdir():
            file.unlink()
        self.write(*resources)
        return self.load_written(complete=complete)

    def load_written(self, *, complete: bool = True) -> BronzeReport:
        """Load what was written, on the next day."""
        day = FIRST_LOAD + timedelta(days=self.loads)
        self.loads += 1
        return build_bronze(self.source, self.bronze, ingested_at=day, complete=complete, processes=1)

    def refine(self, silver: Path | None = None) -> SilverReport:
        """Bring silver (or the one in that folder) up to date."""
        return build_silver(self.bronze, silver or self.silver, processes=1)

    def build(self, *resources: Resource) -> tuple[BronzeReport, SilverReport]:
        """Write resources and build both layers."""
        self.write(*resources)
        return self.load_written(), self.refine()

    def table(self, name: str) -> pa.Table:
        """A silver table."""
        return read_delta(self.silver / name)

    def rows(self, name: str) -> list[dict[str, Any]]:
        """A silver table as rows; times as ISO text."""
        table = self.table(name)
        assert table.schema.names == SILVER_SCHEMAS[name].names
        assert table.schema.equals(SILVER_SCHEMAS[name])
        return rows_of(table)

    def row(self, name: str) -> dict[str, Any]:
        """The only row of a silver table."""
        rows = self.rows(name)
        assert len(rows) == 1
        return rows[0]

    def quarantine(self) -> list[tuple[str, str, str, int, int | None]]:
        """(table, reason, id, version, component) of silver's quarantine, sorted."""
        columns = ("table", "reason", "id", "version", "component")
        rows = read_delta(self.silver / "quarantine").to_pylist()
        return sorted((tuple(row[name] for name in columns) for row in rows), key=repr)


def rows_of(table: pa.Table) -> list[dict[str, Any]]:
    """Rows with times as ISO text."""
    return [
        {name: value.isoformat() if hasattr(value, "isoformat") else value for name, value in row.items()}
        for row in table.to_pylist()
    ]
