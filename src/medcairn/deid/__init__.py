"""De-identification: an allow-list compiled to typed decoders, and a leak scan that tests each run.

:func:`deidentify` writes what the policy lists; :func:`scan` searches the output for the source's own
identifiers. See ``README.md`` here for what is read, written and refused.
"""

from medcairn.deid.keys import Pseudonyms, new_key, read_key
from medcairn.deid.leaks import LeakClass, LeakHit, ScanReport, scan
from medcairn.deid.policy import Policy, safe_harbor
from medcairn.deid.report import DeidReport
from medcairn.deid.stage import MODES, QUARANTINE, deidentify

__all__ = [
    "Pseudonyms",
    "MODES",
    "QUARANTINE",
    "DeidReport",
    "LeakClass",
    "LeakHit",
    "Policy",
    "ScanReport",
    "deidentify",
    "new_key",
    "read_key",
    "safe_harbor",
    "scan",
]
