"""Objects fetched to the local disk, each whole or absent, so that a rerun fetches only what is missing.

A spool is a folder in the PHI zone. An object lies in it under a digest of its key, never under its key,
and a line of the journal says which state of the object it is and what its bytes are. Nothing is flushed
to disk in between: after a power cut, bytes or lines that were lost do not match, and are fetched again.
"""

from __future__ import annotations

import hashlib
import os
import re
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec

from medcairn.core.digests import Digest, digest_file
from medcairn.core.files import private_folder, storage_errors, write_file
from medcairn.export.sources.objects.store import ObjectChanged, Objects, StoredObject

_JOURNAL: Final = "objects.journal"
_PARTIAL: Final = ".partial"
_OURS: Final = re.compile(r"[0-9a-f]{40}(\.partial)?\Z")


class _Stopped(Exception):
    """Another object failed, or the user stopped: nobody waits for this one."""


class _Line(msgspec.Struct, frozen=True):
    """One object that lies in the spool."""

    key: str
    mark: str
    size: int
    digest: str


_decode = msgspec.json.Decoder(_Line).decode


@dataclass
class Spool:
    """The spool in ``folder``. ``address`` tells it from a spool of another store, which is not reused."""

    folder: Path
    address: str
    _held: dict[str, _Line] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _stop: threading.Event = field(default_factory=threading.Event)

    def keep(self, items: Iterable[StoredObject]) -> list[StoredObject]:
        """Keep what an earlier run left and is still wanted as it is; the objects that are to be fetched."""
        private_folder(self.folder)
        lines = self._journal_lines()
        missing: list[StoredObject] = []
        with storage_errors():
            for item in items:
                line = lines.get(item.key)
                if line is not None and self._is_whole(line, item):
                    self._held[item.key] = line
                else:
                    missing.append(item)
            wanted = {self.path_of(key).name for key in self._held}
            for path in self.folder.iterdir():
                if _OURS.match(path.name) and path.name not in wanted:
                    path.unlink()
        write_file(self.folder / _JOURNAL, b"".join(map(_encoded, self._held.values())), private=True)
        return missing

    def fetch(
        self, objects: Objects, items: list[StoredObject], parallel: int, done: Callable[[int], None]
    ) -> None:
        """Fetch ``items``, several at once. What is complete stays in any case, for the next run.

        After an object that has changed the others are fetched none the less; any other failure ends it.

        Raises the first failure in order of ``items``.
        """
        with ThreadPoolExecutor(max_workers=parallel) as pool:
            futures = [pool.submit(self._fetch, objects, item) for item in items]
            try:
                self._wait(futures, done)
            finally:
                self._stop.set()
                pool.shutdown(cancel_futures=True)
        for future in futures:
            failure = None if future.cancelled() else future.exception()
            if failure is not None and not isinstance(failure, _Stopped):
                raise failure

    def path_of(self, key: str) -> Path:
        """Where the object lies once fetched."""
        return self.folder / hashlib.sha256(f"{self.address}\n{key}".encode()).hexdigest()[:40]

    def digest_of(self, key: str) -> Digest:
        """The digest of a fetched object's bytes."""
        return Digest(self._held[key].digest)

    def _wait(self, futures: list[Future[None]], done: Callable[[int], None]) -> None:
        pending = set(futures)
        while pending:
            finished, pending = wait(pending, return_when=FIRST_COMPLETED)
            done(len(finished))
            failures = [future.exception() for future in finished]
            if any(error is not None and not isinstance(error, ObjectChanged) for error in failures):
                return

    def _fetch(self, objects: Objects, item: StoredObject) -> None:
        path = self.path_of(item.key)
        partial = path.with_name(path.name + _PARTIAL)
        state = hashlib.sha256()
        with storage_errors():
            descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb", buffering=0) as stream:
                for block in objects.ranges(item):
                    if self._stop.is_set():
                        raise _Stopped
                    stream.write(block)
                    state.update(block)
            partial.replace(path)
            with self._lock:
                self._note(_Line(item.key, item.mark, item.size, "sha256:" + state.hexdigest()))

    def _note(self, line: _Line) -> None:
        descriptor = os.open(self.folder / _JOURNAL, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(_encoded(line))
        self._held[line.key] = line

    def _is_whole(self, line: _Line, item: StoredObject) -> bool:
        path = self.path_of(item.key)
        return (
            (line.mark, line.size) == (item.mark, item.size)
            and path.is_file()
            and path.stat().st_size == item.size
            and digest_file(path) == line.digest
        )

    def _journal_lines(self) -> dict[str, _Line]:
        """By key. A line that was cut short ends what is known."""
        path = self.folder / _JOURNAL
        found: dict[str, _Line] = {}
        with storage_errors():
            lines = path.read_bytes().split(b"\n") if path.is_file() else []
        for data in lines:
            try:
                line = _decode(data)
            except (msgspec.DecodeError, UnicodeDecodeError):
                break
            found[line.key] = line
        return found


def _encoded(line: _Line) -> bytes:
    return msgspec.json.encode(line) + b"\n"


__all__ = ["Spool"]
