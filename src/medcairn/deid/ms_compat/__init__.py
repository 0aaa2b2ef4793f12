"""Microsoft's FHIR anonymizer configurations, run here: compatible with that tool, not Safe Harbor.

See ``README.md`` here for what is reproduced, and where this differs on purpose.
"""

from medcairn.deid.ms_compat.configuration import DateShiftScope, MsConfiguration, Parameters
from medcairn.deid.ms_compat.engine import MsEngine, anonymize
from medcairn.deid.ms_compat.folder import ms_compat_folder
from medcairn.deid.ms_compat.report import MODE, STATEMENT, MsCompatReport

__all__ = [
    "MODE",
    "STATEMENT",
    "DateShiftScope",
    "MsCompatReport",
    "MsConfiguration",
    "MsEngine",
    "Parameters",
    "anonymize",
    "ms_compat_folder",
]
