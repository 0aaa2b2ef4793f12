"""Attachments on request: from the addresses in exported resources to files named by their content."""

from __future__ import annotations

import base64
import binascii
import os
import re
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final

from medcairn.core.canonical import JSON, canonical_json
from medcairn.core.clock import Clock, Ids
from medcairn.core.errors import ExternalError, UsageError
from medcairn.core.files import storage_errors, sync_folder
from medcairn.core.progress import Progress
from medcairn.export.attachments.elements import Attachment, attachments_on
from medcairn.export.attachments.fetching import Fetcher, keep_base64, media_type
from medcairn.export.attachments.memory import Memory, address_key
from medcairn.export.attachments.outcome import Content, Missing
from medcairn.export.attachments.report import AttachmentReport
from medcairn.export.attachments.store import Store
from medcairn.export.bulkdata.connection import Timing, connected
from medcairn.export.bulkdata.origins import Origin, origin_of
from medcairn.export.credentials import Credentials
from medcairn.export.ndjson import blocks_of, lines_of
from medcairn.export.outputs import PARTIAL

FOLDER: Final = "attachments"
INDEX_FILE: Final = "index.ndjson"
MEMORY_FILE: Final = "fetched.sqlite"
MOST_BYTES: Final = 100 << 20
PARALLEL: Final = 4
TIME_LIMIT_SECONDS: Final = 12 * 3600.0
_AHEAD: Final = 8
_MOST_LOST: Final = 10
_NAME: Final = re.compile(r"[A-Z][A-Za-z]+\.\d{3,}\.ndjson\Z")
_CONTENT: Final = re.compile(r"[0-9a-f]{64}\Z")


def fetch_attachments(
    base_url: str,
    export_dir: Path,
    *,
    credentials: Credentials | None,
    progress: Progress,
    clock: Clock,
    sleep: Callable[[float], None] = time.sleep,
    monotonic: Callable[[], float] = time.monotonic,
    ids: Ids | None = None,
    parallel: int = PARALLEL,
    time_limit_seconds: float = TIME_LIMIT_SECONDS,
    most_bytes: int = MOST_BYTES,
    allowed_origins: Iterable[str] = (),
    inline: bool = False,
    memory_file: Path | None = None,
) -> AttachmentReport:
    """Fetch what the attachments in ``export_dir`` point to, into ``export_dir/attachments``.

    Each content becomes a file named by its SHA-256. ``index.ndjson`` there has a line for every
    attachment: the exported file, its line (from 1), the element path, and the content's ``digest``,
    ``size`` and ``content_type``, or why it is ``missing``. The FHIR server's own origin is asked with the
    token, ``allowed_origins`` (``https://host``) without, no other at all. ``inline`` also takes the data
    that resources hold themselves. Contents are never larger than ``most_bytes``, and fit the attachment's
    hash where it has one.

    What cannot be had is counted, not raised. When the process dies, the same call fetches only what is
    missing; a caller who still has to give the export its final name gives ``memory_file``, a path outside,
    and removes that file afterwards.

    Raises :class:`UsageError` for a wrong address, folder or origin, :class:`ExternalError` when the server
    went away or the time is up.
    """
    if not export_dir.is_dir():
        raise UsageError("There is no such export", folder=export_dir)
    allowed = _origins(allowed_origins)
    timing = Timing(clock, sleep, monotonic, time_limit_seconds)
    store = Store(export_dir / FOLDER)
    memory = Memory(memory_file or store.folder / MEMORY_FILE)
    try:
        with connected(base_url, credentials, timing, ids) as (client, base):
            fetcher = Fetcher(client, base, store, most_bytes, allowed)
            run = _Run(fetcher, store, memory, inline=inline, progress=progress)
            progress.begin("Fetching attachments", None, "attachments")
            with ThreadPoolExecutor(parallel, "medcairn-attachments") as pool:
                try:
                    run.run(export_dir, pool, parallel * _AHEAD)
                except BaseException:
                    client.patience.stopped.set()
                    pool.shutdown(cancel_futures=True)
                    raise
        report = run.report()
        if memory_file is None:
            memory.remove()
        return report
    finally:
        memory.close()


@dataclass(frozen=True)
class _Item:
    """An attachment, where it was found, and its content or the fetch that will tell."""

    file: str
    line: int
    attachment: Attachment
    key: bytes | None
    result: Content | Missing | Future[Content | Missing]


@dataclass
class _Run:
    """One pass over an export. The window of fetches under way bounds memory; the index is in file order."""

    fetcher: Fetcher
    store: Store
    memory: Memory
    inline: bool
    progress: Progress
    _window: deque[_Item] = field(default_factory=deque)
    _under_way: dict[bytes, Future[Content | Missing]] = field(default_factory=dict)
    _missing: Counter[str] = field(default_factory=Counter)
    _found: int = 0
    _kept: int = 0
    _verified: int = 0
    _left_inline: int = 0
    _lost_in_a_row: int = 0

    def run(self, export_dir: Path, pool: ThreadPoolExecutor, ahead: int) -> None:
        """Every attachment, in order of files and lines, with up to ``ahead`` fetches under way."""
        index = self.store.folder / INDEX_FILE
        partial = index.with_name(index.name + PARTIAL)
        with storage_errors():
            descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            for file, line, attachment in _attachments(export_dir):
                if attachment.data is not None and not self.inline:
                    self._left_inline += 1
                    continue
                self._window.append(self._item(file, line, attachment, pool))
                while len(self._window) >= ahead:
                    self._settle(stream)
            while self._window:
                self._settle(stream)
            with storage_errors():
                stream.flush()
                os.fsync(stream.fileno())
        with storage_errors():
            partial.replace(index)
            self._sweep()
            sync_folder(self.store.folder)

    def report(self) -> AttachmentReport:
        """The numbers so far."""
        contents, size = self.memory.used()
        return AttachmentReport(
            found=self._found + self._left_inline,
            kept=self._kept,
            contents=contents,
            size=size,
            verified=self._verified,
            left_inline=self._left_inline,
            missing=dict(sorted(self._missing.items())),
        )

    def _item(self, file: str, line: int, attachment: Attachment, pool: ThreadPoolExecutor) -> _Item:
        if attachment.data is not None:
            content_type = media_type(attachment.content_type)
            kept = keep_base64(self.store, attachment.data, content_type, self.fetcher.most_bytes)
            return _Item(file, line, attachment, None, kept)
        address = self.fetcher.address(attachment.url or "")
        if isinstance(address, Missing):
            return _Item(file, line, attachment, None, address)
        key = address_key(address)
        known = self.memory.get(key)
        if isinstance(known, Missing) or (known and self.store.has(known.digest, known.size)):
            return _Item(file, line, attachment, None, known)
        if key not in self._under_way:
            self._under_way[key] = pool.submit(self.fetcher.fetch, address, attachment.content_type)
        return _Item(file, line, attachment, key, self._under_way[key])

    def _settle(self, stream: BinaryIO) -> None:
        """Wait for the oldest attachment, remember and write what became of it."""
        item = self._window.popleft()
        result = item.result.result() if isinstance(item.result, Future) else item.result
        if item.key is not None and self._under_way.pop(item.key, None) is not None:
            self.memory.put(item.key, result)
            self._refuse_outage(result)
        outcome, verified = _checked(result, item.attachment.sha1)
        self._found += 1
        self._verified += verified
        record: dict[str, JSON] = {"file": item.file, "line": item.line, "path": item.attachment.path}
        if isinstance(outcome, Content):
            self._kept += 1
            self.memory.use(outcome)
            content_type = outcome.content_type or media_type(item.attachment.content_type)
            record |= {"digest": outcome.digest, "size": outcome.size, "content_type": content_type}
        else:
            self._missing[outcome.value] += 1
            record["missing"] = outcome.value
        with storage_errors():
            stream.write(canonical_json(record) + b"\n")
        self.progress.advance(1)

    def _refuse_outage(self, result: Content | Missing) -> None:
        """A server that went away is no reason to write off everything that is still to be fetched."""
        self._lost_in_a_row = self._lost_in_a_row + 1 if result is Missing.UNREACHABLE else 0
        if self._lost_in_a_row >= _MOST_LOST:
            raise ExternalError(
                "The server does not deliver attachments any more",
                hint="Run the same command again; it goes on where it stopped",
                server=self.fetcher.client.home.label,
            )

    def _sweep(self) -> None:
        """Remove contents that the index does not name: those with a wrong hash, or of an earlier export."""
        for path in self.store.folder.iterdir():
            if _CONTENT.match(path.name) and not self.memory.is_used(path.name):
                path.unlink()


def _attachments(export_dir: Path) -> Iterator[tuple[str, int, Attachment]]:
    """File name, line and attachment, in order of file names and lines."""
    with storage_errors():
        files = sorted(path for path in export_dir.iterdir() if _NAME.match(path.name))
    for path in files:
        with storage_errors(), path.open("rb") as stream:
            for number, line in enumerate(lines_of(blocks_of(stream)), start=1):
                for attachment in attachments_on(line):
                    yield path.name, number, attachment


def _checked(result: Content | Missing, told: str | None) -> tuple[Content | Missing, bool]:
    """The content if it fits the attachment's hash, and whether there was one to fit."""
    expected = _sha1_hex(told)
    if not isinstance(result, Content) or expected is None:
        return result, False
    return (result, True) if expected == result.sha1 else (Missing.WRONG_HASH, False)


def _sha1_hex(told: str | None) -> str | None:
    """``Attachment.hash``: base64 of the SHA-1 (FHIR R4). Some servers write hex. None for anything else."""
    text = (told or "").strip()
    if re.fullmatch(r"[0-9A-Fa-f]{40}", text):
        return text.lower()
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return data.hex() if len(data) == 20 else None


def _origins(texts: Iterable[str]) -> frozenset[Origin]:
    found = [origin_of(text) for text in texts]
    origins = frozenset(origin for origin in found if origin is not None)
    if None in found:
        raise UsageError(
            "An allowed origin is no http(s) address", hint="For example https://files.example.org"
        )
    return origins


__all__ = ["FOLDER", "INDEX_FILE", "MOST_BYTES", "fetch_attachments"]
