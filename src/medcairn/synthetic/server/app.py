"""The FHIR server as an ASGI application: its parts, put together."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route

from medcairn.core.clock import Clock, SystemClock
from medcairn.core.errors import UsageError
from medcairn.synthetic.server.answers import Refused, refusal
from medcairn.synthetic.server.changes import Records
from medcairn.synthetic.server.clients import Clients, Jwks
from medcairn.synthetic.server.desk import Desk
from medcairn.synthetic.server.exporting import ExportRoutes
from medcairn.synthetic.server.faults import NO_FAULTS, Faults
from medcairn.synthetic.server.jobs import LINES_PER_FILE, POLLS, JobBoard
from medcairn.synthetic.server.records import open_folder
from medcairn.synthetic.server.requests import Recorder, RequestLog
from medcairn.synthetic.server.resources import ResourceRoutes
from medcairn.synthetic.server.tokens import TokenOffice


@dataclass(frozen=True)
class Hospital:
    """The application and what a test looks at or changes while it runs."""

    app: Starlette
    records: Records
    log: RequestLog
    desk: Desk

    def listens_elsewhere(self, port: int) -> None:
        """Say which port the second listener has."""
        self.log.elsewhere_port = self.desk.elsewhere_port = port


def create_hospital(
    data_dir: Path,
    *,
    clients: Mapping[str, Jwks | str] | None = None,
    client_secrets: Mapping[str, str] | None = None,
    open_access: bool = False,
    clock: Clock | None = None,
    lines_per_file: int = LINES_PER_FILE,
    polls: int = POLLS,
    faults: Faults = NO_FAULTS,
) -> Hospital:
    """The FHIR server over ``data_dir``, below ``/fhir``.

    ``clients`` maps a client id to its public JWK Set or to the address of that on this machine,
    ``client_secrets`` a client id to its secret. With ``open_access`` nobody needs a token; without it, at
    least one client is needed. ``polls`` is how often an export is told to wait, at least.

    Raises :class:`UsageError` for no client at all, and when the folder or a key set cannot be used.
    """
    if not clients and not client_secrets and not open_access:
        raise UsageError(
            "The server has no client to let in", hint="Register a client, or open the server to all"
        )
    clock = clock or SystemClock()
    registered = Clients(clients or {}, client_secrets or {})
    records, log = Records(open_folder(data_dir)), RequestLog()
    for reference in sorted(faults.deleted):
        resource_type, _, resource_id = reference.partition("/")
        records.delete(resource_type, resource_id, at=records.snapshot().now)
    office = TokenOffice(registered, clock, seconds=faults.token_seconds, uses=faults.token_uses)
    desk = Desk(records, office, faults, open_access)
    jobs = JobBoard(records, lines_per_file=lines_per_file, faults=faults)
    exports = ExportRoutes(desk, jobs, clock, polls)
    resources = ResourceRoutes(desk, secrets=registered.have_secrets)
    routes = [*exports.table(), *resources.table()]
    recorder = Middleware(Recorder, log=log, no_charset=faults.no_charset)
    app = _application(routes, _elsewhere(desk, exports), recorder, jobs)
    return Hospital(app, records, log, desk)


def _elsewhere(desk: Desk, exports: ExportRoutes) -> Route:
    """Files on the second listener, and nowhere else."""

    async def elsewhere(request: Request) -> Response:
        if not desk.elsewhere_port or request.scope["server"][1] != desk.elsewhere_port:
            raise Refused(404, "not-found", "There is nothing here")
        return await exports.download_elsewhere(request)

    return Route("/elsewhere/{job}/{name}", elsewhere)


def _application(routes: list[Route], elsewhere: Route, recorder: Middleware, jobs: JobBoard) -> Starlette:
    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        await run_in_threadpool(jobs.close)

    return Starlette(
        routes=[Mount("/fhir", routes=routes), elsewhere],
        middleware=[recorder],
        exception_handlers={HTTPException: refusal, Exception: refusal},
        lifespan=lifespan,
    )


def create_app(
    data_dir: Path,
    *,
    clients: Mapping[str, Jwks | str] | None = None,
    client_secrets: Mapping[str, str] | None = None,
    open_access: bool = False,
    clock: Clock | None = None,
    lines_per_file: int = LINES_PER_FILE,
    polls: int = POLLS,
    faults: Faults = NO_FAULTS,
) -> Starlette:
    """The application of :func:`create_hospital` alone, for another ASGI server."""
    return create_hospital(
        data_dir,
        clients=clients,
        client_secrets=client_secrets,
        open_access=open_access,
        clock=clock,
        lines_per_file=lines_per_file,
        polls=polls,
        faults=faults,
    ).app


__all__ = ["Hospital", "create_app", "create_hospital"]
