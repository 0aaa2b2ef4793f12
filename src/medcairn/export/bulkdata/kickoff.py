"""The kick-off: an export is asked for, in the way that the server understands."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode, urljoin

import msgspec

from medcairn.core.errors import ExternalError, MedcairnError
from medcairn.export.bulkdata.event_log import Capability, EventLog
from medcairn.export.bulkdata.http import ATTEMPTS, PATIENT_ATTEMPTS, Answer, HttpClient
from medcairn.export.bulkdata.origins import check_target
from medcairn.export.bulkdata.outcomes import remarks_of
from medcairn.export.bulkdata.request import BulkRequest, Method

_HINTS: Final = {
    401: "Give --client-id and --key, and check that the client is registered",
    403: "Check that the client is registered for system/*.read",
    404: "Check the base URL and the group, and that the server offers Bulk Data export",
    405: "The server does not take an export that is asked for in this way",
}


@dataclass(frozen=True)
class KickOff:
    """Starts one export at the server below ``base``. ``remark`` hears what the server says if it refuses."""

    client: HttpClient
    base: str
    request: BulkRequest
    log: EventLog
    remark: Callable[[str], None]

    def start(self) -> str:
        """Start an export; the address of its status.

        A list that is refused (400, 422) is asked for once more without commas, as STU4 has it; a GET that is
        not allowed (405) is asked for once more as a POST.

        Raises :class:`ExternalError` when the server refuses.
        """
        method, repeated = self.request.first_method, self.request.lists == "repeated"
        capability = self._capability()
        while True:
            url, answer = self._ask(method, repeated)
            self.log.kickoff(url, self.request, answer, capability)
            location = answer.headers.get("content-location")
            if answer.status in (200, 202) and location:
                return self._status_url(url, location)
            if answer.status == 405 and method == "GET" and self.request.method is None:
                method = "POST"
            elif answer.status in (400, 422) and not repeated and self._may_repeat():
                repeated = True
            else:
                raise self._refusal(answer)

    def _may_repeat(self) -> bool:
        return self.request.lists == "auto" and self.request.has_lists

    def _ask(self, method: Method, repeated: bool) -> tuple[str, Answer]:
        url = f"{self.base}/{self.request.operation}"
        headers = {"Accept": "application/fhir+json", "Prefer": "respond-async"}
        body = None
        if method == "POST":
            headers["Content-Type"] = "application/fhir+json"
            body = self.request.body(repeated=repeated)
        else:
            query = urlencode(self.request.parameters(repeated=repeated))
            url += f"?{query}" if query else ""
        # A server that is busy with an earlier export may say so for long. A kick-off without an answer may
        # have begun an export, so that is not tried without end.
        answer = self.client.ask(
            method,
            url,
            authorize=True,
            headers=headers,
            body=body,
            attempts=PATIENT_ATTEMPTS,
            attempts_when_lost=ATTEMPTS,
        )
        return url, answer

    def _status_url(self, url: str, location: str) -> str:
        status_url: str | None = None
        with suppress(ValueError):
            status_url = urljoin(url, location)
        if status_url is None:
            raise ExternalError("The server gave an address that is no URL", server=self.client.home.label)
        check_target(status_url, self.client.home)
        return status_url

    def _refusal(self, answer: Answer) -> ExternalError:
        for text in remarks_of(answer.body):
            self.remark(text)
        return ExternalError(
            "The server refused to start an export",
            hint=_HINTS.get(answer.status, "Check the types, times and filters asked for"),
            server=self.client.home.label,
            status=answer.status,
        )

    def _capability(self) -> Capability:
        """What the server says of itself, for the log alone; nothing when it does not."""
        headers = {"Accept": "application/fhir+json"}
        with suppress(MedcairnError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            answer = self.client.ask("GET", f"{self.base}/metadata", headers=headers, attempts=1)
            if answer.status == 200:
                return msgspec.json.decode(answer.body, type=Capability)
        return Capability()


__all__ = ["KickOff"]
