"""Gold and normalized tables: what dashboards and older pipelines read, on DuckDB and Spark alike."""

from medcairn.lakehouse.gold.build import INDEX_SCHEMA, GoldReport, build_gold_tables
from medcairn.lakehouse.gold.dialects import DUCKDB, SPARK, Dialect
from medcairn.lakehouse.gold.rules import Rules, parse_rules, read_rules, shipped_rules
from medcairn.lakehouse.gold.statements import normalized_view
from medcairn.lakehouse.gold.tables import ALL_TABLES, GOLD_TABLES, NORMALIZED_TABLES, GoldTable

__all__ = [
    "ALL_TABLES",
    "DUCKDB",
    "GOLD_TABLES",
    "INDEX_SCHEMA",
    "NORMALIZED_TABLES",
    "SPARK",
    "Dialect",
    "GoldReport",
    "GoldTable",
    "Rules",
    "build_gold_tables",
    "normalized_view",
    "parse_rules",
    "read_rules",
    "shipped_rules",
]
