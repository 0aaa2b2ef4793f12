"""What the source says was deleted: transaction Bundles of DELETE entries (Bulk Data Access IG 2.0).

They lie in ``deletions/*.ndjson[.gz]`` of the source folder. Our reading: the entry's ``request.url`` is
``Type/id``, perhaps below the server's base; anything else (a conditional delete, a version) names no
resource with certainty, is not applied, and goes to the quarantine. The time of the deletion is the entry's
``response.lastModified``, else the Bundle's ``timestamp``, else its ``meta.lastUpdated``, else not known.
"""

from __future__ import annotations

import gzip
import re
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec
import pyarrow as pa

from medcairn.core.errors import DataError
from medcairn.lakehouse.bronze.schema import instant_us
from medcairn.lakehouse.bronze.source import open_resources
from medcairn.lakehouse.quarantine import Quarantine, Reason

FOLDER: Final = "deletions"
DELETIONS: Final = pa.schema(
    [
        pa.field("id", pa.string()),
        pa.field("deleted_at", pa.string()),
        pa.field("deleted_us", pa.int64()),
        pa.field("source_file", pa.string()),
        pa.field("source_line", pa.int32()),
    ]
)
_FILE = re.compile(r"[A-Za-z0-9_.-]{1,200}\.ndjson(\.gz)?\Z")
_URL: Final = re.compile(r"(?:https?://[^?#]+/|/(?:[^?#]+/)?)?([A-Z][A-Za-z]{1,63})/([A-Za-z0-9\-.]{1,64})\Z")


class _Request(msgspec.Struct):
    method: str | None = None
    url: str | None = None


class _Response(msgspec.Struct):
    lastModified: str | None = None  # noqa: N815


class _Entry(msgspec.Struct):
    request: _Request | None = None
    response: _Response | None = None


class _Meta(msgspec.Struct):
    lastUpdated: str | None = None  # noqa: N815


class _Bundle(msgspec.Struct):
    resourceType: str | None = None  # noqa: N815
    timestamp: str | None = None
    meta: _Meta | None = None
    entry: list[_Entry] | None = None


_decode = msgspec.json.Decoder(_Bundle).decode
_Said = tuple[str | None, int | None, str, int]


@dataclass
class Deletions:
    """Deletions by resource type; of several of one resource the latest counts, a known time before none."""

    by_type: dict[str, dict[str, _Said]] = field(default_factory=dict)
    files: int = 0
    size: int = 0

    def add(self, resource_type: str, resource_id: str, time: str | None, file: str, line: int) -> None:
        said: _Said = (time, instant_us(time), file, line)
        known = self.by_type.setdefault(resource_type, {}).setdefault(resource_id, said)
        if _later(said, known):
            self.by_type[resource_type][resource_id] = said

    def table(self, resource_type: str) -> pa.Table:
        """The deletions of one type, with the columns :data:`DELETIONS`."""
        rows = sorted((key, *said) for key, said in self.by_type.get(resource_type, {}).items())
        if not rows:
            return pa.Table.from_batches([], DELETIONS)
        columns = zip(*rows, strict=True)
        arrays = [pa.array(values, f.type) for values, f in zip(columns, DELETIONS, strict=True)]
        return pa.Table.from_arrays(arrays, schema=DELETIONS)


def _later(said: _Said, known: _Said) -> bool:
    return said[1] is not None and (known[1] is None or said[1] > known[1])


def read_deletions(source_dir: Path, quarantine: Quarantine) -> Deletions:
    """Every deletion that the source folder states. What cannot be applied is noted in ``quarantine``.

    Raises :class:`DataError` for a packed file that is damaged.
    """
    found = Deletions()
    folder = source_dir / FOLDER
    files = sorted(p for p in folder.iterdir() if _FILE.match(p.name)) if folder.is_dir() else []
    for file in files:
        found.files, found.size = found.files + 1, found.size + file.stat().st_size
        broken = False
        try:
            with open_resources(file) as lines:
                for number, line in enumerate(lines, start=1):
                    if line.strip():
                        _read_line(line, f"{FOLDER}/{file.name}", number, found, quarantine)
        except (gzip.BadGzipFile, EOFError, zlib.error):
            broken = True
        if broken:
            raise DataError("A packed file is damaged or cut short", file=file)
    return found


def _read_line(line: bytes, file: str, number: int, found: Deletions, quarantine: Quarantine) -> None:
    bundle: _Bundle | None = None
    try:
        bundle = _decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        bundle = None
    if bundle is None or bundle.resourceType != "Bundle":
        quarantine.add("bronze", Reason.NOT_A_DELETION, "", file, number)
        return
    stated = bundle.timestamp or (bundle.meta.lastUpdated if bundle.meta else None)
    for entry in bundle.entry or ():
        key = _key(entry.request)
        if key is None:
            quarantine.add("bronze", Reason.NOT_A_DELETION, "", file, number)
            continue
        own = entry.response.lastModified if entry.response else None
        found.add(*key, own or stated, file, number)


def _key(request: _Request | None) -> tuple[str, str] | None:
    if request is None or request.method != "DELETE" or request.url is None:
        return None
    match = _URL.match(request.url)
    return (match[1], match[2]) if match else None


__all__ = ["DELETIONS", "FOLDER", "Deletions", "read_deletions"]
