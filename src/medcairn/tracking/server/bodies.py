"""Bodies of requests: read with a cap, inflated with a cap, parsed so that no two parsers read them apart."""

from __future__ import annotations

import json
import tempfile
import zlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO, cast

from starlette.types import Message, Receive, Scope

from medcairn.core.canonical import JSON
from medcairn.tracking.server.refusals import Check, RequestRefused

_CHUNK = 1 << 18
_IN_MEMORY = 1 << 20
_GZIP = 16 + zlib.MAX_WBITS

Headers = Mapping[str, str]
"""Header fields by their name in lower case. One that comes twice is refused before."""

_ONCE = frozenset({
    "authorization", "content-encoding", "content-length", "content-type", "host", "transfer-encoding",
})  # fmt: skip


def read_headers(scope: Scope) -> dict[str, str]:
    """The header fields. Raises :class:`RequestRefused` for those that two readers could read apart."""
    found: dict[str, str] = {}
    for name, value in scope["headers"]:
        key = name.decode("latin-1").lower()
        if key in found and (key in _ONCE or key.startswith("x-")):
            raise RequestRefused(400, Check.FORM, "A header field comes twice")
        found[key] = value.decode("latin-1")
    if "content-length" in found and "transfer-encoding" in found:
        raise RequestRefused(400, Check.FORM, "Content-Length and Transfer-Encoding exclude each other")
    return found


@dataclass
class Spooled:
    """A body in memory, or from 1 MiB on in a file without a name (mode 0600). Close it."""

    stream: BinaryIO
    size: int

    async def messages(self) -> AsyncIterator[Message]:
        """The body as ASGI messages, from the beginning."""
        self.stream.seek(0)
        left = self.size
        while True:
            chunk = self.stream.read(_CHUNK)
            left -= len(chunk)
            yield {"type": "http.request", "body": chunk, "more_body": left > 0}
            if left <= 0:
                return

    def bytes(self) -> bytes:
        self.stream.seek(0)
        return self.stream.read()

    def close(self) -> None:
        self.stream.close()


async def spool(receive: Receive, headers: Headers, *, most_bytes: int) -> Spooled:
    """The whole body, inflated when it is gzip.

    Raises :class:`RequestRefused`: 413 over ``most_bytes`` (before or after inflating), 415 for another
    encoding, 400 for gzip that is damaged, cut off or followed by something.
    """
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip", ""):
        raise RequestRefused(415, Check.FORM, "A body may be sent plain or as gzip")
    declared = headers.get("content-length", "")
    if declared.isdigit() and int(declared) > most_bytes:
        raise _too_large()
    inflater = zlib.decompressobj(_GZIP) if encoding == "gzip" else None
    spooled = Spooled(cast("BinaryIO", tempfile.SpooledTemporaryFile(_IN_MEMORY)), 0)  # noqa: SIM115
    whole = False
    try:
        received = 0
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise RequestRefused(400, Check.FORM, "The body was cut off")
            chunk = message.get("body", b"")
            more = message.get("more_body", False)
            received += len(chunk)
            if received > most_bytes:
                raise _too_large()
            plain = chunk if inflater is None else _inflated(inflater, chunk, most_bytes - spooled.size)
            spooled.stream.write(plain)
            spooled.size += len(plain)
        if inflater is not None and received and not inflater.eof:
            raise RequestRefused(400, Check.FORM, "The gzip body is cut off")
        whole = True
    finally:
        if not whole:
            spooled.close()
    return spooled


def _inflated(inflater: zlib._Decompress, chunk: bytes, room: int) -> bytes:
    plain: bytes | None = None
    try:
        plain = inflater.decompress(chunk, room + 1)
    except zlib.error:
        plain = None
    if plain is None or inflater.unused_data:
        raise RequestRefused(400, Check.FORM, "The gzip body cannot be read as one whole")
    if len(plain) > room or inflater.unconsumed_tail:
        raise _too_large()
    return plain


def _too_large() -> RequestRefused:
    return RequestRefused(413, Check.SIZE, "The body is larger than this server takes")


def parse_json(data: bytes, headers: Headers) -> JSON:
    """A JSON body; None when there is none.

    UTF-8 only, no key twice in an object (RFC 8259, section 4, leaves open which of two counts), an object at
    the top. Raises :class:`RequestRefused`.
    """
    if not data.strip():
        return None
    media_type, _, parameters = headers.get("content-type", "application/json").partition(";")
    if media_type.strip().lower() != "application/json":
        raise RequestRefused(415, Check.FORM, "This route takes application/json")
    charset = parameters.strip().lower().replace('"', "").replace(" ", "")
    if charset not in ("", "charset=utf-8"):
        raise RequestRefused(415, Check.FORM, "JSON is UTF-8 here")
    value: JSON = None
    parsed = False
    try:
        text = data.decode("utf-8")
        value = json.loads(text, object_pairs_hook=_object)
        json.dumps(value, ensure_ascii=False).encode("utf-8")  # no half of a surrogate pair
        parsed = True
    except (ValueError, RecursionError):
        parsed = False
    if not parsed or not isinstance(value, dict):
        raise RequestRefused(400, Check.FORM, "The body is not one JSON object in UTF-8 with each key once")
    return value


def _object(pairs: list[tuple[str, JSON]]) -> dict[str, JSON]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError
    return found


__all__ = ["Headers", "Spooled", "parse_json", "read_headers", "spool"]
