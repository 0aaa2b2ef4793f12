"""What a test changes in the hospital: in memory, over the files of the folder, which stay as they are."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import msgspec

from medcairn.core.canonical import JSON
from medcairn.core.clock import instant
from medcairn.core.errors import UsageError
from medcairn.synthetic.server.records import DataFolder, glance, parse_instant

_TICK = timedelta(seconds=1)


@dataclass(frozen=True, order=True)
class Position:
    """A place in the resources of a type: a file and an offset in it; after the last file, a changed one."""

    file: int = 0
    offset: int = 0


@dataclass(frozen=True)
class Deletion:
    """A resource that is gone, whose it was, and since when."""

    resource_type: str
    id: str
    patient: str | None
    at: datetime


@dataclass(frozen=True)
class Snapshot:
    """The hospital at one instant: the folder and all changes up to then.

    ``changed`` maps a type and id to the resource's line, None when it is deleted; ``joined`` a group and
    patient to when the patient joined, None when the patient left.
    """

    data: DataFolder
    transaction_time: str
    changed: Mapping[str, Mapping[str, bytes | None]] = field(default_factory=dict)
    deletions: tuple[Deletion, ...] = ()
    joined: Mapping[str, Mapping[str, datetime | None]] = field(default_factory=dict)

    @property
    def now(self) -> datetime:
        """The instant."""
        moment = parse_instant(self.transaction_time)
        assert moment is not None, "the folder's instant was checked when it was opened"
        return moment

    def types(self) -> list[str]:
        """All resource types that there are."""
        added = {name for name, lines in self.changed.items() if any(line for line in lines.values())}
        return sorted(added | self.data.files.keys())

    def lines(self, resource_type: str) -> Iterator[bytes]:
        """The lines of a type, each ended by a newline."""
        return (line for _, line in self.lines_from(resource_type, Position()))

    def lines_from(self, resource_type: str, start: Position) -> Iterator[tuple[Position, bytes]]:
        """The lines of a type from ``start`` on, each with the place after it."""
        changed = self.changed.get(resource_type, {})
        paths = self.data.files.get(resource_type, ())
        for number in range(start.file, len(paths)):
            offset = start.offset if number == start.file else 0
            with paths[number].open("rb", buffering=1 << 20) as stream:
                stream.seek(offset)
                for line in stream:
                    offset += len(line)
                    if not line.isspace() and not (changed and _is_changed(line, changed)):
                        yield Position(number, offset), line if line.endswith(b"\n") else line + b"\n"
        first = start.offset if start.file == len(paths) else 0
        present = [line for line in changed.values() if line is not None]
        for index in range(first, len(present)):
            yield Position(len(paths), index + 1), present[index]

    def find(self, resource_type: str, resource_id: str) -> bytes | None:
        """The line of one resource, None when there is none."""
        changed = self.changed.get(resource_type, {})
        if resource_id in changed:
            return changed[resource_id]
        return self.data.find(resource_type, resource_id)

    def groups(self) -> list[str]:
        """Ids of all groups."""
        return sorted({*self.data.groups, *self.joined})

    def has_group(self, group: str) -> bool:
        return group in self.data.groups or group in self.joined

    def members(self, group: str) -> set[str]:
        """Ids of the patients in ``group`` who are there."""
        found = self.data.members(group) if group in self.data.groups else set()
        for patient, at in self.joined.get(group, {}).items():
            if at is None:
                found.discard(patient)
            else:
                found.add(patient)
        gone = self.changed.get("Patient", {})
        return {patient for patient in found if gone.get(patient, b"") is not None}

    def group(self, group: str) -> dict[str, JSON]:
        """The Group resource. A member who joined later has the ``period`` of the membership."""
        joined = self.joined.get(group, {})
        members: list[JSON] = []
        for patient in sorted(self.members(group)):
            member: dict[str, JSON] = {"entity": {"reference": f"Patient/{patient}"}}
            at = joined.get(patient)
            members.append(member | {"period": {"start": instant(at)}} if at else member)
        return {
            "resourceType": "Group",
            "id": group,
            "meta": {"lastUpdated": self.transaction_time},
            "type": "person",
            "actual": True,
            "quantity": len(members),
            "member": members,
        }


class Records:
    """The hospital as it is now. Changes come from tests; every answer and job works on a snapshot.

    Each change happens ``at`` an instant, one second after the latest when not told; the hospital's
    ``transactionTime`` is that of the latest change.
    """

    def __init__(self, data: DataFolder) -> None:
        self._now = Snapshot(data, data.transaction_time)
        self._lock = threading.Lock()

    def snapshot(self) -> Snapshot:
        return self._now

    def put(self, resource: Mapping[str, JSON], at: datetime | None = None) -> None:
        """Add or change a resource. Raises :class:`UsageError` without ``resourceType`` and ``id``."""
        resource_type, resource_id = resource.get("resourceType"), resource.get("id")
        if not isinstance(resource_type, str) or not isinstance(resource_id, str):
            raise UsageError("A resource needs resourceType and id")
        meta = resource.get("meta")
        with self._lock:
            moment = self._moment(at)
            changed_meta = (dict(meta) if isinstance(meta, Mapping) else {}) | {
                "lastUpdated": instant(moment)
            }
            line = msgspec.json.encode({**resource, "meta": changed_meta}) + b"\n"
            gone = tuple(
                item
                for item in self._now.deletions
                if (item.resource_type, item.id) != (resource_type, resource_id)
            )
            self._keep(resource_type, resource_id, line, moment, gone)

    def delete(self, resource_type: str, resource_id: str, at: datetime | None = None) -> None:
        """Delete a resource. Raises :class:`UsageError` when there is none."""
        with self._lock:
            line = self._now.find(resource_type, resource_id)
            seen = glance(line) if line is not None else None
            if seen is None:
                raise UsageError("There is no such resource to delete")
            moment = self._moment(at)
            gone = Deletion(resource_type, resource_id, seen.patient_id(resource_type), moment)
            self._keep(resource_type, resource_id, None, moment, (*self._now.deletions, gone))

    def join(self, group: str, patient: str, at: datetime | None = None) -> None:
        """Add a patient to a group, which is made when it is new."""
        with self._lock:
            moment = self._moment(at)
            self._set_member(group, patient, moment, moment)

    def leave(self, group: str, patient: str, at: datetime | None = None) -> None:
        """Take a patient out of a group. Raises :class:`UsageError` when there is no such group."""
        with self._lock:
            if not self._now.has_group(group):
                raise UsageError("There is no such group")
            self._set_member(group, patient, None, self._moment(at))

    def _moment(self, at: datetime | None) -> datetime:
        if at is not None and at.tzinfo is None:
            raise UsageError("The instant of a change needs a time zone")
        return self._now.now + _TICK if at is None else at

    def _keep(
        self,
        resource_type: str,
        resource_id: str,
        line: bytes | None,
        at: datetime,
        deletions: tuple[Deletion, ...],
    ) -> None:
        lines = {**self._now.changed.get(resource_type, {}), resource_id: line}
        changed = {**self._now.changed, resource_type: lines}
        self._now = replace(self._now, changed=changed, deletions=deletions, transaction_time=self._later(at))

    def _set_member(self, group: str, patient: str, joined: datetime | None, at: datetime) -> None:
        members = {**self._now.joined.get(group, {}), patient: joined}
        self._now = replace(
            self._now, joined={**self._now.joined, group: members}, transaction_time=self._later(at)
        )

    def _later(self, at: datetime) -> str:
        return instant(at) if at > self._now.now else self._now.transaction_time


def _is_changed(line: bytes, changed: Mapping[str, bytes | None]) -> bool:
    seen = glance(line)
    return seen is not None and seen.id in changed


__all__ = ["Deletion", "Position", "Records", "Snapshot"]
