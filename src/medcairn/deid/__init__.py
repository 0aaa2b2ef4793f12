"""De-identification: an allow-list compiled to typed decoders, and a leak scan that tests each run.

:func:`deidentify` writes what the policy lists; :func:`scan` searches the output for the source's own
identifiers. See ``README.md`` here for what is read, written and refused.
"""

from medcairn.deid.crosswalk import (
    CrosswalkReport,
    CrosswalkRun,
    HmacPlan,
    KeyRun,
    PseudonymPlan,
    Source,
    hold_crosswalk,
    lookup,
)
from medcairn.deid.key_history import KeyHistory, read_key_history, write_key_history
from medcairn.deid.keys import KeySource, Pseudonyms, key_id, load_key, new_key, read_key
from medcairn.deid.leaks import LeakClass, LeakHit, ScanReport, scan
from medcairn.deid.policy import Policy, read_policy, safe_harbor
from medcairn.deid.report import DeidReport
from medcairn.deid.stage import MODES, QUARANTINE, deidentify

__all__ = [
    "MODES",
    "QUARANTINE",
    "CrosswalkReport",
    "CrosswalkRun",
    "DeidReport",
    "HmacPlan",
    "KeyHistory",
    "KeyRun",
    "KeySource",
    "LeakClass",
    "LeakHit",
    "Policy",
    "PseudonymPlan",
    "Pseudonyms",
    "ScanReport",
    "Source",
    "deidentify",
    "hold_crosswalk",
    "key_id",
    "load_key",
    "lookup",
    "new_key",
    "read_key",
    "read_key_history",
    "read_policy",
    "safe_harbor",
    "scan",
    "write_key_history",
]
