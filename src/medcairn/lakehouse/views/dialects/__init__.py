"""How each engine writes what the typed tree means."""

from medcairn.lakehouse.views.dialects.dialect import Dialect
from medcairn.lakehouse.views.dialects.duckdb import DuckDb

__all__ = ["Dialect", "DuckDb"]
