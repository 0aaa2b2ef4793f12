"""How each engine writes what the typed tree means."""

from medcairn.lakehouse.views.dialects.dialect import Dialect
from medcairn.lakehouse.views.dialects.duckdb import DuckDb
from medcairn.lakehouse.views.dialects.spark import Spark

__all__ = ["Dialect", "DuckDb", "Spark"]
