"""The resource types of FHIR R4 as labels.

A type names a file and appears in reports, so only text that is known to be a type may pass for one:
a patient's name in ``resourceType`` must not become a file name.
"""

from __future__ import annotations

from typing import Final

from medcairn.core.labels import Label
from medcairn.core.r4 import resource_types

RESOURCE_TYPES: Final[dict[str, Label]] = {name: Label(name) for name in sorted(resource_types())}
"""Every R4 resource type, as the label that reports and file names use."""

__all__ = ["RESOURCE_TYPES"]
