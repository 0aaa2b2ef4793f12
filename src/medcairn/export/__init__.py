"""Stage 1: from a FHIR server or landed files to verified NDJSON in the PHI zone."""

from medcairn.export.attachments import AttachmentReport, fetch_attachments
from medcairn.export.bulkdata.request import BulkRequest, Level
from medcairn.export.credentials import (
    Algorithm,
    Credentials,
    SecretCredentials,
    SmartCredentials,
    credentials_of,
    load_credentials,
    load_secret,
    new_client_key,
    public_jwks,
)
from medcairn.export.incremental import IncrementalReport, export_incremental
from medcairn.export.ndjson import Fault
from medcairn.export.report import ExportedFile, ExportReport, Located
from medcairn.export.sources.archives import ArchiveLimits
from medcairn.export.sources.bulk import export_bulk
from medcairn.export.sources.files import export_files
from medcairn.export.sources.landed_report import LandedReport
from medcairn.export.sources.objects import StoreAccess, export_objects
from medcairn.export.sources.search import SearchReport, SearchRequest, export_search

__all__ = [
    "Algorithm",
    "ArchiveLimits",
    "AttachmentReport",
    "BulkRequest",
    "Credentials",
    "ExportReport",
    "ExportedFile",
    "Fault",
    "IncrementalReport",
    "LandedReport",
    "Level",
    "Located",
    "SearchReport",
    "SearchRequest",
    "SecretCredentials",
    "SmartCredentials",
    "StoreAccess",
    "credentials_of",
    "export_bulk",
    "export_files",
    "export_incremental",
    "export_objects",
    "export_search",
    "fetch_attachments",
    "load_credentials",
    "load_secret",
    "new_client_key",
    "public_jwks",
]
