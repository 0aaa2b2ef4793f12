"""The ledger in FHIR R4: AuditEvent and Provenance."""

from medcairn.audit.export.fhir.audit_event import audit_event
from medcairn.audit.export.fhir.bundles import write_fhir
from medcairn.audit.export.fhir.provenance import provenance

__all__ = ["audit_event", "provenance", "write_fhir"]
