"""``log.ndjson``: what an export did, in the form that the SMART Bulk Data client logs and dashboards read.

One JSON object a line, with ``exportId``, ``timestamp``, ``eventId`` and ``eventDetail``; the format is
described in the wiki of smart-on-fhir/bulk-data-client ("Bulk Data Export Log Items"). An export that was
cut off and goes on has the same ``exportId``.

The log lies in the PHI zone. Addresses are written without their query, which may be a signature, and with
the name of our file as fragment; of searches only the names; never a patient, a token or an assertion.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import msgspec

from medcairn.core.canonical import JSON
from medcairn.core.clock import Clock, instant
from medcairn.core.errors import MedcairnError
from medcairn.core.files import storage_errors
from medcairn.export.bulkdata.http import Answer
from medcairn.export.bulkdata.manifest import Listed, Page
from medcairn.export.bulkdata.outcomes import cleaned, remarks_of
from medcairn.export.bulkdata.request import BulkRequest
from medcairn.export.report import ExportedFile

EVENT_LOG: Final = "log.ndjson"
_HEADERS: Final = ("date", "server", "content-type", "request-id", "x-request-id", "x-correlation-id")
_MOST_REMARKS: Final = 5
_ITEM_TYPES: Final = {"output": "output", "organized": "output", "deleted": "deleted", "error": "error"}


class _Software(msgspec.Struct, rename="camel"):
    name: str | None = None
    version: str | None = None
    release_date: str | None = None


class Capability(msgspec.Struct, rename="camel"):
    """What a server's CapabilityStatement says of its software."""

    software: _Software | None = None
    fhir_version: str | None = None


class EventLog:
    """Appends events; thread-safe. A line that a crash cut short is cut off. ``redact`` hides tokens."""

    def __init__(self, path: Path, clock: Clock, redact: Callable[[str], str]) -> None:
        self._path, self._clock, self._redact = path, clock, redact
        self._lock = threading.Lock()
        self._descriptor: int | None = None
        self.export_id = ""

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._descriptor is not None:
                os.close(self._descriptor)
                self._descriptor = None

    def kickoff(self, url: str, request: BulkRequest, answer: Answer, capability: Capability) -> None:
        """The answer to a kick-off, whether it began an export or not."""
        refused = answer.status >= 400
        software = capability.software or _Software()
        self._write(
            "kickoff",
            {
                "exportUrl": _address(url),
                "errorCode": answer.status if refused else None,
                "errorBody": self._said(answer) if refused else None,
                "softwareName": self._text(software.name),
                "softwareVersion": self._text(software.version),
                "softwareReleaseDate": self._text(software.release_date),
                "fhirVersion": self._text(capability.fhir_version),
                "requestParameters": dict(request.loggable()),
                "responseHeaders": self._headers(answer.headers),
            },
        )

    def status_progress(self, answer: Answer) -> None:
        """The job is not done yet."""
        headers = answer.headers
        self._write(
            "status_progress",
            {
                "body": None,
                "xProgress": self._text(headers.get("x-progress")),
                "retryAfter": self._text(headers.get("retry-after")),
            },
        )

    def status_error(self, answer: Answer) -> None:
        """The job failed, or the server does not tell."""
        self._write(
            "status_error",
            {
                "body": self._said(answer),
                "code": answer.status,
                "message": "The server answered with an error",
                "responseHeaders": self._headers(answer.headers),
            },
        )

    def status_complete(self, transaction_time: str | None) -> None:
        """The job is done; its manifest follows."""
        self._write("status_complete", {"transactionTime": transaction_time})

    def pages_complete(self, transaction_time: str | None, pages: Sequence[Page]) -> None:
        """The pages of the manifest, and the whole."""
        for page in pages:
            self._write(
                "status_page_complete",
                {
                    "transactionTime": page.transaction_time,
                    "outputFileCount": page.outputs,
                    "deletedFileCount": page.deletions,
                    "errorFileCount": page.errors,
                },
            )
        self._write(
            "manifest_complete",
            {
                "transactionTime": transaction_time,
                "totalOutputFileCount": sum(page.outputs for page in pages),
                "totalDeletedFileCount": sum(page.deletions for page in pages),
                "totalErrorFileCount": sum(page.errors for page in pages),
                "totalManifests": len(pages),
            },
        )

    def download_request(self, listed: Listed) -> None:
        """A file is asked for."""
        self._write(
            "download_request",
            {
                "fileUrl": _address(listed.url, listed.path),
                "itemType": _ITEM_TYPES[listed.role],
                "resourceType": str(listed.resource_type),
            },
        )

    def download_complete(self, listed: Listed, file: ExportedFile) -> None:
        """A file is there, checked and durable."""
        self._write(
            "download_complete",
            {
                "fileUrl": _address(listed.url, listed.path),
                "resourceCount": file.lines,
                "fileSize": file.size,
            },
        )

    def download_error(self, listed: Listed, error: MedcairnError) -> None:
        """A file cannot be had. ``message`` is constant text of ours."""
        status = error.fields.get("status")
        self._write(
            "download_error",
            {
                "fileUrl": _address(listed.url, listed.path),
                "body": None,
                "code": status if isinstance(status, int) else None,
                "message": error.message,
                "responseHeaders": {},
            },
        )

    def export_complete(self, files: Sequence[ExportedFile], begun: datetime) -> None:
        """All files are there. ``duration`` is in milliseconds since the kick-off, interruptions included."""
        lasted = (self._clock.now() - begun).total_seconds()
        self._write(
            "export_complete",
            {
                "files": len(files),
                "resources": sum(file.lines for file in files),
                "bytes": sum(file.size for file in files),
                "attachments": 0,  # they are fetched after the export, by another call
                "duration": max(0, round(lasted * 1000)),
            },
        )

    def _write(self, event: str, detail: dict[str, JSON]) -> None:
        with self._lock, storage_errors():
            line = {
                "exportId": self.export_id,
                "timestamp": instant(self._clock.now()),
                "eventId": event,
                "eventDetail": detail,
            }
            if self._descriptor is None:
                self._descriptor = _opened(self._path)
            os.write(self._descriptor, json.dumps(line).encode() + b"\n")

    def _said(self, answer: Answer) -> str | None:
        """The text of an OperationOutcome; a page of HTML is told by its content type alone."""
        body = self._redact(
            answer.body.decode("utf-8", "replace")
        ).encode()  # before a cut could hide a token
        return " | ".join(remarks_of(body)[:_MOST_REMARKS]) or None

    def _text(self, text: str | None) -> str | None:
        return cleaned(self._redact(text)) if text is not None else None

    def _headers(self, headers: Mapping[str, str]) -> dict[str, JSON]:
        return {name: self._text(headers[name]) for name in _HEADERS if name in headers}


def _address(url: str, name: str = "") -> str:
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc, parts.path, "", name))


def _opened(path: Path) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    size = os.fstat(descriptor).st_size
    tail = os.pread(descriptor, 1 << 16, max(0, size - (1 << 16)))
    if tail and not tail.endswith(b"\n"):
        os.ftruncate(descriptor, size - len(tail) + tail.rfind(b"\n") + 1)
    return descriptor


__all__ = ["EVENT_LOG", "Capability", "EventLog"]
