"""A lake made of a few resources, for the lakehouse's tests."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from medcairn.core.delta import read_delta
from medcairn.lakehouse import SILVER_TABLES, BronzeReport, SilverReport, build_bronze, build_silver

Resource = Mapping[str, Any]


class Lake:
    """A bronze and silver lake in a folder."""

    def __init__(self, folder: Path) -> None:
        self.source, self.bronze, self.silver = folder / "deid", folder / "bronze", folder / "silver"
        for path in (self.source, self.bronze, self.silver):
            path.mkdir()

    def write(self, *resources: Resource) -> None:
        """Write resources into one file per type, as de-identification leaves them."""
        for resource in resources:
            with (self.source / f"{resource['resourceType']}.000.ndjson").open("a", encoding="utf-8") as file:
                file.write(json.dumps(resource) + "\n")

    def build(self, *resources: Resource) -> tuple[BronzeReport, SilverReport]:
        """Write resources and build both layers."""
        self.write(*resources)
        return build_bronze(self.source, self.bronze), build_silver(self.bronze, self.silver)

    def table(self, name: str) -> pa.Table:
        """A silver table."""
        return read_delta(self.silver / name)

    def rows(self, name: str) -> list[dict[str, Any]]:
        """A silver table as rows; times as ISO text."""
        table = self.table(name)
        assert table.schema.names == SILVER_TABLES[name].schema.names
        assert table.schema.equals(SILVER_TABLES[name].schema)
        return rows_of(table)

    def row(self, name: str) -> dict[str, Any]:
        """The only row of a silver table."""
        rows = self.rows(name)
        assert len(rows) == 1
        return rows[0]

    def quarantine(self) -> list[tuple[str, str, str, int]]:
        """(table, reason, file, line) of silver's quarantine."""
        path = self.silver / "quarantine.parquet"
        rows = pq.read_table(path).to_pylist() if path.is_file() else []
        return [(r["table"], r["reason"], r["source_file"], r["source_line"]) for r in rows]


def rows_of(table: pa.Table) -> list[dict[str, Any]]:
    """Rows with times as ISO text."""
    return [
        {name: value.isoformat() if hasattr(value, "isoformat") else value for name, value in row.items()}
        for row in table.to_pylist()
    ]
