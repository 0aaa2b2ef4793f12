"""Who is in a group: its Group resource says, or else an export of its Patient resources does."""

from __future__ import annotations

from pathlib import Path
from typing import Final
from urllib.parse import quote

import msgspec

from medcairn.core.errors import MedcairnError
from medcairn.core.files import storage_errors
from medcairn.export.bulkdata.http import HttpClient
from medcairn.export.merging.lines import patient_id, read_dated
from medcairn.export.ndjson import blocks_of, lines_of
from medcairn.export.report import ExportReport

_ID_BYTES: Final = 64


class _Reference(msgspec.Struct):
    reference: str | None = None


class _Member(msgspec.Struct):
    entity: _Reference | None = None
    inactive: bool = False


class _Group(msgspec.Struct, rename="camel"):
    resource_type: str = ""
    quantity: int | None = None
    member: list[_Member] | None = None


def members_listed(client: HttpClient, base: str, group: str) -> frozenset[str] | None:
    """Ids of the active members that ``GET Group/{id}`` lists.

    None when that does not tell for certain: the server refuses, the group is defined by characteristics,
    members are fewer than its ``quantity``, or one of them is no reference to a Patient.
    """
    answer = None
    try:
        url = f"{base}/Group/{quote(group, safe='')}"
        answer = client.ask("GET", url, authorize=True, headers={"Accept": "application/fhir+json"})
    except MedcairnError:
        answer = None
    if answer is None or answer.status != 200:
        return None
    found: _Group | None = None
    try:
        found = msgspec.json.decode(answer.body, type=_Group)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        found = None
    return _ids(found) if found is not None and found.resource_type == "Group" else None


def members_exported(report: ExportReport, folder: Path) -> frozenset[str]:
    """Ids of the Patient resources in an export."""
    found: set[str] = set()
    for file in report.files:
        if file.resource_type != "Patient":
            continue
        with storage_errors(), (folder / file.name).open("rb") as stream:
            for line in lines_of(blocks_of(stream)):
                dated = read_dated(line) if line.strip() else None
                if dated is not None and len(dated.id) <= _ID_BYTES:
                    found.add(dated.id)
    return frozenset(found)


def _ids(group: _Group) -> frozenset[str] | None:
    members = group.member or []
    if group.quantity is not None and len(members) < group.quantity:
        return None
    if not members and group.quantity != 0:
        return None
    entities = [member.entity for member in members if not member.inactive]
    ids = [patient_id(entity.reference) if entity and entity.reference else None for entity in entities]
    return None if None in ids else frozenset(found for found in ids if found is not None)


__all__ = ["members_exported", "members_listed"]
