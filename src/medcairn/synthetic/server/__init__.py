"""A FHIR server over a folder of NDJSON files: Bulk Data export behind SMART Backend Services.

Follows HL7 Bulk Data Access IG 2.0 and SMART App Launch 2.0 (backend services) where it says so; it is made
to be exported from, by demonstrations and tests, and reads no single resource.
"""

from medcairn.synthetic.server.app import create_app
from medcairn.synthetic.server.running import HospitalServer

__all__ = ["HospitalServer", "create_app"]
