"""Which resources an export wants, and what it keeps of each."""

from __future__ import annotations

import msgspec

from medcairn.synthetic.server.changes import Snapshot
from medcairn.synthetic.server.records import SHARED_TYPES, glance
from medcairn.synthetic.server.subsets import subset
from medcairn.synthetic.server.wanted import Level, Provenances, Wanted


class Selection:
    """The rules of one export over one snapshot. ``unreadable`` counts lines that are no resource."""

    def __init__(self, wanted: Wanted, snapshot: Snapshot) -> None:
        self._wanted = wanted
        self._members = _members(wanted, snapshot)
        self.unreadable = 0
        self._sent: set[str] = set()
        self._remembers = _by_target(wanted) and "Provenance" in snapshot.types()

    def patient(self, resource_type: str, line: bytes) -> str | None:
        """The patient in whose compartment the resource lies."""
        seen = glance(line)
        return seen.patient_id(resource_type) if seen is not None else None

    def keep(self, resource_type: str, line: bytes) -> bytes | None:
        """The line as it goes out, None when it is not wanted."""
        seen = glance(line)
        if seen is None:
            self.unreadable += 1
            return None
        changed = seen.changed_after(self._wanted.since) and seen.changed_before(self._wanted.until)
        if not changed or not self.in_compartment(resource_type, seen.patient_id(resource_type)):
            return None
        kept = self._reduced(resource_type, line)
        if kept is not None and self._remembers:
            self._sent.add(f"{resource_type}/{seen.id}")
        return kept

    def in_compartment(self, resource_type: str, patient: str | None) -> bool:
        """Whether a resource of ``patient`` (None: of nobody) belongs to the export."""
        if self._wanted.level is Level.SYSTEM or resource_type in SHARED_TYPES:
            return True
        return patient is not None if self._members is None else patient in self._members

    def provenances(self, lines: list[bytes]) -> list[bytes]:
        """Those that speak of a resource that was kept; for each, all or only the latest."""
        latest: dict[str, tuple[str, bytes]] = {}
        relevant = []
        for line in lines:
            recorded, targets = _spoken_of(line)
            found = self._sent & targets
            if found:
                relevant.append(line)
            for target in found:
                latest[target] = max(latest.get(target, ("", b"")), (recorded, line))
        if self._wanted.provenances is not Provenances.LATEST:
            return relevant
        kept = {line for _, line in latest.values()}
        return [line for line in relevant if line in kept]

    def _reduced(self, resource_type: str, line: bytes) -> bytes | None:
        queries, elements = self._wanted.filters.get(resource_type), self._wanted.elements
        if not queries and not elements:
            return line
        resource = msgspec.json.decode(line, type=dict[str, object])
        if queries and not any(query.matches(resource) for query in queries):
            return None
        return msgspec.json.encode(subset(resource, elements)) + b"\n" if elements else line


def _by_target(wanted: Wanted) -> bool:
    """Whether Provenance goes by what it speaks of, rather than whole."""
    return wanted.level is not Level.SYSTEM or wanted.provenances is not None


def wants_provenances(wanted: Wanted) -> bool:
    """Whether Provenance resources are chosen by their targets."""
    asked = wanted.provenances is not None or wanted.wants("Provenance")
    return asked and _by_target(wanted)


class _Target(msgspec.Struct):
    reference: str = ""


class _Provenance(msgspec.Struct):
    recorded: str = ""
    target: list[_Target] = []


def _spoken_of(line: bytes) -> tuple[str, set[str]]:
    """When a Provenance was recorded and what it is about, as ``Type/id``; nothing for what is none."""
    try:
        seen = msgspec.json.decode(line, type=_Provenance)
    except msgspec.MsgspecError:
        return "", set()
    return seen.recorded, {"/".join(link.reference.rsplit("/", 2)[-2:]) for link in seen.target}


def _members(wanted: Wanted, snapshot: Snapshot) -> frozenset[str] | None:
    if wanted.group is None:
        return wanted.patients
    members = frozenset(snapshot.members(wanted.group)) if snapshot.has_group(wanted.group) else frozenset()
    return members if wanted.patients is None else members & wanted.patients


__all__ = ["Selection", "wants_provenances"]
