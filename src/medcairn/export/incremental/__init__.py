"""An export that builds on the last one, so that a hospital's server is asked only for what changed."""

from medcairn.export.incremental.report import FullBecause, IncrementalReport
from medcairn.export.incremental.run import export_incremental
from medcairn.export.incremental.state import STATE_FILE, ExportState, read_state

__all__ = [
    "STATE_FILE",
    "ExportState",
    "FullBecause",
    "IncrementalReport",
    "export_incremental",
    "read_state",
]
