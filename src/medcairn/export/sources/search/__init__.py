"""Plain FHIR search with paging, for servers without Bulk Data."""

from medcairn.export.sources.search.report import SearchReport
from medcairn.export.sources.search.request import SearchRequest
from medcairn.export.sources.search.run import export_search

__all__ = ["SearchReport", "SearchRequest", "export_search"]
