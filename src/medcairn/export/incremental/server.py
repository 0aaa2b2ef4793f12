"""The server that is exported from, as this package asks it: exports into folders, members of a group."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from medcairn.core.clock import Ids
from medcairn.core.errors import DataError, ExternalError
from medcairn.core.progress import Progress
from medcairn.export.bulkdata.connection import Timing, connected
from medcairn.export.bulkdata.request import BulkRequest
from medcairn.export.credentials import Credentials
from medcairn.export.incremental.members import members_exported, members_listed
from medcairn.export.incremental.plan import Work
from medcairn.export.report import ExportReport
from medcairn.export.sources.bulk import Remark, export_bulk

_REFUSALS = frozenset({400, 403, 404, 405, 415, 422, 501})


@dataclass(frozen=True)
class Server:
    """One server, one client, one way of waiting."""

    base: str
    credentials: Credentials | None
    progress: Progress
    timing: Timing
    ids: Ids | None
    parallel: int
    allow_partial: bool
    token_origins: tuple[str, ...]
    on_remark: Remark | None
    event_log: Path

    def fetch(self, request: BulkRequest, folder: Path, journal: Path) -> ExportReport:
        """One export, gone on with when an earlier call was cut off. Raises what :func:`export_bulk` does."""
        return export_bulk(
            self.base,
            folder,
            request=request,
            credentials=self.credentials,
            progress=self.progress,
            clock=self.timing.clock,
            sleep=self.timing.sleep,
            monotonic=self.timing.monotonic,
            ids=self.ids,
            parallel=self.parallel,
            time_limit_seconds=self.timing.limit_seconds,
            allow_partial=self.allow_partial,
            job_file=journal,
            token_origins=self.token_origins,
            on_remark=self.on_remark,
            event_log=self.event_log,
        )

    def fetch_unless_refused(self, request: BulkRequest, folder: Path, journal: Path) -> ExportReport | None:
        """An export that may find nothing; None when the server does not offer such an export."""
        refused = False
        try:
            return self.fetch(request, folder, journal)
        except DataError as failure:
            if "file" in failure.fields:  # content that cannot be used; otherwise there was none
                raise
        except ExternalError as failure:
            refused = failure.fields.get("status") in _REFUSALS
            if not refused:
                raise
        return None if refused else ExportReport(source="bulk", files=())

    def members_listed(self, group: str) -> frozenset[str] | None:
        """The members that the Group resource lists, None when that does not tell."""
        with connected(self.base, self.credentials, self.timing, self.ids, self.token_origins) as (
            client,
            base,
        ):
            return members_listed(client, base, group)

    def members_by_patients(self, request: BulkRequest, work: Work) -> frozenset[str]:
        """The members whose Patient resources the group's export brings, whatever changed when."""
        folder = work.part("members")
        patients = replace(request, types=("Patient",), since=None, organize_output_by=None)
        try:
            report = self.fetch(patients, folder, work.journal("members"))
        except DataError as failure:
            if "file" in failure.fields:
                raise
            return frozenset()
        return members_exported(report, folder)


__all__ = ["Server"]
