"""What the server says was deleted: transaction Bundles of DELETE entries (Bulk Data Access IG 2.0).

Our reading: the entry's ``request.url`` is ``Type/id``, perhaps below the server's base. A conditional
delete, a version, or anything else says nothing that could be applied with certainty; it is counted, and
whoever asks then needs a full export.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from medcairn.core.files import storage_errors
from medcairn.export.merging.lines import key_of
from medcairn.export.ndjson import blocks_of, lines_of
from medcairn.export.resource_types import RESOURCE_TYPES

_URL: Final = re.compile(r"(?:https?://[^?#]+/|/(?:[^?#]+/)?)?([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})\Z")


class _Request(msgspec.Struct):
    method: str | None = None
    url: str | None = None


class _Entry(msgspec.Struct):
    request: _Request | None = None


class _Bundle(msgspec.Struct):
    resourceType: str | None = None  # noqa: N815  (FHIR's name)
    entry: list[_Entry] | None = None


_decode = msgspec.json.Decoder(_Bundle).decode


def deleted_keys(files: Iterable[Path]) -> Iterator[bytes | None]:
    """The key of each deleted resource; None for an entry or line that cannot be applied."""
    for path in files:
        with storage_errors(), path.open("rb") as stream:
            for line in lines_of(blocks_of(stream)):
                if line.strip():
                    yield from _keys(line)


def _keys(line: bytes) -> Iterator[bytes | None]:
    bundle: _Bundle | None = None
    try:
        bundle = _decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        bundle = None
    if bundle is None or bundle.resourceType != "Bundle":
        yield None
        return
    for entry in bundle.entry or ():
        yield _key(entry.request)


def _key(request: _Request | None) -> bytes | None:
    if request is None or request.method != "DELETE" or request.url is None:
        return None
    match = _URL.match(request.url)
    return key_of(match[1], match[2]) if match and match[1] in RESOURCE_TYPES else None


__all__ = ["deleted_keys"]
