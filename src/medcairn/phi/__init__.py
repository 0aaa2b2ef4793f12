"""The PHI guard's detectors: identifiers in text, in JSON and in artifacts, told without their values.

See ``README.md`` here for what is found, and what is missed by design.
"""

from medcairn.phi.detector import PhiDetector
from medcairn.phi.findings import PhiClass, PhiFinding

__all__ = ["PhiClass", "PhiDetector", "PhiFinding"]
