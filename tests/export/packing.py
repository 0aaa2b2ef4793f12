"""Resources packed as people pack them: NDJSON or Bundles, plain, gzip or Zstandard."""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Callable, Sequence

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


def zstd_compressed(data: bytes) -> bytes:
    """One Zstandard frame."""
    return zstd.compress(data)


COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    "": lambda data: data,
    ".gz": gzip.compress,
    ".zst": zstd_compressed,
}


def bundle_of(resources: Sequence[bytes], kind: str = "collection") -> bytes:
    """A Bundle around resources, whose text is not touched."""
    entries = b",".join(b'{"resource":' + line + b"}" for line in resources)
    return b'{"resourceType":"Bundle","type":"%s","entry":[%s]}' % (kind.encode(), entries)


def pretty_bundle_of(resources: Sequence[bytes]) -> bytes:
    """The same with its own members on several lines, the type last, as some servers write it."""
    entries = b",\r\n  ".join(b'{"resource":\n' + line + b"\n}" for line in resources)
    return b'\xef\xbb\xbf{\r\n "entry" : [\r\n' + entries + b'],\n "type":"batch", "resourceType":"Bundle"}\n'


def ndjson_of(resources: Sequence[bytes]) -> bytes:
    """A line each."""
    return b"".join(line + b"\n" for line in resources)


def windows_ndjson_of(resources: Sequence[bytes]) -> bytes:
    """With a byte order mark, carriage returns, a blank line, and no end of the last line."""
    return b"\xef\xbb\xbf\r\n" + b"\r\n".join(resources)


def bundle_lines_of(resources: Sequence[bytes]) -> bytes:
    """NDJSON of Bundles of two."""
    pairs = [resources[n : n + 2] for n in range(0, len(resources), 2)]
    return ndjson_of([bundle_of(pair, "searchset") for pair in pairs])


PACKINGS: dict[str, Callable[[Sequence[bytes]], bytes]] = {
    "lines.ndjson": ndjson_of,
    "windows.jsonl": windows_ndjson_of,
    "bundle.json": bundle_of,
    "pretty.json": pretty_bundle_of,
    "bundles.ndjson": bundle_lines_of,
    "misnamed.json": ndjson_of,
}


def resource_line(resource_type: str, resource_id: str, more: str = "") -> bytes:
    """One resource as text; ``more`` are further members."""
    start = f'{{"resourceType":{json.dumps(resource_type)},"id":{json.dumps(resource_id)}'
    return (start + (f",{more}" if more else "") + "}").encode()


__all__ = [
    "COMPRESSIONS",
    "PACKINGS",
    "bundle_lines_of",
    "bundle_of",
    "ndjson_of",
    "pretty_bundle_of",
    "resource_line",
    "windows_ndjson_of",
    "zstd_compressed",
]
