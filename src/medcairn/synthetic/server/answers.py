"""What the server says: FHIR JSON, OperationOutcome for refusals, and streamed files."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from medcairn.core.canonical import JSON

FHIR_JSON = "application/fhir+json"
FHIR_NDJSON = "application/fhir+ndjson"
_BLOCK_BYTES = 256 * 1024


class Refused(HTTPException):
    """A request that is answered with an OperationOutcome. ``text`` is constant; ``code`` an IssueType."""

    def __init__(
        self, status: int, code: str, text: str, *, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(status, detail=text, headers=headers)
        self.issue_code = code


def fhir(
    value: Mapping[str, JSON], *, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """``value`` as ``application/fhir+json``."""
    return Response(json.dumps(value), status_code=status, media_type=FHIR_JSON, headers=dict(headers or {}))


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


def file_answer(path: Path, start: int, stop: int, *, gzip: bool) -> Response:
    """Bytes ``start`` to ``stop`` of a file as NDJSON, streamed."""
    if gzip:
        headers = {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
        return StreamingResponse(
            _gzipped(_blocks(path, start, stop)), media_type=FHIR_NDJSON, headers=headers
        )
    headers = {"Content-Length": str(stop - start), "Vary": "Accept-Encoding"}
    return StreamingResponse(_blocks(path, start, stop), media_type=FHIR_NDJSON, headers=headers)


def accepts_gzip(request: Request) -> bool:
    """Whether ``Accept-Encoding`` names gzip and does not refuse it."""
    for item in request.headers.get("accept-encoding", "").split(","):
        name, _, weight = item.partition(";")
        if name.strip().lower() == "gzip":
            return weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False


def _blocks(path: Path, start: int, stop: int) -> Iterator[bytes]:
    with path.open("rb") as stream:
        stream.seek(start)
        left = stop - start
        while left > 0 and (block := stream.read(min(_BLOCK_BYTES, left))):
            left -= len(block)
            yield block


def _gzipped(blocks: Iterator[bytes]) -> Iterator[bytes]:
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    for block in blocks:
        if packed := packer.compress(block):
            yield packed
    yield packer.flush()


__all__ = ["FHIR_JSON", "FHIR_NDJSON", "Refused", "accepts_gzip", "fhir", "file_answer", "outcome", "refusal"]
