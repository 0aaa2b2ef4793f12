"""What the server says: FHIR JSON, and an OperationOutcome for what it refuses."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from medcairn.core.canonical import JSON

FHIR_JSON = "application/fhir+json"
FHIR_NDJSON = "application/fhir+ndjson"
_CHARSET = "; charset=utf-8"


class Refused(HTTPException):
    """A request that is answered with an OperationOutcome. ``text`` is constant; ``code`` an IssueType."""

    def __init__(
        self, status: int, code: str, text: str, *, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(status, detail=text, headers=headers)
        self.issue_code = code


def fhir(
    value: Mapping[str, object] | msgspec.Raw, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """``value`` as ``application/fhir+json``."""
    body = msgspec.json.encode(value)
    return Response(body, status, dict(headers or {}), media_type=FHIR_JSON + _CHARSET)


def html_page(status: int, headers: Mapping[str, str] | None = None) -> Response:
    """An error as infrastructure that knows no FHIR tells it."""
    page = f"<!DOCTYPE html><html><title>{status}</title><body><h1>Error {status}</h1></body></html>"
    return HTMLResponse(page, status, dict(headers or {}))


def outcome(code: str, text: str, *, severity: str = "error") -> dict[str, JSON]:
    """An OperationOutcome with one issue."""
    return {
        "resourceType": "OperationOutcome",
        "issue": [{"severity": severity, "code": code, "diagnostics": text}],
    }


def refusal(_request: Request, failure: Exception) -> Response:
    """The answer to a request that was refused, by us or by the router."""
    if isinstance(failure, Refused):
        body = outcome(failure.issue_code, failure.detail)
        return fhir(body, status=failure.status_code, headers=failure.headers)
    status = failure.status_code if isinstance(failure, HTTPException) else 500
    headers = failure.headers if isinstance(failure, HTTPException) else None
    known = {
        404: ("not-found", "There is nothing here"),
        405: ("not-supported", "This method is not supported here"),
    }
    code, text = known.get(status, ("exception", "The server could not answer"))
    return fhir(outcome(code, text), status=status, headers=headers)


async def limited_body(request: Request, most_bytes: int) -> bytes:
    """The body of a request. Raises :class:`Refused` (413) when it is longer than it may be."""
    body = bytearray()
    async for block in request.stream():
        body += block
        if len(body) > most_bytes:
            raise Refused(413, "too-long", "The request is too long")
    return bytes(body)


def accepts_gzip(request: Request) -> bool:
    """Whether ``Accept-Encoding`` names gzip and does not refuse it."""
    for item in request.headers.get("accept-encoding", "").split(","):
        name, _, weight = item.partition(";")
        if name.strip().lower() == "gzip":
            return weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False


__all__ = [
    "FHIR_JSON",
    "FHIR_NDJSON",
    "Refused",
    "accepts_gzip",
    "fhir",
    "html_page",
    "limited_body",
    "outcome",
    "refusal",
]
