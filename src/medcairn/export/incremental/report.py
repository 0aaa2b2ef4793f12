"""What an export that builds on the last one did, as one frozen record."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from medcairn.core.canonical import JSON
from medcairn.export.report import ExportReport


class FullBecause(StrEnum):
    """Why everything was asked for, and not only what has changed."""

    FIRST = "there_is_no_previous_export"
    NO_STATE = "the_previous_export_has_no_state_that_can_be_read"
    REQUEST_CHANGED = "another_server_or_request"
    REQUEST_FILTERED = "a_filtered_request_does_not_tell_what_left"
    PREVIOUS_CHANGED = "files_of_the_previous_export_were_changed"
    PREVIOUS_PARTIAL = "the_previous_export_was_partial"
    SINCE_REFUSED = "the_server_does_not_export_changes_since"
    TIME_WENT_BACK = "the_server_s_time_went_back"
    DELETION_UNREADABLE = "a_deletion_could_not_be_read"
    MEMBERS_UNKNOWN = "the_group_s_members_were_not_known"
    BACKFILL_REFUSED = "the_server_does_not_export_single_patients"


@dataclass(frozen=True)
class IncrementalReport:
    """What was done, in numbers.

    ``export`` is the report of the current data as a whole. ``full_because`` is None for an increment.
    The rest is of an increment: resources that the server sent as ``changed`` (or new), that the backfill
    of ``joined`` group members brought, that came ``repeated``, that ``replaced`` an older line, that were
    ``deleted`` by the server (and were here), or ``dropped`` with members who left. ``kept_departed``
    members left the group and their data are still here. ``complete`` is False when something the server
    could not export was accepted: the next export then starts from the same instant again.
    """

    export: ExportReport
    full_because: FullBecause | None = None
    changed: int = 0
    backfilled: int = 0
    repeated: int = 0
    replaced: int = 0
    deleted: int = 0
    dropped: int = 0
    joined: int = 0
    departed: int = 0
    kept_departed: int = 0
    complete: bool = True

    def facts(self) -> dict[str, JSON]:
        """Aggregate and deterministic, with the facts of the export as a whole."""
        return {
            **self.export.facts(),
            "full_because": self.full_because.value if self.full_because is not None else None,
            "changed": self.changed,
            "backfilled": self.backfilled,
            "repeated": self.repeated,
            "replaced": self.replaced,
            "deleted": self.deleted,
            "dropped": self.dropped,
            "members_joined": self.joined,
            "members_departed": self.departed,
            "members_departed_kept": self.kept_departed,
            "complete": self.complete,
        }


__all__ = ["FullBecause", "IncrementalReport"]
