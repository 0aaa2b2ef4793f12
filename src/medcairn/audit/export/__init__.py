"""The ledger for others: an audit package, FHIR R4, OpenLineage."""

from medcairn.audit.export.about import ledger_key, ledger_origin
from medcairn.audit.export.fhir import write_fhir
from medcairn.audit.export.openlineage import write_openlineage
from medcairn.audit.export.package import STAMPS, PackageReport, write_package
from medcairn.audit.export.summary import AuditSummary, summarise

__all__ = [
    "STAMPS",
    "AuditSummary",
    "PackageReport",
    "ledger_key",
    "ledger_origin",
    "summarise",
    "write_fhir",
    "write_openlineage",
    "write_package",
]
