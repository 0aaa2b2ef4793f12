"""The handlers of plain FHIR: discovery, tokens, reading and searching resources."""

from __future__ import annotations

from urllib.parse import parse_qsl

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from medcairn.core.canonical import JSON
from medcairn.synthetic.server.answers import FHIR_JSON, Refused, fhir, limited_body
from medcairn.synthetic.server.attachments import by_url, find_binary
from medcairn.synthetic.server.capability import capability_statement, smart_configuration
from medcairn.synthetic.server.desk import Desk
from medcairn.synthetic.server.faults import Phase
from medcairn.synthetic.server.reading import read_search, search
from medcairn.synthetic.server.tokens import TokenRefused

_LARGEST_FORM_BYTES = 64 * 1024
_NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}


class ResourceRoutes:
    """The handlers of one server."""

    def __init__(self, desk: Desk, *, secrets: bool) -> None:
        self._desk, self._secrets = desk, secrets

    def table(self) -> list[Route]:
        return [
            Route("/metadata", self.metadata),
            Route("/.well-known/smart-configuration", self.smart_configuration),
            Route("/auth/token", self.token, methods=["POST"]),
            Route("/Group", self.groups),
            Route("/Group/{id}", self.group),
            Route("/Binary/{id}", self.binary),
            Route("/{type}", self.search),
            Route("/{type}/{id}", self.read),
        ]

    def metadata(self, request: Request) -> Response:
        """CapabilityStatement."""
        snapshot, desk = self._desk.records.snapshot(), self._desk
        bulk = not desk.faults.no_bulk
        base = desk.base(request)
        return fhir(capability_statement(snapshot, base, open_access=desk.open_access, bulk=bulk))

    def smart_configuration(self, request: Request) -> Response:
        """SMART's discovery document."""
        return JSONResponse(smart_configuration(self._desk.token_url(request), secrets=self._secrets))

    async def token(self, request: Request) -> Response:
        """OAuth 2.0 client credentials, with a signed assertion or a secret."""
        if error := self._desk.passing_error(request, Phase.TOKEN):
            return error
        body = await limited_body(request, _LARGEST_FORM_BYTES)
        return await run_in_threadpool(self._token, request, body)

    def _token(self, request: Request, body: bytes) -> Response:
        form = dict(parse_qsl(body.decode("utf-8", errors="replace")))
        authorization = request.headers.get("authorization", "")
        refused: TokenRefused | None = None
        try:
            token, grant, seconds = self._desk.office.issue(
                form, authorization, self._desk.token_url(request)
            )
        except TokenRefused as failure:
            refused = failure
        if refused is not None:
            status = 401 if refused.error == "invalid_client" else 400
            problem = {"error": refused.error, "error_description": refused.description}
            return JSONResponse(problem, status, _NO_STORE)
        answer = {"access_token": token, "token_type": "bearer", "expires_in": seconds, "scope": grant.scope}
        return JSONResponse(answer, headers=_NO_STORE)

    def group(self, request: Request) -> Response:
        """A Group resource with its members as they are now."""
        if error := self._desk.passing_error(request, Phase.READ):
            return error
        self._desk.authorised(request, "Group")
        snapshot, group = self._desk.records.snapshot(), request.path_params["id"]
        if not snapshot.has_group(group):
            raise Refused(404, "not-found", "There is no such group")
        return fhir(snapshot.group(group))

    def groups(self, request: Request) -> Response:
        """All groups, on one page."""
        if error := self._desk.passing_error(request, Phase.READ):
            return error
        self._desk.authorised(request, "Group")
        snapshot = self._desk.records.snapshot()
        found: list[JSON] = [{"resource": snapshot.group(group)} for group in snapshot.groups()]
        return fhir({"resourceType": "Bundle", "type": "searchset", "total": len(found), "entry": found})

    def binary(self, request: Request) -> Response:
        """An attachment: a Binary resource for those who accept FHIR JSON, else its bytes as they are."""
        if error := self._desk.passing_error(request, Phase.READ):
            return error
        if self._desk.files_need_token:
            self._desk.authorised(request, "Binary")
        binary_id = request.path_params["id"]
        found = find_binary(self._desk.records.snapshot(), binary_id)
        if found is None:
            raise Refused(404, "not-found", "There is no such Binary")
        if FHIR_JSON in request.headers.get("accept", ""):
            return fhir(found.binary(binary_id))
        return Response(found.data, headers={"Content-Type": found.content_type})

    def search(self, request: Request) -> Response:
        """Resources of one type, a page at a time."""
        if error := self._desk.passing_error(request, Phase.READ):
            return error
        resource_type = self._type(request)
        strict = "handling=strict" in request.headers.get("prefer", "")
        pairs = tuple(request.query_params.multi_items())
        wanted = read_search(resource_type, pairs, strict=strict)
        base = self._desk.base(request)
        change = by_url(resource_type, base) if self._desk.faults.attachments_by_url else None
        found = search(self._desk.records.snapshot(), wanted, base, change)
        return fhir({**found, "link": [{"relation": "self", "url": str(request.url)}, *found["link"]]})

    def read(self, request: Request) -> Response:
        """One resource."""
        if error := self._desk.passing_error(request, Phase.READ):
            return error
        resource_type = self._type(request)
        line = self._desk.records.snapshot().find(resource_type, request.path_params["id"])
        if line is None:
            raise Refused(404, "not-found", "There is no such resource")
        base = self._desk.base(request)
        change = by_url(resource_type, base) if self._desk.faults.attachments_by_url else None
        return fhir(msgspec.Raw(change(0, line) if change else line))

    def _type(self, request: Request) -> str:
        """The type in the path, when there are such resources and the token covers them."""
        resource_type: str = request.path_params["type"]
        if resource_type not in self._desk.records.snapshot().types():
            raise Refused(404, "not-found", "There is nothing here")
        self._desk.authorised(request, resource_type)
        return resource_type


__all__ = ["ResourceRoutes"]
