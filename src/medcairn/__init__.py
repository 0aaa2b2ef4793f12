"""medcairn: from FHIR export to a monitored clinical model, with one trail that anyone can check.

The names below are the surface for programs; ``docs/python.md`` shows each at work. They are loaded when they
are first asked for, so that ``import medcairn`` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from medcairn.pipeline.audit_logger import AuditLogger
    from medcairn.pipeline.electronic_signature import ElectronicSignature
    from medcairn.pipeline.fda_audit import ComplianceReportGenerator
    from medcairn.pipeline.model_registry import ModelRegistry

__version__ = version("medcairn")

_FOUND_IN = {
    "AuditLogger": "medcairn.pipeline.audit_logger",
    "ComplianceReportGenerator": "medcairn.pipeline.fda_audit",
    "ElectronicSignature": "medcairn.pipeline.electronic_signature",
    "ModelRegistry": "medcairn.pipeline.model_registry",
}


def __getattr__(name: str) -> object:
    if name not in _FOUND_IN:
        raise AttributeError(f"medcairn has no attribute {name!r}")
    return getattr(import_module(_FOUND_IN[name]), name)


__all__ = [
    "AuditLogger",
    "ComplianceReportGenerator",
    "ElectronicSignature",
    "ModelRegistry",
    "__version__",
]
