"""The ledger: appends events durably, many writers' events in one commit, and seals checkpoints."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from medcairn.audit import merkle
from medcairn.audit.events import Event, EventType, StoredEvent
from medcairn.audit.seals import Checkpoint, SealKey
from medcairn.audit.stores.sqlite import SqliteStore
from medcairn.core.artifacts import ArtifactRef
from medcairn.core.canonical import JSON, canonical_json
from medcairn.core.clock import Clock, Ids, instant
from medcairn.core.errors import IntegrityError
from medcairn.core.files import sync_folder
from medcairn.core.group_commit import GroupCommit


@dataclass(frozen=True)
class Appended:
    """Where an event came to stand."""

    index: int
    leaf_hash: bytes
    event: Event


@dataclass(frozen=True)
class _Request:
    type: EventType
    actor: str
    run_id: str | None
    stage: str | None
    inputs: tuple[ArtifactRef, ...]
    outputs: tuple[ArtifactRef, ...]
    record: Mapping[str, JSON]


class Ledger:
    """An append-only ledger. Threads may share one; processes open one each on the same file.

    Appends that wait at the same time are committed together (group commit): the cost of one flush to
    disk is shared, and each caller returns only when its own event is durable.
    """

    def __init__(self, path: Path, key: SealKey, *, clock: Clock, ids: Ids) -> None:
        self._path = path
        self._store = SqliteStore(path)
        if self._store.about("public_key") != key.public.hex():
            raise IntegrityError("The seal key is not the one that this ledger was made with")
        self._witness = witness_file(path)
        self._key, self._clock, self._ids = key, clock, ids
        self._lock = threading.Lock()
        self._writes = GroupCommit(self._commit, name="ledger-writer")

    @classmethod
    def open(cls, path: Path, seal_key: Path, *, clock: Clock, ids: Ids) -> Self:
        """The ledger in ``path``, sealed by the key in the file ``seal_key``."""
        return cls(path, SealKey.open(seal_key), clock=clock, ids=ids)

    @classmethod
    def create(cls, path: Path, seal_key: Path, *, origin: str, clock: Clock, ids: Ids) -> Self:
        """A new ledger; its first event says who seals it."""
        key = SealKey.create(seal_key)
        SqliteStore.create(path, origin=origin, public_key=key.public).close()
        ledger = cls(path, key, clock=clock, ids=ids)
        about: dict[str, JSON] = {"origin": origin, "public_key": key.public.hex()}
        ledger.append(EventType.LEDGER_CREATED, actor="pipeline", record=about)
        return ledger

    def append(
        self,
        event_type: EventType,
        *,
        actor: str,
        run_id: str | None = None,
        stage: str | None = None,
        inputs: Sequence[ArtifactRef] = (),
        outputs: Sequence[ArtifactRef] = (),
        record: Mapping[str, JSON] | None = None,
    ) -> Appended:
        """Record one event; it is on disk when this returns.

        Raises :class:`~medcairn.core.errors.StorageError` when it could not be written.
        """
        facts = dict(record or {})
        canonical_json(facts)  # refuse here, not in the writer, what cannot be recorded
        request = _Request(event_type, actor, run_id, stage, tuple(inputs), tuple(outputs), facts)
        return self._writes.submit(request)

    def events(self, *types: EventType) -> Iterator[StoredEvent]:
        """Events in order; only those of ``types`` when given. Sees what was committed when it began."""
        return read_events(self._path, *types)

    def checkpoint(self) -> Checkpoint:
        """Seal the present tree, and add the note to the witness file beside the database."""
        with self._lock, self._store.transaction():
            size = self._store.size()
            made = Checkpoint(self._store.about("origin"), size, merkle.root_hash(self._store, size))
            note = made.sealed(self._key)
            self._store.add_checkpoint(size, note)
        with self._witness.open("a", encoding="utf-8") as stream:
            stream.write(note + "\n")
            stream.flush()
        sync_folder(self._witness.parent)
        return made

    def close(self) -> None:
        """Finish what waits and close the file."""
        self._writes.close()
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _commit(self, batch: Sequence[_Request]) -> list[Appended]:
        with self._lock, self._store.transaction():
            position = self._store.size()
            events = [self._event(request) for request in batch]
            hashes = self._store.append([(e.type.value, e.as_leaf()) for e in events], position)
        return [Appended(position + n, hashes[n], event) for n, event in enumerate(events)]

    def _event(self, request: _Request) -> Event:
        return Event(
            id=self._ids.new(),
            type=request.type,
            recorded_at=instant(self._clock.now()),
            actor=request.actor,
            run_id=request.run_id,
            stage=request.stage,
            inputs=request.inputs,
            outputs=request.outputs,
            record=request.record,
        )


def read_events(ledger: Path, *types: EventType) -> Iterator[StoredEvent]:
    """Events of the ledger file, in order, read beside any writer; only those of ``types`` when given."""
    store = SqliteStore(ledger, read_only=True)
    try:
        for position, leaf in store.leaves([kind.value for kind in types]):
            yield StoredEvent(position, read_event(leaf, position))
    finally:
        store.close()


def witness_file(ledger: Path) -> Path:
    """The text file beside a ledger that collects its checkpoints; copy it to where others can see it."""
    return ledger.with_name(ledger.stem + ".checkpoints")


def read_event(leaf: bytes, position: int) -> Event:
    """The event of a leaf. Raises :class:`IntegrityError` that names the entry."""
    event: Event | None = None
    try:
        event = Event.from_leaf(leaf)
    except (ValueError, KeyError, TypeError, AttributeError):
        event = None
    if event is None:
        raise IntegrityError("An entry of the ledger cannot be read", entry=position)
    return event


__all__ = ["Appended", "Ledger", "read_event", "read_events", "witness_file"]
