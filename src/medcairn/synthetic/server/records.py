"""The folder that is served: its files by resource type, its groups, and the instant of its data."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec

from medcairn.core.clock import instant
from medcairn.core.errors import DataError, UsageError
from medcairn.synthetic.hospital import HOSPITAL_FILE

_NAME = re.compile(r"([A-Z][A-Za-z]{1,63})(?:\.\d{1,6})?\.ndjson\Z")
_GROUPS = {"everyone": 1, "cohort": 2}

SHARED_TYPES = frozenset({"Organization", "Practitioner", "PractitionerRole", "Location", "Medication"})
"""Types that belong to no patient and go along with Patient and Group exports."""


class _Meta(msgspec.Struct, rename="camel"):
    last_updated: str | None = None


class _Reference(msgspec.Struct):
    reference: str | None = None


class _Member(msgspec.Struct):
    entity: _Reference | None = None


class Glance(msgspec.Struct, rename="camel"):
    """What the server needs to know of a resource: whose it is and when it changed."""

    id: str | None = None
    meta: _Meta | None = None
    subject: _Reference | list[_Reference] | None = None
    patient: _Reference | list[_Reference] | None = None
    beneficiary: _Reference | list[_Reference] | None = None

    def patient_id(self, resource_type: str) -> str | None:
        """The patient in whose compartment the resource lies, None for none."""
        if resource_type == "Patient":
            return self.id
        for element in (self.subject, self.patient, self.beneficiary):
            for link in element if isinstance(element, list) else [element]:
                kind, _, identifier = (link.reference or "" if link is not None else "").rpartition("/")
                if not kind and identifier.startswith("urn:uuid:"):
                    return identifier.removeprefix("urn:uuid:")
                if kind == "Patient" or kind.endswith("/Patient"):
                    return identifier
        return None

    def changed_after(self, since: datetime | None) -> bool:
        """Whether it changed after ``since``; a resource that does not tell may have."""
        if since is None or self.meta is None or self.meta.last_updated is None:
            return True
        changed = parse_instant(self.meta.last_updated)
        return changed is None or changed > since

    def changed_before(self, until: datetime | None) -> bool:
        """Whether it changed before ``until``; a resource that does not tell may have."""
        if until is None or self.meta is None or self.meta.last_updated is None:
            return True
        changed = parse_instant(self.meta.last_updated)
        return changed is None or changed < until


class _Group(msgspec.Struct):
    id: str
    member: list[_Member] = []


class _GroupRule(msgspec.Struct):
    every: Annotated[int, msgspec.Meta(ge=1)] = 1


class _About(msgspec.Struct):
    transaction_time: str
    groups: dict[str, _GroupRule]


_DECODER = msgspec.json.Decoder(Glance)


def glance(line: bytes) -> Glance | None:
    """What ``line`` says; None when it is no resource that can be read."""
    try:
        return _DECODER.decode(line)
    except msgspec.MsgspecError:
        return None


def parse_instant(text: str) -> datetime | None:
    """A FHIR instant (or dateTime with a zone) as an aware datetime; None for anything else."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None


class _Index:
    """Where each resource of a type is, by id. Built when a resource of that type is first asked for."""

    def __init__(self) -> None:
        self._places: dict[str, dict[str, tuple[Path, int]]] = {}
        self._lock = threading.Lock()

    def places(self, resource_type: str, paths: tuple[Path, ...]) -> dict[str, tuple[Path, int]]:
        with self._lock:
            if resource_type not in self._places:
                self._places[resource_type] = dict(_places(paths))
            return self._places[resource_type]


def _places(paths: tuple[Path, ...]) -> Iterator[tuple[str, tuple[Path, int]]]:
    for path in paths:
        offset = 0
        with path.open("rb", buffering=1 << 20) as stream:
            for line in stream:
                seen = glance(line)
                if seen is not None and seen.id is not None:
                    yield seen.id, (path, offset)
                offset += len(line)


@dataclass(frozen=True)
class DataFolder:
    """The files of a folder by resource type, in order.

    ``groups`` maps an id to "every n-th patient", or to the patients of a Group resource in the folder.
    """

    folder: Path
    files: dict[str, tuple[Path, ...]]
    groups: dict[str, int | frozenset[str]]
    transaction_time: str
    _index: _Index = field(default_factory=_Index, repr=False, compare=False)

    def find(self, resource_type: str, resource_id: str) -> bytes | None:
        """The line of one resource, None when there is none."""
        place = self._index.places(resource_type, self.files.get(resource_type, ())).get(resource_id)
        if place is None:
            return None
        path, offset = place
        with path.open("rb") as stream:
            stream.seek(offset)
            line = stream.readline()
        return line if line.endswith(b"\n") else line + b"\n"

    def members(self, group: str) -> set[str]:
        """Ids of the patients in ``group``: as listed, or the first and then every n-th in file order."""
        every = self.groups[group]
        if not isinstance(every, int):
            return set(every)
        found = set()
        number = 0
        for line in self._lines("Patient"):
            seen = glance(line)
            if seen is not None and seen.id is not None:
                if number % every == 0:
                    found.add(seen.id)
                number += 1
        return found

    def _lines(self, resource_type: str) -> Iterator[bytes]:
        for path in self.files.get(resource_type, ()):
            with path.open("rb") as stream:
                yield from stream


def open_folder(folder: Path) -> DataFolder:
    """Look at a folder of ``<Type>.<NNN>.ndjson`` files.

    The data's instant is that in ``hospital.json``, else the newest ``meta.lastUpdated``, else the newest
    file's. Raises :class:`UsageError` when the folder is missing or holds no such file,
    :class:`DataError` when its ``hospital.json`` cannot be read.
    """
    if not folder.is_dir():
        raise UsageError("There is no such folder of records", folder=folder)
    files: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir()):
        match = _NAME.match(path.name)
        if match and path.is_file():
            files.setdefault(match.group(1), []).append(path)
    if not files:
        raise UsageError(
            "The folder holds no <Type>.<NNN>.ndjson files",
            hint="Make some with `medcairn hospital generate`",
            folder=folder,
        )
    by_type = {name: tuple(paths) for name, paths in sorted(files.items())}
    about = _read_about(folder / HOSPITAL_FILE)
    rules = dict(_GROUPS) if about is None else {name: rule.every for name, rule in about.groups.items()}
    groups = rules | dict(_stored_groups(by_type.get("Group", ())))
    return DataFolder(folder, by_type, groups, about.transaction_time if about else _newest(by_type))


def _stored_groups(paths: tuple[Path, ...]) -> Iterator[tuple[str, frozenset[str]]]:
    """The Group resources of the folder, and the patients in each."""
    for path in paths:
        with path.open("rb") as stream:
            for line in stream:
                try:
                    group = msgspec.json.decode(line, type=_Group)
                except msgspec.MsgspecError:
                    continue
                entities = (member.entity for member in group.member)
                links = (entity.reference or "" for entity in entities if entity is not None)
                kinds = (link.rpartition("/") for link in links)
                yield group.id, frozenset(name for kind, _, name in kinds if kind.endswith("Patient"))


def _read_about(path: Path) -> _About | None:
    """What ``hospital.json`` says; None without one."""
    if not path.is_file():
        return None
    about: _About | None = None
    try:
        about = msgspec.json.decode(path.read_bytes(), type=_About)
    except msgspec.MsgspecError:
        about = None
    if about is None or parse_instant(about.transaction_time) is None:
        raise DataError("hospital.json cannot be read", hint="Remove it, or generate the hospital again")
    return about


def _newest(files: dict[str, tuple[Path, ...]]) -> str:
    newest: datetime | None = None
    for paths in files.values():
        for path in paths:
            with path.open("rb") as stream:
                for line in stream:
                    seen = glance(line)
                    told = seen.meta.last_updated if seen is not None and seen.meta is not None else None
                    moment = parse_instant(told) if told is not None else None
                    if moment is not None and (newest is None or moment > newest):
                        newest = moment
    if newest is None:
        modified = max(path.stat().st_mtime for paths in files.values() for path in paths)
        newest = datetime.fromtimestamp(modified, UTC)
    return instant(newest)


__all__ = ["SHARED_TYPES", "DataFolder", "Glance", "glance", "open_folder", "parse_instant"]
