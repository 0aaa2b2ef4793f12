"""The folder that is served: its files by resource type, its groups, and the instant of its data."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
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


class Glance(msgspec.Struct, rename="camel"):
    """What the server needs to know of a resource: whose it is and when it changed."""

    id: str | None = None
    meta: _Meta | None = None
    subject: _Reference | None = None
    patient: _Reference | None = None

    def patient_id(self, resource_type: str) -> str | None:
        """The patient in whose compartment the resource lies, None for none."""
        if resource_type == "Patient":
            return self.id
        for link in (self.subject, self.patient):
            if link is not None and link.reference is not None:
                kind, _, identifier = link.reference.rpartition("/")
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


@dataclass(frozen=True)
class DataFolder:
    """The files of a folder by resource type, in order; ``groups`` maps an id to "every n-th patient"."""

    folder: Path
    files: dict[str, tuple[Path, ...]]
    groups: dict[str, int]
    transaction_time: str

    def members(self, group: str) -> set[str]:
        """Ids of the patients in ``group``: the first, and then every n-th in the order of the files."""
        every = self.groups[group]
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
    if about is None:
        return DataFolder(folder, by_type, dict(_GROUPS), _newest(by_type))
    groups = {name: rule.every for name, rule in about.groups.items()}
    return DataFolder(folder, by_type, groups, about.transaction_time)


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
