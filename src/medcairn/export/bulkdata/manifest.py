"""The server's manifest of a finished export, read tolerantly and checked where it matters.

The Bulk Data Access IG 2.0 names the members; servers leave some out, send counts as text, and add their
own. What decides is checked: types and addresses, because they become file names and requests.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal
from urllib.parse import urljoin, urlsplit

import msgspec

from medcairn.core.errors import ExternalError
from medcairn.core.labels import Label
from medcairn.export.bulkdata.request import INSTANT
from medcairn.export.outputs import DELETIONS_FOLDER, ERRORS_FOLDER, file_name

_TYPE: Final = re.compile(r"[A-Z][A-Za-z]{1,63}\Z")
_COUNT: Final = re.compile(r"\d{1,15}\Z")

ORGANIZED_FOLDER: Final = "organized"
"""Files of several types lie here until they are sorted."""


class BadManifest(ExternalError):
    """The manifest cannot be used: the export has to be asked for anew."""


Role = Literal["output", "organized", "deleted", "error"]


class _Entry(msgspec.Struct, rename="camel"):
    url: str
    type: str | None = None
    count: int | float | str | None = None
    continues_in_file: str | None = None


class _Link(msgspec.Struct):
    relation: str | None = None
    url: str | None = None


class _Wire(msgspec.Struct, rename="camel"):
    output: list[_Entry]
    transaction_time: str | None = None
    requires_access_token: bool = False
    output_organized_by: str | None = None
    deleted: list[_Entry] | None = None
    error: list[_Entry] | None = None
    outcome: list[_Entry] | None = None
    link: list[_Link] | None = None


_FOLDERS: Final[dict[Role, str]] = {
    "output": "",
    "organized": ORGANIZED_FOLDER,
    "deleted": DELETIONS_FOLDER,
    "error": ERRORS_FOLDER,
}


@dataclass(frozen=True)
class Listed:
    """One file that the manifest lists.

    ``path`` is its place below the output folder: it has no separator but the one we put there. ``count``
    is the number of resources that the server says it holds, None when it says none. ``authorize`` is the
    manifest's ``requiresAccessToken``. ``key`` names the address but for its query, which may be a signature
    that changes. A file of role ``organized`` holds resources of several types about one of
    ``resource_type`` after another.
    """

    path: Label
    resource_type: Label
    url: str
    count: int | None
    role: Role
    authorize: bool = False
    key: str = ""


@dataclass(frozen=True)
class Page:
    """One page of a manifest. ``next_url`` is where the next one is."""

    transaction_time: Label | None
    next_url: str | None
    found: tuple[_Found, ...]

    @property
    def outputs(self) -> int:
        """Files of resources."""
        return sum(item.role in ("output", "organized") for item in self.found)

    @property
    def deletions(self) -> int:
        """Files of deletions."""
        return sum(item.role == "deleted" for item in self.found)

    @property
    def errors(self) -> int:
        """Files of errors."""
        return sum(item.role == "error" for item in self.found)


@dataclass(frozen=True)
class _Found:
    role: Role
    resource_type: str
    url: str
    count: int | None
    authorize: bool
    continues_in: str | None = None


@dataclass(frozen=True)
class BulkManifest:
    """A finished export. ``files`` are outputs by type and then as listed, then deletions, then errors.

    ``expires`` is when the server means to remove them, None when it does not say.
    """

    transaction_time: Label | None
    files: tuple[Listed, ...]
    pages: tuple[Page, ...] = ()
    expires: datetime | None = None

    def of(self, role: Role) -> tuple[Listed, ...]:
        """The files of one role."""
        return tuple(file for file in self.files if file.role == role)


def parse_page(body: bytes, page_url: str) -> Page:
    """The page that came as ``body`` from ``page_url`` (relative addresses are relative to that).

    ``outcome`` is what STU4 calls ``error``. Raises :class:`BadManifest` when the page cannot be read, or
    names a type that is none.
    """
    wire: _Wire | None = None
    try:
        wire = msgspec.json.decode(body, type=_Wire)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        wire = None
    if wire is None:
        raise BadManifest("The server's manifest of the export cannot be read")
    organized = wire.output_organized_by
    if organized is not None and not _TYPE.match(organized):
        raise BadManifest("The manifest's output is organized by what is no resource type")
    token = wire.requires_access_token
    found = [
        _output(entry, number, page_url, organized, token) for number, entry in enumerate(wire.output, 1)
    ]
    for role, fixed, entries in (
        ("deleted", "Bundle", wire.deleted or []),
        ("error", "OperationOutcome", [*(wire.error or []), *(wire.outcome or [])]),
    ):
        # Files of deletions and errors are of one type; their counts are not dependable and not used.
        kind: Role = "deleted" if role == "deleted" else "error"
        found += [_Found(kind, fixed, _joined(page_url, entry.url), None, token) for entry in entries]
    onward = next((link.url for link in wire.link or [] if link.relation == "next" and link.url), None)
    next_url = _joined(page_url, onward) if onward is not None else None
    return Page(_instant(wire.transaction_time), next_url, tuple(found))


def manifest_of(pages: Sequence[Page], expires: datetime | None) -> BulkManifest:
    """The whole manifest from all its pages, in order.

    Its transaction time is the earliest that a page names: what changed after that may be missing
    somewhere. Raises :class:`BadManifest` when a file of resources is listed twice, or goes on in one that
    is not listed.
    """
    found = [item for page in pages for item in page.found]
    outputs = [item for item in found if item.role in ("output", "organized")]
    if len({item.url for item in outputs}) != len(outputs):
        raise BadManifest("The manifest lists a file twice")
    if {item.continues_in for item in outputs} - {item.url for item in outputs} - {None}:
        raise BadManifest("A file goes on in another that the manifest does not list")
    files: list[Listed] = []
    for role, folder in _FOLDERS.items():
        files += _named([item for item in found if item.role == role], folder)
    times = [page.transaction_time for page in pages if page.transaction_time is not None]
    earliest = min(times, key=datetime.fromisoformat) if len(times) == len(pages) else None
    return BulkManifest(earliest, tuple(files), tuple(pages), expires)


def _output(entry: _Entry, position: int, page_url: str, organized: str | None, token: bool) -> _Found:
    url, count = _joined(page_url, entry.url), _count(entry.count)
    if organized is not None:
        onward = _joined(page_url, entry.continues_in_file) if entry.continues_in_file else None
        return _Found("organized", organized, url, count, token, onward)
    if entry.type is None or not _TYPE.match(entry.type):
        raise BadManifest("The manifest lists a file of a type that is no resource type", position=position)
    return _Found("output", entry.type, url, count, token)


def _joined(status_url: str, url: str) -> str:
    joined: str | None = None
    try:
        joined = urljoin(status_url, url)
        urlsplit(joined)
    except ValueError:
        joined = None
    if joined is None:
        raise BadManifest("The manifest lists an address that is no URL")
    return joined


def _named(found: list[_Found], folder: str) -> list[Listed]:
    """Files with their names: numbered within their type in the order of the manifest."""
    named = []
    numbers: dict[str, int] = {}
    for item in sorted(found, key=lambda item: item.resource_type):
        number = numbers.get(item.resource_type, 0)
        numbers[item.resource_type] = number + 1
        name = file_name(item.resource_type, number)
        path = Label(f"{folder}/{name}") if folder else name
        resource_type = Label(item.resource_type)
        key = _key(item.url)
        named.append(Listed(path, resource_type, item.url, item.count, item.role, item.authorize, key))
    return named


def _key(url: str) -> str:
    parts = urlsplit(url)
    return hashlib.sha256(f"{parts.netloc}{parts.path}".encode()).hexdigest()[:16]


def _count(count: float | str | None) -> int | None:
    if isinstance(count, str):
        return int(count) if _COUNT.match(count) else None
    return int(count) if count is not None and count >= 0 else None


def _instant(text: str | None) -> Label | None:
    if text is None or not INSTANT.match(text):
        return None
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return None
    return Label(text)


__all__ = [
    "ORGANIZED_FOLDER",
    "BadManifest",
    "BulkManifest",
    "Listed",
    "Page",
    "Role",
    "manifest_of",
    "parse_page",
]
