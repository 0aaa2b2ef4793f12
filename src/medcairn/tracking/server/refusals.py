"""Refusals, in the form in which MLflow's clients expect errors: ``{"error_code": …, "message": …}``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from enum import StrEnum

from starlette.responses import Response

from medcairn.core.canonical import JSON
from medcairn.core.errors import PolicyError
from medcairn.phi import PhiFinding

MOST_FINDINGS = 20
"""So many findings are named in an answer and in the ledger; the rest are counted."""

_CODES = {
    400: "INVALID_PARAMETER_VALUE",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "ENDPOINT_NOT_FOUND",
    413: "RESOURCE_EXHAUSTED",
    415: "BAD_REQUEST",
    500: "INTERNAL_ERROR",
    503: "TEMPORARILY_UNAVAILABLE",
}


class Check(StrEnum):
    """Which check refused."""

    AUTHENTICATION = "authentication"
    ROUTE = "route"
    ROLE = "role"
    DEPARTMENT = "department"
    SIGNED_VERSION = "signed_version"
    PHI = "phi"
    ARTIFACT = "artifact"
    FORM = "form"
    SIZE = "size"
    LOCATION = "location"
    GUARD_FAILED = "guard_failed"
    AUDIT_FAILED = "audit_failed"


class RequestRefused(PolicyError):
    """A request that MLflow never sees. ``message`` is constant text, and so the caller may read it."""

    code = "request_refused"

    def __init__(
        self, status: int, check: Check, message: str, *, findings: Sequence[PhiFinding] = ()
    ) -> None:
        super().__init__(message, status=status, check=check)
        self.status, self.check, self.findings = status, check, tuple(findings)

    def record(self) -> dict[str, JSON]:
        """What the ledger keeps: the check, and for findings their fields and classes."""
        record: dict[str, JSON] = {"check": self.check.value}
        if self.findings:
            record["findings"] = [*_named(self.findings)]
            record["found"] = len(self.findings)
        return record

    def response(self) -> Response:
        message = self.message
        if self.findings:
            shown = ", ".join(
                f"{finding.location} ({finding.phi_class.value})" for finding in self.findings[:MOST_FINDINGS]
            )
            message = f"{message}: {shown}"
        body: dict[str, object] = {"error_code": _CODES[self.status], "message": message}
        if self.findings:
            body["findings"] = _named(self.findings)
        headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
        if self.status == 401:
            headers["WWW-Authenticate"] = 'Basic realm="mlflow"'
        if self.status in (401, 413):
            headers["Connection"] = "close"  # a body may be left unread
        return Response(json.dumps(body), self.status, headers, media_type="application/json")


def _named(findings: Sequence[PhiFinding]) -> list[dict[str, JSON]]:
    return [
        {"field": str(finding.location), "class": finding.phi_class.value}
        for finding in findings[:MOST_FINDINGS]
    ]


__all__ = ["MOST_FINDINGS", "Check", "RequestRefused"]
