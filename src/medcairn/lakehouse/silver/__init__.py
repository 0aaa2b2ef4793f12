"""Silver: typed tables of clinical facts, from ViewDefinitions and one SQL step a table."""

from medcairn.lakehouse.silver.batch import SilverReport, build_silver
from medcairn.lakehouse.silver.memory import silver_from_resources
from medcairn.lakehouse.silver.tables import SILVER_TABLES, SilverTable

__all__ = ["SILVER_TABLES", "SilverReport", "SilverTable", "build_silver", "silver_from_resources"]
