"""An export that builds on the last one: what changed since, merged into what there was."""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from medcairn.core.clock import Clock, Ids
from medcairn.core.digests import Digest
from medcairn.core.errors import UsageError
from medcairn.core.files import private_folder, storage_errors
from medcairn.core.progress import Progress
from medcairn.export.bulkdata.connection import Timing
from medcairn.export.bulkdata.event_log import EVENT_LOG
from medcairn.export.bulkdata.origins import checked_base
from medcairn.export.bulkdata.outcomes import failures
from medcairn.export.bulkdata.request import BulkRequest
from medcairn.export.credentials import Credentials
from medcairn.export.incremental.deletions import deleted_keys
from medcairn.export.incremental.members import members_exported
from medcairn.export.incremental.membership import Membership
from medcairn.export.incremental.merge import Base, Merge, forget_patients
from medcairn.export.incremental.plan import Plan, Work, can_grow, make_plan
from medcairn.export.incremental.report import FullBecause, IncrementalReport
from medcairn.export.incremental.server import Server
from medcairn.export.incremental.state import STATE_FILE, ExportState
from medcairn.export.merging.lines import nanoseconds
from medcairn.export.merging.newest import Newest
from medcairn.export.outputs import DELETIONS_FOLDER, ERRORS_FOLDER, clear_outputs, file_name
from medcairn.export.report import ExportReport
from medcairn.export.sources.bulk import PARALLEL, TIME_LIMIT_SECONDS, Remark

WORK_FOLDER: Final = "increment.work"


def export_incremental(
    base_url: str,
    previous: Path | None,
    out_dir: Path,
    *,
    request: BulkRequest,
    credentials: Credentials | None,
    progress: Progress,
    clock: Clock,
    sleep: Callable[[float], None] = time.sleep,
    monotonic: Callable[[], float] = time.monotonic,
    ids: Ids | None = None,
    parallel: int = PARALLEL,
    time_limit_seconds: float = TIME_LIMIT_SECONDS,
    allow_partial: bool = False,
    drop_departed: bool = False,
    work_dir: Path | None = None,
    token_origins: Sequence[str] = (),
    on_remark: Remark | None = None,
    event_log: Path | None = None,
) -> IncrementalReport:
    """Bring ``out_dir`` to the server's current data, asking only for what changed since ``previous``.

    ``previous`` is the folder that an earlier call wrote (it is only read), ``request`` the same as then.
    Asked for with ``_since`` at the last transaction time; what is deleted there is deleted here; members
    who joined the group are fetched in full, and those who left are counted, or with ``drop_departed``
    dropped with their data. What ``previous`` or the server does not allow becomes a full export, and the
    report says why. ``previous`` None asks for everything, and leaves the state for the next time.

    When the process dies, the same call goes on where it stopped. Its work lies in ``out_dir`` and is
    removed at the end; a caller who still has to give ``out_dir`` its final name gives ``work_dir``, a path
    outside, and removes that folder afterwards. ``time_limit_seconds`` is for each request to export; the
    other keywords are those of :func:`export_bulk`, and one event log tells of all requests.

    Raises what :func:`export_bulk` raises, and :class:`UsageError` when ``previous`` is no folder or is
    ``out_dir``. Then, and after a partial export that was accepted, the next call asks from the same
    instant again.
    """
    base = checked_base(base_url)
    if previous is not None and previous.resolve() == out_dir.resolve():
        raise UsageError("An export cannot be written over the one it builds on", folder=out_dir)
    private_folder(out_dir)
    progress.begin("Checking the last export")
    plan = make_plan(base, request, previous)
    work = Work(work_dir or out_dir / WORK_FOLDER, plan)
    timing = Timing(clock, sleep, monotonic, time_limit_seconds)
    log = event_log or out_dir / EVENT_LOG
    server = Server(
        base,
        credentials,
        progress,
        timing,
        ids,
        parallel,
        allow_partial,
        tuple(token_origins),
        on_remark,
        log,
    )
    with storage_errors():
        (out_dir / STATE_FILE).unlink(missing_ok=True)
    run = _Run(server, request, out_dir, work, drop_departed)
    report = run.export(plan, previous)
    if work_dir is None:
        work.clear()
    return report


@dataclass(frozen=True)
class _Run:
    """One call."""

    server: Server
    request: BulkRequest
    out_dir: Path
    work: Work
    drop_departed: bool

    def export(self, plan: Plan, previous: Path | None) -> IncrementalReport:
        reason = plan.full_because or self.work.full_because
        if reason is None and plan.previous is not None and previous is not None:
            found = self._increment(plan.previous, previous)
            if isinstance(found, IncrementalReport):
                return found
            self.work.give_up(found)
            reason = found
        return self._full(reason or FullBecause.FIRST)

    def _full(self, reason: FullBecause) -> IncrementalReport:
        with_patients = not self.request.types or "Patient" in self.request.types
        members = self._members(by_patients=not with_patients)
        report = self.server.fetch(self.request, self.out_dir, self.work.journal("full"))
        if members is None and self._has_members:
            members = self._asked_for(members_exported(report, self.out_dir))
        complete = not failures(report.outcomes)
        time = report.transaction_time if complete else None
        ExportState(self._digest, time, report.files, members).write(self.out_dir)
        return IncrementalReport(report, reason, complete=complete)

    def _increment(self, state: ExportState, previous: Path) -> IncrementalReport | FullBecause:
        """The increment, or why it takes a full export after all."""
        membership = Membership(state, self._members(by_patients=True))
        changes = self._changes(state)
        if isinstance(changes, FullBecause):
            return changes
        backfill = self._backfill(membership.joined)
        if backfill is None:
            return FullBecause.BACKFILL_REFUSED
        newest = Newest(self.work.folder / "index.sqlite")
        try:
            for report, part in ((changes, "changes"), (backfill, "backfill")):
                for file in report.files:
                    newest.add(self.work.part(part) / file.name)
            if not self._delete(newest):
                return FullBecause.DELETION_UNREADABLE
            return self._merge(state, previous, membership, changes, backfill, newest)
        finally:
            newest.close()

    def _changes(self, state: ExportState) -> ExportReport | FullBecause:
        request = replace(self.request, since=state.transaction_time)
        changes = self.server.fetch_unless_refused(
            request, self.work.part("changes"), self.work.journal("changes")
        )
        if changes is None:
            return FullBecause.SINCE_REFUSED
        if changes.transaction_time is not None and state.transaction_time is not None:
            now, then = nanoseconds(changes.transaction_time), nanoseconds(state.transaction_time)
            if now is not None and then is not None and now < then:
                return FullBecause.TIME_WENT_BACK
        return changes

    def _backfill(self, joined: frozenset[str]) -> ExportReport | None:
        """Everything of the members who joined; None when the server does not export single patients."""
        if not joined:
            return ExportReport(source="bulk", files=())
        request: BulkRequest | None = None
        try:
            request = replace(
                self.request, patients=tuple(f"Patient/{patient}" for patient in sorted(joined))
            )
        except UsageError:
            request = None  # an id that FHIR does not allow cannot be asked for
        if request is None:
            return None
        return self.server.fetch_unless_refused(
            request, self.work.part("backfill"), self.work.journal("backfill")
        )

    def _delete(self, newest: Newest) -> bool:
        """Apply the server's deletions; whether all of them could be read."""
        folder = self.work.part("changes") / DELETIONS_FOLDER
        unreadable = 0

        def readable() -> Iterator[bytes]:
            nonlocal unreadable
            for key in deleted_keys(sorted(folder.iterdir()) if folder.is_dir() else []):
                if key is not None:
                    yield key
                unreadable += key is None

        newest.forget(readable())
        return unreadable == 0

    def _merge(
        self,
        state: ExportState,
        previous: Path,
        membership: Membership,
        changes: ExportReport,
        backfill: ExportReport,
        newest: Newest,
    ) -> IncrementalReport:
        outcomes = Counter(changes.outcomes) + Counter(backfill.outcomes)
        complete = not failures(outcomes)
        after = membership.after(complete=complete, still=self._still(membership))
        base = Base(previous, state.files)
        dropped = forget_patients(base, newest, after.forgotten(drop=self.drop_departed))
        clear_outputs(self.out_dir)
        merge = Merge(base, newest, self.out_dir, self.server.progress)
        files = merge.run()
        self._keep_errors(("changes", "backfill"))
        time = (changes.transaction_time if complete else None) or state.transaction_time
        departed = after.remembered(drop=self.drop_departed)
        ExportState(self._digest, time, files, after.members, departed).write(self.out_dir)
        return IncrementalReport(
            ExportReport(
                source="bulk",
                files=files,
                transaction_time=time,
                outcomes=dict(sorted(outcomes.items())),
                remarks=tuple(dict.fromkeys((*changes.remarks, *backfill.remarks))),
                deletion_files=changes.deletion_files,
                files_read=changes.files_read + backfill.files_read,
            ),
            changed=changes.resource_count,
            backfilled=backfill.resource_count,
            repeated=newest.lines - newest.present,
            replaced=merge.replaced,
            deleted=merge.deleted - dropped,
            dropped=dropped,
            joined=len(membership.joined),
            departed=len(membership.departed),
            kept_departed=len(departed),
            complete=complete,
        )

    @property
    def _digest(self) -> Digest:
        return self.request.digest_at(self.server.base)

    @property
    def _has_members(self) -> bool:
        return self.request.level == "group" and can_grow(self.request)

    def _members(self, *, by_patients: bool) -> frozenset[str] | None:
        """The group's members before anything is asked for; None without a group, or when nobody tells."""
        if not self._has_members or self.request.group is None:
            return None
        if self.work.members is not None:
            return self.work.members
        members = self.server.members_listed(self.request.group)
        if members is None and by_patients:
            members = self.server.members_by_patients(self.request, self.work)
        if members is not None:
            self.work.pin_members(self._asked_for(members))
        return self.work.members

    def _asked_for(self, members: frozenset[str]) -> frozenset[str]:
        """Those whom the request names, when it names any."""
        named = {reference.rpartition("/")[2] for reference in self.request.patients}
        return members & named if named else members

    def _still(self, membership: Membership) -> frozenset[str] | None:
        """The members after everything was fetched, when the Group resource tells."""
        if membership.now is None or self.request.group is None:
            return None
        return self.server.members_listed(self.request.group)

    def _keep_errors(self, parts: Sequence[str]) -> None:
        """What the server says it could not export, from all parts."""
        found = [self.work.part(part) / ERRORS_FOLDER for part in parts]
        files = [file for folder in found if folder.is_dir() for file in sorted(folder.iterdir())]
        with storage_errors():
            for number, file in enumerate(files):
                (self.out_dir / ERRORS_FOLDER).mkdir(exist_ok=True, mode=0o700)
                shutil.copyfile(file, self.out_dir / ERRORS_FOLDER / file_name("OperationOutcome", number))


__all__ = ["WORK_FOLDER", "export_incremental"]
