"""The routes of the FHIR server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from medcairn.core.canonical import JSON
from medcairn.core.clock import Clock, SystemClock
from medcairn.core.errors import UsageError
from medcairn.synthetic.server.answers import Refused, accepts_gzip, fhir, file_answer, outcome, refusal
from medcairn.synthetic.server.jobs import LINES_PER_FILE, Job, JobBoard, Level, OutputFile
from medcairn.synthetic.server.kickoff import read_request
from medcairn.synthetic.server.records import DataFolder, open_folder
from medcairn.synthetic.server.tokens import (
    ALGORITHMS,
    TOKEN_SECONDS,
    Grant,
    Jwks,
    TokenOffice,
    TokenRefused,
)

_LARGEST_FORM_BYTES = 64 * 1024
_ANYONE = Grant(client_id="", types=None, scope="system/*.rs", expires=float("inf"))


def create_app(
    data_dir: Path,
    *,
    clients: Mapping[str, Jwks] | None = None,
    open_access: bool = False,
    clock: Clock | None = None,
    lines_per_file: int = LINES_PER_FILE,
) -> Starlette:
    """The FHIR server over ``data_dir``, below ``/fhir``.

    ``clients`` maps a client id to its public JWK Set. With ``open_access`` nobody needs a token; without
    it, at least one client is needed. Raises :class:`UsageError` for neither, and when the folder or a key
    set cannot be used.
    """
    if not clients and not open_access:
        raise UsageError(
            "The server has no client to let in", hint="Register a client, or open the server to all"
        )
    routes = _Routes(
        open_folder(data_dir), TokenOffice(clients or {}, clock or SystemClock()), open_access, lines_per_file
    )

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        await run_in_threadpool(routes.jobs.close)

    handlers = {HTTPException: refusal, Exception: refusal}
    return Starlette(
        routes=[Mount("/fhir", routes=routes.table())], exception_handlers=handlers, lifespan=lifespan
    )


class _Routes:
    """The handlers and what they share."""

    def __init__(self, data: DataFolder, office: TokenOffice, open_access: bool, lines_per_file: int) -> None:
        self.data = data
        self.office = office
        self.open_access = open_access
        self.jobs = JobBoard(data, lines_per_file=lines_per_file)

    def table(self) -> list[Route]:
        return [
            Route("/metadata", self.metadata),
            Route("/.well-known/smart-configuration", self.smart_configuration),
            Route("/auth/token", self.token, methods=["POST"]),
            Route("/$export", self.export_system),
            Route("/Patient/$export", self.export_patients),
            Route("/Group/{group}/$export", self.export_group),
            Route("/bulk-jobs/{job}", self.status),
            Route("/bulk-jobs/{job}", self.delete, methods=["DELETE"]),
            Route("/bulk-files/{job}/{name}", self.download),
        ]

    def metadata(self, request: Request) -> Response:
        """CapabilityStatement."""
        definition = "http://hl7.org/fhir/uv/bulkdata/OperationDefinition"
        resources: list[JSON] = [{"type": name} for name in self.data.files if name != "Patient"]
        resources += [
            {
                "type": "Patient",
                "operation": [{"name": "export", "definition": f"{definition}/patient-export"}],
            },
            {"type": "Group", "operation": [{"name": "export", "definition": f"{definition}/group-export"}]},
        ]
        return fhir(
            {
                "resourceType": "CapabilityStatement",
                "status": "active",
                "date": self.data.transaction_time,
                "kind": "instance",
                "software": {"name": "medcairn synthetic hospital"},
                "implementation": {"description": "Invented patients", "url": _base(request)},
                "fhirVersion": "4.0.1",
                "format": ["application/fhir+json"],
                "instantiates": ["http://hl7.org/fhir/uv/bulkdata/CapabilityStatement/bulk-data"],
                "rest": [
                    {
                        "mode": "server",
                        "security": _security(_base(request)) if not self.open_access else {},
                        "resource": resources,
                        "operation": [{"name": "export", "definition": f"{definition}/export"}],
                    }
                ],
            }
        )

    def smart_configuration(self, request: Request) -> Response:
        """SMART's discovery document."""
        return JSONResponse(
            {
                "token_endpoint": _token_url(request),
                "token_endpoint_auth_methods_supported": ["private_key_jwt"],
                "token_endpoint_auth_signing_alg_values_supported": list(ALGORITHMS),
                "grant_types_supported": ["client_credentials"],
                "scopes_supported": ["system/*.read", "system/*.rs"],
                "capabilities": ["client-confidential-asymmetric", "permission-v1", "permission-v2"],
            }
        )

    async def token(self, request: Request) -> Response:
        """OAuth 2.0 client credentials with a signed assertion."""
        fields = _form(await _limited_body(request))
        refused: TokenRefused | None = None
        try:
            token, grant = self.office.issue(fields, _token_url(request))
        except TokenRefused as failure:
            refused = failure
        headers = {"Cache-Control": "no-store", "Pragma": "no-cache"}
        if refused is not None:
            status = 401 if refused.error == "invalid_client" else 400
            body = {"error": refused.error, "error_description": refused.description}
            return JSONResponse(body, status_code=status, headers=headers)
        answer = {
            "access_token": token,
            "token_type": "bearer",
            "expires_in": TOKEN_SECONDS,
            "scope": grant.scope,
        }
        return JSONResponse(answer, headers=headers)

    def export_system(self, request: Request) -> Response:
        return self._kick_off(request, Level.SYSTEM)

    def export_patients(self, request: Request) -> Response:
        return self._kick_off(request, Level.PATIENT)

    def export_group(self, request: Request) -> Response:
        return self._kick_off(request, Level.GROUP, group=request.path_params["group"])

    def _kick_off(self, request: Request, level: Level, *, group: str | None = None) -> Response:
        grant = self._authorised(request)
        if group is not None and group not in self.data.groups:
            raise Refused(404, "not-found", "There is no such group")
        wanted = read_request(request, level, grant, url=str(request.url), group=group)
        job_id = self.jobs.start(wanted)
        where = f"{_base(request)}/bulk-jobs/{job_id}"
        body = outcome("informational", "The export has begun", severity="information")
        return fhir(body, status=202, headers={"Content-Location": where})

    def status(self, request: Request) -> Response:
        """202 while the export goes on, then its manifest."""
        job = self._job(request)
        if not job.poll():
            progress = f"{job.files_done} of {job.files_total} files read"
            return Response(status_code=202, headers={"Retry-After": "1", "X-Progress": progress})
        if job.failed:
            raise Refused(500, "exception", "The export failed")
        return JSONResponse(self._manifest(request, job))

    def delete(self, request: Request) -> Response:
        """Stops the export and removes its files."""
        self._job(request)
        self.jobs.drop(request.path_params["job"])
        body = outcome("informational", "The export is gone", severity="information")
        return fhir(body, status=202)

    def download(self, request: Request) -> Response:
        """One file; only names from the job's own manifest exist."""
        job = self._job(request)
        found = job.file(request.path_params["name"]) if job.finished.is_set() else None
        if found is None:
            raise Refused(404, "not-found", "The export has no such file")
        return file_answer(found.path, found.start, found.stop, gzip=accepts_gzip(request))

    def _manifest(self, request: Request, job: Job) -> dict[str, JSON]:
        files = f"{_base(request)}/bulk-files/{request.path_params['job']}"

        def listed(outputs: list[OutputFile]) -> list[JSON]:
            return [
                {"type": item.resource_type, "url": f"{files}/{item.name}", "count": item.count}
                for item in outputs
            ]

        return {
            "transactionTime": self.data.transaction_time,
            "request": job.wanted.url,
            "requiresAccessToken": not self.open_access,
            "output": listed(job.outputs),
            "error": listed(job.errors),
        }

    def _job(self, request: Request) -> Job:
        """The job that the request names, when it belongs to the client that asks."""
        grant = self._authorised(request)
        job = self.jobs.get(request.path_params["job"], grant.client_id)
        if job is None:
            raise Refused(404, "not-found", "There is no such export")
        return job

    def _authorised(self, request: Request) -> Grant:
        if self.open_access:
            return _ANYONE
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        grant = self.office.grant(token.strip()) if scheme.lower() == "bearer" else None
        if grant is None:
            raise Refused(
                401, "login", "A valid access token is needed", headers={"WWW-Authenticate": "Bearer"}
            )
        return grant


async def _limited_body(request: Request) -> bytes:
    """The body of a token request. Raises :class:`Refused` (413) beyond 64 KiB."""
    body = b""
    async for block in request.stream():
        body += block
        if len(body) > _LARGEST_FORM_BYTES:
            raise Refused(413, "too-long", "A token request is not that long")
    return body


def _form(body: bytes) -> dict[str, str]:
    """The fields of ``application/x-www-form-urlencoded``; what is not UTF-8 is no field of ours."""
    return dict(parse_qsl(body.decode("utf-8", errors="replace")))


def _base(request: Request) -> str:
    return f"{request.url.scheme}://{request.url.netloc}/fhir"


def _token_url(request: Request) -> str:
    return f"{_base(request)}/auth/token"


def _security(base: str) -> dict[str, JSON]:
    return {
        "service": [
            {
                "coding": [
                    {
                        "system": "http://terminology.hl7.org/CodeSystem/restful-security-service",
                        "code": "SMART-on-FHIR",
                    }
                ]
            }
        ],
        "extension": [
            {
                "url": "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris",
                "extension": [{"url": "token", "valueUri": f"{base}/auth/token"}],
            }
        ],
    }


__all__ = ["create_app"]
