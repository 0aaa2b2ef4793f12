"""Stage 1: from a FHIR server or landed files to verified NDJSON in the PHI zone."""

from medcairn.export.bulkdata.request import BulkRequest, Level
from medcairn.export.credentials import (
    Algorithm,
    SmartCredentials,
    credentials_of,
    load_credentials,
    new_client_key,
    public_jwks,
)
from medcairn.export.ndjson import Fault
from medcairn.export.report import ExportedFile, ExportReport, Located
from medcairn.export.sources.bulk import export_bulk
from medcairn.export.sources.files import export_files

__all__ = [
    "Algorithm",
    "BulkRequest",
    "ExportReport",
    "ExportedFile",
    "Fault",
    "Level",
    "Located",
    "SmartCredentials",
    "credentials_of",
    "export_bulk",
    "export_files",
    "load_credentials",
    "new_client_key",
    "public_jwks",
]
