"""Bronze: every version of every resource whole, in one append-only Delta table a type."""

from medcairn.lakehouse.bronze.build import build_bronze
from medcairn.lakehouse.bronze.report import BronzeReport
from medcairn.lakehouse.bronze.rows import (
    bronze_files,
    bronze_load,
    bronze_rows,
    bronze_types,
    changed_since,
    several_versions,
)
from medcairn.lakehouse.bronze.schema import SCHEMA, TABLE_SCHEMA, instant_us, version_key, version_number
from medcairn.lakehouse.bronze.source import open_resources, source_files

__all__ = [
    "SCHEMA",
    "TABLE_SCHEMA",
    "BronzeReport",
    "bronze_files",
    "bronze_load",
    "bronze_rows",
    "bronze_types",
    "build_bronze",
    "changed_since",
    "instant_us",
    "open_resources",
    "several_versions",
    "source_files",
    "version_key",
    "version_number",
]
