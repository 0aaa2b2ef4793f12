"""A FHIR server over a folder of NDJSON files, made to be exported from and to go wrong on request.

HL7 Bulk Data Access IG 2.0 with what 3.0 and STU4 add, SMART Backend Services, and plain FHIR reads and
searches. :class:`Faults` holds every fault as a switch; README.md documents the server as a test server.
"""

from medcairn.synthetic.server.app import create_app
from medcairn.synthetic.server.faults import ALWAYS, NO_FAULTS, Faults, Gzip, KickOffBy, Phase, Redirect
from medcairn.synthetic.server.requests import Asked
from medcairn.synthetic.server.running import HospitalServer
from medcairn.synthetic.server.switches import Switch, read_faults, switches

__all__ = [
    "ALWAYS",
    "NO_FAULTS",
    "Asked",
    "Faults",
    "Gzip",
    "HospitalServer",
    "KickOffBy",
    "Phase",
    "Redirect",
    "Switch",
    "create_app",
    "read_faults",
    "switches",
]
