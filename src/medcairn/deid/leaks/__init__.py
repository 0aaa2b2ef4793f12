"""The leak scan: harvest the source's own identifiers, search the output for them."""

from medcairn.deid.leaks.report import LeakClass, LeakHit, ScanReport, Unsearched
from medcairn.deid.leaks.scan import scan

__all__ = ["LeakClass", "LeakHit", "ScanReport", "Unsearched", "scan"]
