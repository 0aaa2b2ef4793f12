"""Recording a prediction durably before it is answered.

First the record (features of a real patient: PHI zone) is committed to SQLite, then an event with its
digest is appended to the ledger. Requests that wait at the same time share one commit in either place. When
either fails the caller raises, and the service gives no answer. A record without an event is a prediction
that nobody was told.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from medcairn.audit import EventType
from medcairn.core.artifacts import ArtifactRef
from medcairn.core.canonical import JSON
from medcairn.core.errors import StorageError
from medcairn.core.files import private_folder, storage_errors
from medcairn.core.group_commit import GroupCommit
from medcairn.serving.predictions import Prediction, record_digest

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

    def check_ready(self) -> None:
        """Pass when an event could be recorded now; raise an :class:`ExternalError` otherwise."""
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
        _create(path)
        self._database: sqlite3.Connection | None = None
        self._writes = GroupCommit(self._commit, name="prediction-writer")

    def record(self, prediction: Prediction) -> None:
        """Commit the record, then append the event. Raises :class:`ExternalError` when either fails."""
        data = prediction.as_record()
        digest = record_digest(data)
        self._writes.submit(_Write(_INSERT, (str(prediction.id), data, str(digest))))
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
        """Commit a heartbeat, so that a full disk shows, and ask the ledger, which may be elsewhere."""
        self._writes.submit(_Write(_BEAT, (bytes(_ROOM_BYTES),)))
        self._sink.check_ready()

    def close(self) -> None:
        """Commit what waits and close the file. The ledger stays open; it is the caller's."""
        self._writes.close()
        if self._database is not None:
            self._database.close()
            self._database = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _commit(self, batch: Sequence[_Write]) -> list[None]:
        """Commit ``batch``; after a failure the file is opened anew for the next one."""
        failed = False
        try:
            self._database = self._database or _connect(self._path)
            self._database.execute("BEGIN IMMEDIATE")
            for write in batch:
                self._database.execute(write.statement, write.values)
            self._database.execute("COMMIT")
        except (sqlite3.Error, OSError):
            failed = True
        if not failed:
            return [None] * len(batch)
        if self._database is not None:
            with suppress(sqlite3.Error):
                self._database.close()
            self._database = None
        raise StorageError("A prediction could not be recorded", hint="Look at the disk's free space")


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
