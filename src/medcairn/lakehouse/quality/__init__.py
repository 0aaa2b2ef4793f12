"""Data quality: what a silver folder holds, lacks and could not use, as JSON and as a page."""

from medcairn.lakehouse.quality.assess import assess_quality
from medcairn.lakehouse.quality.page import quality_page, write_quality_page
from medcairn.lakehouse.quality.report import QualityReport

__all__ = ["QualityReport", "assess_quality", "quality_page", "write_quality_page"]
