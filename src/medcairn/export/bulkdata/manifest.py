"""The server's manifest of a finished export, read tolerantly and checked where it matters.

The Bulk Data Access IG 2.0 names the members; servers leave some out, send counts as text, and add their
own. What decides is checked: types and addresses, because they become file names and requests.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import urljoin

import msgspec

from medcairn.core.errors import ExternalError
from medcairn.core.labels import Label
from medcairn.export.bulkdata.request import INSTANT
from medcairn.export.outputs import DELETIONS_FOLDER, ERRORS_FOLDER, file_name

_TYPE: Final = re.compile(r"[A-Z][A-Za-z]{1,63}\Z")
_COUNT: Final = re.compile(r"\d{1,15}\Z")


class BadManifest(ExternalError):
    """The manifest cannot be used: the export has to be asked for anew."""


Role = Literal["output", "deleted", "error"]


class _Entry(msgspec.Struct):
    url: str
    type: str | None = None
    count: int | float | str | None = None


class _Link(msgspec.Struct):
    relation: str | None = None


class _Wire(msgspec.Struct, rename="camel"):
    output: list[_Entry]
    transaction_time: str | None = None
    requires_access_token: bool = False
    deleted: list[_Entry] | None = None
    error: list[_Entry] | None = None
    outcome: list[_Entry] | None = None
    link: list[_Link] | None = None


@dataclass(frozen=True)
class Listed:
    """One file that the manifest lists.

    ``path`` is its place below the output folder: it has no separator but the one we put there. ``count``
    is the number of resources that the server says it holds, None when it says none.
    """

    path: Label
    resource_type: Label
    url: str
    count: int | None
    role: Role


@dataclass(frozen=True)
class BulkManifest:
    """A finished export. ``files`` are outputs by type and then as listed, then deletions, then errors."""

    transaction_time: Label | None
    requires_access_token: bool
    files: tuple[Listed, ...]

    def of(self, role: Role) -> tuple[Listed, ...]:
        """The files of one role."""
        return tuple(file for file in self.files if file.role == role)


def parse_manifest(body: bytes, status_url: str) -> BulkManifest:
    """The manifest that came as ``body`` from ``status_url`` (relative addresses are relative to that).

    Raises :class:`BadManifest` when it cannot be read, names a type that is none, or has further pages.
    """
    wire: _Wire | None = None
    try:
        wire = msgspec.json.decode(body, type=_Wire)
    except (msgspec.DecodeError, UnicodeDecodeError):
        wire = None
    if wire is None:
        raise BadManifest("The server's manifest of the export cannot be read")
    if any(link.relation == "next" for link in wire.link or []):
        raise BadManifest(
            "The server's manifest has further pages, which this version does not read",
            hint="Ask for fewer types at a time with --types",
        )
    output = [_listed(entry, position, status_url) for position, entry in enumerate(wire.output, start=1)]
    files = [*_named(output, "output", "")]
    files += _named(
        [_fixed(e, status_url, "Bundle") for e in wire.deleted or []], "deleted", DELETIONS_FOLDER
    )
    problems = [*(wire.error or []), *(wire.outcome or [])]
    files += _named([_fixed(e, status_url, "OperationOutcome") for e in problems], "error", ERRORS_FOLDER)
    return BulkManifest(_instant(wire.transaction_time), wire.requires_access_token, tuple(files))


_Found = tuple[str, str, int | None]


def _listed(entry: _Entry, position: int, status_url: str) -> _Found:
    if entry.type is None or not _TYPE.match(entry.type):
        raise BadManifest("The manifest lists a file of a type that is no resource type", position=position)
    return entry.type, _joined(status_url, entry.url), _count(entry.count)


def _fixed(entry: _Entry, status_url: str, resource_type: str) -> _Found:
    """Files of deletions and errors are of one type; their counts are not dependable and not used."""
    return resource_type, _joined(status_url, entry.url), None


def _joined(status_url: str, url: str) -> str:
    joined: str | None = None
    try:
        joined = urljoin(status_url, url)
    except ValueError:
        joined = None
    if joined is None:
        raise BadManifest("The manifest lists an address that is no URL")
    return joined


def _named(found: list[_Found], role: Role, folder: str) -> list[Listed]:
    """Files with their names: numbered within their type in the order of the manifest."""
    named = []
    numbers: dict[str, int] = {}
    for resource_type, url, count in sorted(found, key=lambda item: item[0]):
        number = numbers.get(resource_type, 0)
        numbers[resource_type] = number + 1
        name = file_name(resource_type, number)
        path = Label(f"{folder}/{name}") if folder else name
        named.append(Listed(path, Label(resource_type), url, count, role))
    return named


def _count(count: float | str | None) -> int | None:
    if isinstance(count, str):
        return int(count) if _COUNT.match(count) else None
    return int(count) if count is not None and count >= 0 else None


def _instant(text: str | None) -> Label | None:
    return Label(text) if text is not None and INSTANT.match(text) else None


__all__ = ["BadManifest", "BulkManifest", "Listed", "Role", "parse_manifest"]
