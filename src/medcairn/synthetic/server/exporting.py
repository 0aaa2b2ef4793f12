"""The handlers of Bulk Data export: kick-off, status, manifest pages, DELETE, files."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from email.utils import format_datetime

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from medcairn.core.clock import Clock
from medcairn.synthetic.server.answers import Refused, accepts_gzip, fhir, html_page, limited_body, outcome
from medcairn.synthetic.server.attachments import by_url
from medcairn.synthetic.server.changes import Snapshot
from medcairn.synthetic.server.delivery import deliver
from medcairn.synthetic.server.desk import Desk
from medcairn.synthetic.server.faults import KickOffBy, Phase, Redirect
from medcairn.synthetic.server.jobs import Job, JobBoard
from medcairn.synthetic.server.kickoff import is_lenient, read_request
from medcairn.synthetic.server.manifests import ManifestMaker
from medcairn.synthetic.server.outputs import OutputFile
from medcairn.synthetic.server.passing import Tries
from medcairn.synthetic.server.tokens import Grant
from medcairn.synthetic.server.wanted import Level, Wanted

_LARGEST_KICK_OFF_BYTES = 64 * 1024 * 1024
_FILES_KEPT = timedelta(days=1)


class ExportRoutes:
    """The handlers of one server. ``polls`` is how often a job is told to wait, at least."""

    def __init__(self, desk: Desk, jobs: JobBoard, clock: Clock, polls: int) -> None:
        self._desk, self._jobs, self._clock, self._polls = desk, jobs, clock, polls
        self._tries = Tries()

    def table(self) -> list[Route]:
        return [
            Route("/$export", self.kick_off, methods=["GET", "POST"]),
            Route("/Patient/$export", self.kick_off, methods=["GET", "POST"]),
            Route("/Group/{group}/$export", self.kick_off, methods=["GET", "POST"]),
            Route("/bulk-jobs/{job}", self.status),
            Route("/bulk-jobs/{job}", self.delete, methods=["DELETE"]),
            Route("/bulk-jobs/{job}/pages/{page:int}", self.page),
            Route("/bulk-files/{job}/{name}", self.download),
        ]

    async def kick_off(self, request: Request) -> Response:
        """Begins an export."""
        body = await limited_body(request, _LARGEST_KICK_OFF_BYTES) if request.method == "POST" else b""
        return await run_in_threadpool(self._kick_off, request, body)

    def _kick_off(self, request: Request, body: bytes) -> Response:
        faults = self._desk.faults
        if error := self._desk.passing_error(request, Phase.KICK_OFF):
            return error
        if faults.no_bulk:
            raise Refused(404, "not-found", "There is nothing here")
        grant = self._desk.authorised(request)
        if faults.kick_off is not KickOffBy.BOTH and faults.kick_off != request.method.lower():
            raise Refused(405, "not-supported", "This server takes the kick-off by the other method")
        group = request.path_params.get("group")
        level = Level.GROUP if group else Level.SYSTEM
        level = Level.PATIENT if request.url.path.endswith("/Patient/$export") else level
        wanted = read_request(request, body, level, grant, group=group, faults=faults)
        snapshot = self._desk.records.snapshot()
        if group is not None and not snapshot.has_group(group):
            if not faults.empty_groups:
                raise Refused(404, "not-found", "There is no such group")
            wanted = replace(wanted, types=frozenset())
        if not _reaches(snapshot, wanted) and not is_lenient(request):
            raise Refused(400, "not-found", "A patient is not here, or not in the group")
        where = f"{self._desk.base(request)}/bulk-jobs/{self._jobs.start(wanted)}"
        begun = outcome("informational", "The export has begun", severity="information")
        return fhir(begun, status=202, headers={"Content-Location": where})

    def status(self, request: Request) -> Response:
        """202 while the export goes on, then its manifest."""
        faults = self._desk.faults
        if error := self._desk.passing_error(request, Phase.STATUS):
            return error
        job = self._job(request, self._desk.authorised(request))
        if not job.poll(self._polls + faults.silent_polls):
            return self._not_yet(request, job)
        if job.failed:
            if faults.html_errors:
                return html_page(faults.failure_status)
            raise Refused(faults.failure_status, "exception", "The export failed")
        job.manifests += 1
        expires = format_datetime(self._clock.now() + _FILES_KEPT, usegmt=True)
        manifest = self._maker(request).page(job, 1)
        return JSONResponse(manifest, headers={"Expires": expires})

    def _not_yet(self, request: Request, job: Job) -> Response:
        headers = {}
        silent = self._polls < job.polls <= self._polls + self._desk.faults.silent_polls
        if not silent:
            headers["X-Progress"] = (
                f"files of {job.outputs.steps_done} of {job.outputs.steps_total} types made"
            )
            if self._desk.faults.poll_retry_after:
                headers["Retry-After"] = self._desk.faults.poll_retry_after
        ready = job.wanted.partial_manifests and job.polls > 1 and job.finished.is_set() and not job.failed
        if ready:
            first = self._maker(request).page(job, 1, partial=True)
            return JSONResponse(first, 202, headers)
        return Response(status_code=202, headers=headers)

    def page(self, request: Request) -> Response:
        """A further page of the manifest."""
        if error := self._desk.passing_error(request, Phase.STATUS):
            return error
        job, number = self._job(request, self._desk.authorised(request)), request.path_params["page"]
        maker = self._maker(request)
        if not job.manifests or not 1 < number <= maker.pages(job):
            raise Refused(404, "not-found", "The manifest has no such page")
        return JSONResponse(maker.page(job, number))

    def delete(self, request: Request) -> Response:
        """Stops the export and removes its files."""
        if error := self._desk.passing_error(request, Phase.DELETE):
            return error
        job = self._job(request, self._desk.authorised(request))
        self._jobs.drop(job.id)
        gone = outcome("informational", "The export is gone", severity="information")
        return fhir(gone, status=202)

    async def download(self, request: Request) -> Response:
        """One file, or where it is now. Without a hop to a thread: nothing here waits, and files are many."""
        if error := self._desk.passing_error(request, Phase.FILE):
            return error
        if self._desk.files_need_token or self._desk.open_access:
            job = self._job(request, self._desk.authorised(request))
        else:
            self._desk.without_token(request)
            job = self._job(request, None)
        faults, name = self._desk.faults, request.path_params["name"]
        found = job.by_name.get(name)
        if faults.redirect is not Redirect.NO and found and faults.strikes(found.resource_type):
            return RedirectResponse(f"{self._desk.elsewhere(request)}/elsewhere/{job.id}/{name}", 302)
        return self._file(request, job)

    async def download_elsewhere(self, request: Request) -> Response:
        """One file from the second listener, which takes no token."""
        self._desk.without_token(request)
        return self._file(request, self._job(request, None))

    def _file(self, request: Request, job: Job) -> Response:
        """Only names from the job's own manifest exist."""
        faults, name = self._desk.faults, request.path_params["name"]
        found = job.by_name.get(name) if job.finished.is_set() else None
        if found is None:
            raise Refused(404, "not-found", "The export has no such file")
        if self._is_gone(request, job, found):
            raise Refused(faults.expired_status, "not-found", "The address of the file has expired")
        base = job.wanted.url.partition("/fhir/")[0] + "/fhir"
        change = by_url(found.resource_type, base) if faults.attachments_by_url else None
        attempt = self._tries.next(f"{job.id}/{name}")
        return deliver(found, attempt, faults, accepts_gzip=accepts_gzip(request), change=change)

    def _is_gone(self, request: Request, job: Job, found: OutputFile) -> bool:
        """Whether the address is of an earlier manifest, or the file waits for a later one."""
        faults = self._desk.faults
        if faults.expired and faults.strikes(found.resource_type) and job.manifests <= faults.expired:
            return True
        at_home = request.scope["server"][1] != self._desk.elsewhere_port
        signature = request.query_params.get("signature")
        return faults.signed_urls and at_home and signature != str(job.manifests)

    def _maker(self, request: Request) -> ManifestMaker:
        desk = self._desk
        return ManifestMaker(
            base=desk.base(request),
            elsewhere=desk.elsewhere(request),
            requires_token=desk.files_need_token,
            faults=desk.faults,
        )

    def _job(self, request: Request, grant: Grant | None) -> Job:
        """The job that the request names, when it belongs to the client that asks; None asks for anybody."""
        job = self._jobs.get(request.path_params["job"], grant.client_id if grant else None)
        if job is None:
            raise Refused(404, "not-found", "There is no such export")
        return job


def _reaches(snapshot: Snapshot, wanted: Wanted) -> bool:
    """Whether all patients who are named are here, and in the group."""
    named = wanted.patients or frozenset()
    in_group = wanted.group is None or not named or named <= snapshot.members(wanted.group)
    return in_group and all(snapshot.find("Patient", one) for one in named)


__all__ = ["ExportRoutes"]
