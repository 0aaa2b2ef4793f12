"""Lakehouse: de-identified NDJSON to bronze (whole resources) and silver (typed clinical facts) in Delta."""

from medcairn.lakehouse.bronze import BronzeReport, build_bronze
from medcairn.lakehouse.silver import SILVER_TABLES, SilverReport, build_silver, silver_from_resources

__all__ = [
    "SILVER_TABLES",
    "BronzeReport",
    "SilverReport",
    "build_bronze",
    "build_silver",
    "silver_from_resources",
]
