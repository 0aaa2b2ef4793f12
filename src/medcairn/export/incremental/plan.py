"""Whether the next export can build on the last one, and what a rerun must not decide anew."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from medcairn.core.digests import Digest, digest_json
from medcairn.core.errors import UsageError
from medcairn.core.files import private_folder, storage_errors, write_file
from medcairn.export.bulkdata.connection import clear_work
from medcairn.export.bulkdata.request import BulkRequest
from medcairn.export.incremental.report import FullBecause
from medcairn.export.incremental.state import ExportState, read_state

_PLAN_FILE: Final = "plan.json"


@dataclass(frozen=True)
class Plan:
    """What is built on: the state of the previous export, or the reason why nothing is.

    ``key`` names server, request and previous state: the work of an earlier, interrupted call with the same
    key can be gone on with.
    """

    previous: ExportState | None
    full_because: FullBecause | None
    key: Digest


def make_plan(base: str, request: BulkRequest, previous: Path | None) -> Plan:
    """Decide. Reads every file of the previous export once, to see whether it is what its state says.

    Raises :class:`UsageError` when ``previous`` is no folder.
    """
    wanted = request.digest_at(base)
    if previous is None:
        return Plan(None, FullBecause.FIRST, _key(wanted, None))
    if not previous.is_dir():
        raise UsageError(
            "There is no previous export in this place",
            hint="Give the folder of the last export, or leave it out to export everything",
            folder=previous,
        )
    found = read_state(previous)
    if found is None:
        return Plan(None, FullBecause.NO_STATE, _key(wanted, None))
    state, digest = found
    reason = _reason_for_full(state, wanted, request, previous)
    return Plan(None if reason else state, reason, _key(wanted, digest))


def can_grow(request: BulkRequest) -> bool:
    """Whether the changes since an export of ``request`` tell what it would be now.

    A resource that no longer passes ``_typeFilter``, and a Provenance that is no longer the latest, are not
    listed as deleted; ``_until`` stands still.
    """
    filtered = request.type_filters or "LatestProvenanceResources" in request.include_associated_data
    return not filtered and request.until is None


def _reason_for_full(
    state: ExportState, wanted: Digest, request: BulkRequest, previous: Path
) -> FullBecause | None:
    if state.request != wanted:
        return FullBecause.REQUEST_CHANGED
    if not can_grow(request):
        return FullBecause.REQUEST_FILTERED
    if state.transaction_time is None:
        return FullBecause.PREVIOUS_PARTIAL
    if request.level == "group" and state.members is None:
        return FullBecause.MEMBERS_UNKNOWN
    return None if state.holds_for(previous) else FullBecause.PREVIOUS_CHANGED


def _key(wanted: Digest, state: Digest | None) -> Digest:
    return digest_json({"request": wanted, "state": state})


class _Pinned(msgspec.Struct):
    key: str
    members: list[str] | None = None
    full_because: FullBecause | None = None


class Work:
    """The work folder of one export: downloads, their journals, and what was decided on the way.

    What an interrupted call with the same plan left is gone on with; that of another is cleared away.

    Raises :class:`UsageError` when the folder holds something else.
    """

    def __init__(self, folder: Path, plan: Plan) -> None:
        self.folder = folder
        pinned = _read(folder / _PLAN_FILE)
        if pinned is None or pinned.key != plan.key:
            clear_work(folder, _PLAN_FILE)
            pinned = _Pinned(str(plan.key))
        self._pinned = pinned
        self._write()

    @property
    def members(self) -> frozenset[str] | None:
        """The group's members as read before anything was asked for, None when not read yet."""
        return frozenset(self._pinned.members) if self._pinned.members is not None else None

    @property
    def full_because(self) -> FullBecause | None:
        """Why the increment was given up for a full export, if it was."""
        return self._pinned.full_because

    def pin_members(self, members: frozenset[str]) -> None:
        """Keep the members for a rerun: those who join later are found by the next export."""
        self._pinned.members = sorted(members)
        self._write()

    def give_up(self, reason: FullBecause) -> None:
        """Keep the decision for a full export for a rerun."""
        self._pinned.full_because = reason
        self._write()

    def part(self, name: str) -> Path:
        """A folder for one download."""
        return private_folder(self.folder / name)

    def journal(self, name: str) -> Path:
        """The journal of one download."""
        return self.folder / f"{name}.job"

    def clear(self) -> None:
        """All is done: remove the folder."""
        with storage_errors():
            shutil.rmtree(self.folder, ignore_errors=True)

    def _write(self) -> None:
        write_file(self.folder / _PLAN_FILE, msgspec.json.encode(self._pinned) + b"\n", private=True)


def _read(path: Path) -> _Pinned | None:
    if not path.is_file():
        return None
    with storage_errors():
        data = path.read_bytes()
    try:
        return msgspec.json.decode(data, type=_Pinned)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


__all__ = ["Plan", "Work", "can_grow", "make_plan"]
