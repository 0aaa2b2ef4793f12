"""Writes a life down as FHIR R4 resources (US Core), one NDJSON line each.

Lines are assembled from ready-made fragments: that is what makes it fast. Every text that goes into a line
comes from this package's tables and needs no escaping.
"""

from medcairn.synthetic.charts.chart import Chart
from medcairn.synthetic.charts.write import write_chart

__all__ = ["Chart", "write_chart"]
