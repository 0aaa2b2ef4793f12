"""Attachments on request: what exported resources point to, fetched and named by content."""

from medcairn.export.attachments.outcome import Missing
from medcairn.export.attachments.report import AttachmentReport
from medcairn.export.attachments.run import FOLDER, INDEX_FILE, MOST_BYTES, fetch_attachments

__all__ = ["FOLDER", "INDEX_FILE", "MOST_BYTES", "AttachmentReport", "Missing", "fetch_attachments"]
