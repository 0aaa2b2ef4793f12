"""The audit report of a model version, out of the ledger's records: identification, algorithm, data,
performance, validation, history, change control, approvals, use, and the trail behind every statement."""

from medcairn.pipeline.fda_audit.generator import ComplianceReportGenerator

__all__ = ["ComplianceReportGenerator"]
