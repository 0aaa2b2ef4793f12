"""Stage 8, monitoring: a window of predictions against the reference rows."""

from medcairn.monitoring.report import FeatureChange, Finding, MonitoringReport, Status, Volume
from medcairn.monitoring.stability import psi
from medcairn.monitoring.window import compare_tables, monitor

__all__ = [
    "FeatureChange",
    "Finding",
    "MonitoringReport",
    "Status",
    "Volume",
    "compare_tables",
    "monitor",
    "psi",
]
