"""The state of an export: what the next one needs to ask only for what has changed since.

It lies in the export's own folder, so that data and state move together or not at all. It holds ids of
patients and so has mode 0600, like the data beside it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from medcairn.core.digests import Digest, digest_bytes, digest_file
from medcairn.core.files import storage_errors, write_file
from medcairn.core.labels import Label
from medcairn.export.bulkdata.request import INSTANT
from medcairn.export.report import ExportedFile
from medcairn.export.resource_types import RESOURCE_TYPES

STATE_FILE: Final = "export-state.json"

_FORMAT: Final = 1
_NAME: Final = re.compile(r"([A-Z][A-Za-z]+)\.\d{3,}\.ndjson\Z")


class _File(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    lines: int
    size: int
    digest: str


class _Wire(msgspec.Struct, forbid_unknown_fields=True):
    format: int
    request: str
    transaction_time: str | None
    members: list[str] | None
    departed: list[str]
    files: list[_File]


@dataclass(frozen=True)
class ExportState:
    """What an export was and is.

    ``request`` names server and request (see :meth:`BulkRequest.digest_at`). ``transaction_time`` is what
    ``_since`` of the next export is; None means that the next must be a full one. ``members`` are the ids
    of the group's patients whose data are here in full, None without a group. ``departed`` are those who
    left the group and whose data are still here.
    """

    request: Digest
    transaction_time: Label | None
    files: tuple[ExportedFile, ...]
    members: frozenset[str] | None = None
    departed: frozenset[str] = frozenset()

    def write(self, folder: Path) -> None:
        """Write the state into ``folder``, whole or not at all."""
        wire = _Wire(
            _FORMAT,
            str(self.request),
            str(self.transaction_time) if self.transaction_time is not None else None,
            sorted(self.members) if self.members is not None else None,
            sorted(self.departed),
            [_File(str(file.name), file.lines, file.size, str(file.digest)) for file in self.files],
        )
        write_file(folder / STATE_FILE, msgspec.json.encode(wire) + b"\n", private=True)

    def holds_for(self, folder: Path) -> bool:
        """Whether the files in ``folder`` are those of the state: no other, none missing, none changed."""
        with storage_errors():
            present = {path.name for path in folder.iterdir() if _NAME.match(path.name)}
            if present != {str(file.name) for file in self.files}:
                return False
            sizes = all((folder / file.name).stat().st_size == file.size for file in self.files)
            return sizes and all(digest_file(folder / file.name) == file.digest for file in self.files)


def read_state(folder: Path) -> tuple[ExportState, Digest] | None:
    """The state in ``folder`` and the digest of its bytes; None when there is none that can be used."""
    path = folder / STATE_FILE
    if not path.is_file():
        return None
    with storage_errors():
        data = path.read_bytes()
    wire: _Wire | None = None
    try:
        wire = msgspec.json.decode(data, type=_Wire)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        wire = None
    state = _state(wire) if wire is not None and wire.format == _FORMAT else None
    return (state, digest_bytes(data)) if state is not None else None


def _state(wire: _Wire) -> ExportState | None:
    """The checked state. File names and times become paths and requests, so their form decides."""
    time = wire.transaction_time
    if time is not None and not INSTANT.match(time):
        return None
    files = [_file(file) for file in wire.files]
    known = tuple(file for file in files if file is not None)
    request: Digest | None = None
    try:
        request = Digest(wire.request)
    except ValueError:
        request = None
    if request is None or len(known) != len(files):
        return None
    members = frozenset(wire.members) if wire.members is not None else None
    return ExportState(
        request, Label(time) if time is not None else None, known, members, frozenset(wire.departed)
    )


def _file(file: _File) -> ExportedFile | None:
    match = _NAME.match(file.name)
    if match is None or match[1] not in RESOURCE_TYPES:
        return None
    try:
        digest = Digest(file.digest)
    except ValueError:
        return None
    return ExportedFile(Label(file.name), RESOURCE_TYPES[match[1]], file.lines, file.size, digest)


__all__ = ["STATE_FILE", "ExportState", "read_state"]
