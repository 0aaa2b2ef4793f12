"""Recording a prediction durably before it is answered.

First the record (features of a real patient: PHI zone) is committed to SQLite, then an event with its
digest is appended to the ledger. Requests that wait at the same time share one commit in either place. When
either fails the caller raises, and the service gives no answer. A record without an event is a prediction
that nobody was told.
"""

from __future__ import annotations

import os
import queue
import sqlite3
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from medcairn.audit import EventType
from medcairn.core.artifacts import ArtifactRef
from medcairn.core.canonical import JSON
from medcairn.core.errors import ExternalError, StorageError
from medcairn.core.files import private_folder, storage_errors
from medcairn.serving.predictions import Prediction, record_digest

_LARGEST_COMMIT = 512
_BUSY_SECONDS = 30.0
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS prediction ("
    " prediction_id TEXT PRIMARY KEY, record BLOB NOT NULL, record_digest TEXT NOT NULL) STRICT",
    "CREATE TABLE IF NOT EXISTS heartbeat (id INTEGER PRIMARY KEY, beats INTEGER NOT NULL, room BLOB) STRICT",
)
_INSERT = "INSERT INTO prediction (prediction_id, record, record_digest) VALUES (?, ?, ?)"
_ROOM_BYTES = 32_768
"""A heartbeat takes the room of several predictions, so that a disk that is nearly full shows in time."""
_BEAT = (
    "INSERT INTO heartbeat VALUES (1, 1, ?)"
    " ON CONFLICT (id) DO UPDATE SET beats = beats + 1, room = excluded.room"
)


class EventSink(Protocol):
    """Where events go; :class:`medcairn.audit.Ledger` is one. Durable on return, safe from many threads."""

    def append(
        self,
        event_type: EventType,
        *,
        actor: str,
        inputs: Sequence[ArtifactRef] = (),
        record: Mapping[str, JSON] | None = None,
    ) -> object:
        """Record one event."""
        ...


class PredictionRecorder(Protocol):
    """Keeps predictions. Called from many threads."""

    def record(self, prediction: Prediction) -> None:
        """Keep ``prediction``; it is durable on return. Raises an :class:`ExternalError` otherwise."""
        ...

    def check_ready(self) -> None:
        """Pass when a record could be written now; raise an :class:`ExternalError` otherwise."""
        ...

    def close(self) -> None:
        """Finish what waits."""
        ...


@dataclass(frozen=True)
class _Write:
    statement: str
    values: tuple[str | bytes, ...]
    done: Future[None]


class SqlitePredictionRecorder:
    """Records in a SQLite file of mode 0600 in the PHI zone, and events in a ledger.

    ``service`` is the actor's name in the ledger; ``package`` the package artifact that the event points
    to, so that a prediction can be traced back through it.
    """

    def __init__(
        self, path: Path, sink: EventSink, *, service: str, package: ArtifactRef | None = None
    ) -> None:
        self._path, self._sink = path, sink
        self._actor = f"service:{service}"
        self._inputs = (package,) if package else ()
        self._queue: queue.SimpleQueue[_Write | None] = queue.SimpleQueue()
        self._closing = threading.Lock()
        self._closed = False
        _create(path)
        self._writer = threading.Thread(target=self._write, name="prediction-writer", daemon=True)
        self._writer.start()

    def record(self, prediction: Prediction) -> None:
        """Commit the record, then append the event. Raises :class:`ExternalError` when either fails."""
        data = prediction.as_record()
        digest = record_digest(data)
        self._submit(_INSERT, (str(prediction.id), data, str(digest)))
        self._sink.append(
            EventType.PREDICTION_MADE,
            actor=self._actor,
            inputs=self._inputs,
            record={
                "prediction_id": prediction.id,
                "record_digest": digest,
                "package_digest": prediction.package_digest,
                "purpose": prediction.purpose.value,
            },
        )

    def check_ready(self) -> None:
        """Commit a heartbeat: a full disk shows here too."""
        self._submit(_BEAT, (bytes(_ROOM_BYTES),))

    def close(self) -> None:
        """Commit what waits and close the file. The ledger stays open; it is the caller's."""
        with self._closing:
            if self._closed:
                return
            self._closed = True
            self._queue.put(None)
        self._writer.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _submit(self, statement: str, values: tuple[str | bytes, ...]) -> None:
        write = _Write(statement, values, Future())
        with self._closing:
            if self._closed:
                raise ExternalError("The record of predictions is closed")
            self._queue.put(write)
        write.done.result()

    def _write(self) -> None:
        """The writer thread: takes what waits, commits it at once, tells the callers."""
        database: sqlite3.Connection | None = None
        while (first := self._queue.get()) is not None:
            batch, last = [first], False
            while len(batch) < _LARGEST_COMMIT and not self._queue.empty():
                write = self._queue.get()
                if write is None:
                    last = True
                    break
                batch.append(write)
            database = self._commit(database, batch)
            if last:
                break
        if database is not None:
            database.close()

    def _commit(self, database: sqlite3.Connection | None, batch: list[_Write]) -> sqlite3.Connection | None:
        """Commit ``batch``; returns the connection to go on with, None when it must be opened anew."""
        kind = ""
        try:
            database = database or _connect(self._path)
            database.execute("BEGIN IMMEDIATE")
            for write in batch:
                database.execute(write.statement, write.values)
            database.execute("COMMIT")
        except Exception as failure:  # noqa: BLE001 - every caller must hear of it, whatever it is
            kind = type(failure).__name__
        if not kind:
            for write in batch:
                write.done.set_result(None)
            return database
        if database is not None:
            with suppress(sqlite3.Error):
                database.close()
        for write in batch:
            write.done.set_exception(
                StorageError("A prediction could not be recorded", hint="Look at the disk's free space")
            )
        return None


def _create(path: Path) -> None:
    private_folder(path.parent)
    with storage_errors():
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        path.chmod(0o600)
    failed = False
    try:
        database = _connect(path)
        for statement in _SCHEMA:
            database.execute(statement)
        database.close()
    except sqlite3.Error:
        failed = True
    if failed:
        raise StorageError("The record of predictions cannot be opened or written", file=path)


def _connect(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    return database


__all__ = ["EventSink", "PredictionRecorder", "SqlitePredictionRecorder"]
