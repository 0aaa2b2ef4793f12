"""The engines that run SQL over resources and tables: DuckDB embedded, Spark on a session."""

from medcairn.lakehouse.engines.seam import EngineName, Row, ViewEngine, view_engine

__all__ = ["EngineName", "Row", "ViewEngine", "view_engine"]
