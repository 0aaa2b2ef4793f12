"""One attachment from its address into the store.

A token goes to the FHIR server's own origin and nowhere else (the transport sees to that). A server may
answer a Binary as its content or wrapped in FHIR JSON (FHIR R4, Binary, "Serving Binary Resources"); both
end as the content.
"""

from __future__ import annotations

import base64
import binascii
import re
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urljoin

import httpx
import msgspec

from medcairn.core.errors import ExternalError, StorageError, TransientError
from medcairn.core.files import storage_errors
from medcairn.export.attachments.outcome import Content, Missing
from medcairn.export.attachments.store import Incoming, Store
from medcairn.export.bulkdata.http import ATTEMPTS, HttpClient
from medcairn.export.bulkdata.origins import Origin, check_target, origin_of

_MEDIA_TYPE: Final = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,60}/[a-z0-9][a-z0-9!#$&^_.+-]{0,120}\Z")
_FHIR_JSON: Final = frozenset({"application/fhir+json", "application/json+fhir", "application/json"})
_GONE: Final = frozenset({404, 410})
_WRAPPING_BYTES: Final = 1 << 16


class _Binary(msgspec.Struct, rename="camel"):
    resource_type: str = ""
    content_type: str | None = None
    data: str | None = None


@dataclass
class _Again(Exception):
    """The server asks to come back, or failed in a way that may pass."""

    retry_after: str | None
    outcome: Missing


@dataclass(frozen=True)
class Fetcher:
    """Fetches from ``client``'s own origin, with its token, and from ``allowed`` origins, without.

    ``most_bytes`` is the largest content that is taken. Thread-safe.
    """

    client: HttpClient
    base: str
    store: Store
    most_bytes: int
    allowed: frozenset[Origin]
    _unwrapping: threading.Lock = field(default_factory=threading.Lock)

    def address(self, url: str) -> str | Missing:
        """The absolute address that may be asked, or why there is none."""
        joined: str | None = None
        try:
            joined = urljoin(f"{self.base}/", url.strip())
        except ValueError:
            joined = None
        origin = origin_of(joined) if joined is not None else None
        if joined is None or origin is None or url.startswith("#"):
            return Missing.NOT_HTTP
        if not self._is_allowed(origin):
            return Missing.OTHER_ORIGIN
        with suppress(ExternalError):
            check_target(joined, self.client.home)
            return joined
        return Missing.OTHER_ORIGIN

    def fetch(self, address: str, declared: str | None) -> Content | Missing:
        """The content at ``address``; ``declared`` is the content type that the attachment says.

        Raises :class:`ExternalError` when the time for everything is up, :class:`StorageError` when the
        disk refuses, :class:`Interrupted`.
        """
        wanted = media_type(declared)
        headers = {"Accept": f"{wanted}, */*;q=0.5" if wanted else "*/*"}
        outcome = Missing.UNREACHABLE
        for attempt in range(1, ATTEMPTS + 1):
            retry_after: str | None = None
            try:
                return self._fetch_once(address, headers, wanted)
            except _Again as signal:
                retry_after, outcome = signal.retry_after, signal.outcome
            except TransientError:
                outcome = Missing.UNREACHABLE
            except StorageError:
                raise
            except ExternalError:  # a forbidden redirect, no connection, no token: the same again next time
                self.client.patience.check()
                return Missing.UNREACHABLE
            if attempt < ATTEMPTS:
                self.client.patience.wait_to_retry(attempt, retry_after)
        return outcome

    def _fetch_once(self, address: str, headers: dict[str, str], declared: str | None) -> Content | Missing:
        with (
            self.store.incoming() as incoming,
            self.client.stream("GET", address, authorize=True, headers=headers) as response,
        ):
            status = response.status_code
            if status in (408, 425, 429) or status >= 500:
                raise _Again(response.headers.get("retry-after"), Missing.SERVER_ERROR)
            arrived_from = origin_of(str(response.url))
            if arrived_from is None or not self._is_allowed(arrived_from):
                return Missing.REDIRECTED
            if status != 200:
                return Missing.GONE if status in _GONE else Missing.REFUSED
            told = media_type(response.headers.get("content-type"))
            return self._take(response, incoming, told or declared)

    def _take(
        self, response: httpx.Response, incoming: Incoming, content_type: str | None
    ) -> Content | Missing:
        wrapped = content_type in _FHIR_JSON
        limit = self.most_bytes * 4 // 3 + _WRAPPING_BYTES if wrapped else self.most_bytes
        for block in response.iter_bytes():
            self.client.patience.check()
            if incoming.size + len(block) > limit:
                return Missing.TOO_LARGE
            with storage_errors():
                incoming.write(block)
        if wrapped:
            unwrapped = self._unwrapped(incoming)
            if unwrapped is not None:
                return unwrapped
            if incoming.size > self.most_bytes:
                return Missing.TOO_LARGE
        self.store.keep(incoming)
        return Content(incoming.digest, incoming.size, incoming.sha1, content_type)

    def _unwrapped(self, incoming: Incoming) -> Content | Missing | None:
        """The content of a Binary resource; None for JSON that is none. One at a time, to bound memory."""
        with self._unwrapping:
            with storage_errors():
                incoming.stream.flush()
                body = incoming.path.read_bytes()
            binary: _Binary | None = None
            try:
                binary = msgspec.json.decode(body, type=_Binary)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                binary = None
            if binary is None or binary.resource_type != "Binary":
                return None
            return keep_base64(
                self.store, binary.data or "", media_type(binary.content_type), self.most_bytes
            )

    def _is_allowed(self, origin: Origin) -> bool:
        return origin == self.client.home or origin in self.allowed


def keep_base64(store: Store, data: str, content_type: str | None, most_bytes: int) -> Content | Missing:
    """Base64 data (RFC 4648, white space allowed as in FHIR R4) into the store."""
    content: bytes | None = None
    try:
        content = base64.b64decode("".join(data.split()), validate=True)
    except (binascii.Error, ValueError):
        content = None
    if content is None:
        return Missing.BAD_DATA
    if len(content) > most_bytes:
        return Missing.TOO_LARGE
    with store.incoming() as incoming:
        with storage_errors():
            incoming.write(content)
        store.keep(incoming)
        return Content(incoming.digest, incoming.size, incoming.sha1, content_type)


def media_type(text: str | None) -> str | None:
    """``type/subtype`` in lower case without parameters; None for anything else."""
    bare = (text or "").partition(";")[0].strip().lower()
    return bare if _MEDIA_TYPE.match(bare) else None


__all__ = ["Fetcher", "keep_base64", "media_type"]
