"""The embedded engine by its short name; see :mod:`medcairn.lakehouse.engines`."""

from medcairn.lakehouse.engines.duckdb import MEMORY_LIMIT, THREADS, Engine, Row
from medcairn.lakehouse.views.runner import ViewRunner

__all__ = ["MEMORY_LIMIT", "THREADS", "Engine", "Row", "ViewRunner"]
