"""The ledger: appends events durably, many writers' events in one commit, and seals checkpoints."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from medcairn.audit import merkle
from medcairn.audit.events import EventType, StoredEvent
from medcairn.audit.keys import KeyHistory, next_key_line
from medcairn.audit.proposals import Appended, Overtaken, Proposal
from medcairn.audit.reading import key_history, read_events, read_receipt
from medcairn.audit.receipts import Receipt
from medcairn.audit.seals import Checkpoint, Seal, SealKey, SignedNote
from medcairn.audit.stores import LedgerAddress, create_store, open_store
from medcairn.audit.stores.store import leaf_hashes
from medcairn.audit.witness import FolderWitness, Witness
from medcairn.core.artifacts import ArtifactRef
from medcairn.core.canonical import JSON
from medcairn.core.clock import Clock, Ids, instant
from medcairn.core.errors import (
    ExternalError,
    IntegrityError,
    MedcairnError,
    UsageError,
)
from medcairn.core.files import sync_folder
from medcairn.core.group_commit import GroupCommit
from medcairn.core.labels import Label


class WitnessFailed(ExternalError):
    """A checkpoint is sealed and kept, and one of the witnesses did not take it.

    Fields: how many did not, and of the first of them why (the error's code) and its name if it has one.
    """

    code = "witness_failed"


class Ledger:
    """An append-only ledger. Threads may share one; processes open one each on the same place.

    Appends that wait at the same time are committed together (group commit): the cost of one flush to
    disk is shared, and each caller returns only when its own event is durable.
    """

    def __init__(
        self,
        address: LedgerAddress,
        key: SealKey,
        *,
        clock: Clock,
        ids: Ids,
        witnesses: Sequence[Witness] = (),
        key_file: Path | None = None,
    ) -> None:
        self._address, self._key_file = address, key_file
        self._key, self._clock, self._ids = key, clock, ids
        self._store = open_store(address)
        self._beside = FolderWitness.beside(address) if isinstance(address, Path) else None
        self._witnesses = tuple(witnesses)
        self._edge: merkle.Frontier | None = None
        self._lock = threading.Lock()
        self._publishing = threading.Lock()
        self._writes = GroupCommit(self._commit, name="ledger-writer")
        try:
            self._take_key()
        except BaseException:
            self._store.close()
            raise

    @classmethod
    def open(
        cls,
        address: LedgerAddress,
        seal_key: Path,
        *,
        clock: Clock,
        ids: Ids,
        witnesses: Sequence[Witness] = (),
    ) -> Self:
        """The ledger at ``address``, sealed by the key in the file ``seal_key``.

        Raises :class:`IntegrityError` when that is not the key that the ledger is sealed with now.
        """
        key = SealKey.open(seal_key)
        return cls(address, key, clock=clock, ids=ids, witnesses=witnesses, key_file=seal_key)

    @classmethod
    def create(
        cls,
        address: LedgerAddress,
        seal_key: Path,
        *,
        origin: str,
        clock: Clock,
        ids: Ids,
        witnesses: Sequence[Witness] = (),
    ) -> Self:
        """A new ledger; its first event says who seals it.

        Raises :class:`UsageError` when there is one, or what a witness took of one that was there before.
        """
        if isinstance(address, Path) and FolderWitness.beside(address).latest() is not None:
            raise UsageError("Checkpoints of another ledger are here", hint="Move them away", file=address)
        key = SealKey.create(seal_key)
        create_store(address, origin=origin, public_key=key.public).close()
        ledger = cls(address, key, clock=clock, ids=ids, witnesses=witnesses, key_file=seal_key)
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
        proposal = Proposal(
            event_type, actor, dict(record or {}), run_id, stage, tuple(inputs), tuple(outputs)
        )
        return self._writes.submit(proposal)

    def append_unless(self, newer: EventType, than: int, *proposals: Proposal) -> list[Appended]:
        """Record ``proposals`` together, all or none, unless an event of type ``newer`` came after ``than``.

        ``than`` is the last entry of that type which the caller saw, -1 for none. So of two writers who
        decided on the same state of affairs, in any process, one alone records its decision.

        Raises :class:`Overtaken` for the other: read again, decide again.
        """
        with self._lock, self._writing():
            if any(position > than for position, _ in self._store.leaves([newer.value])):
                raise Overtaken("Somebody else recorded this first", hint="Look again, then try again")
            return self._add(proposals)

    def check_ready(self) -> None:
        """Pass when the store can be reached and is no other writer's for long.

        Raises :class:`~medcairn.core.errors.TransientError` or another :class:`ExternalError` otherwise.
        """
        with self._lock, self._store.transaction():
            self._present_edge()

    def events(self, *types: EventType) -> Iterator[StoredEvent]:
        """Events in order; only those of ``types`` when given. Sees what was committed when it began."""
        return read_events(self._address, *types)

    def checkpoint(self) -> Checkpoint:
        """Seal the present tree, and hand the note to the witnesses; appends do not wait for them.

        Raises :class:`IntegrityError` when the tree does not continue what the witness beside the ledger
        saw last, and :class:`WitnessFailed` when another witness did not take the checkpoint, which is
        sealed all the same; the next one brings that witness up to date.
        """
        with self._publishing:
            with self._lock, self._store.transaction():
                note = self._sealed()
            return self._published(note)

    def receipt(self, index: int) -> Receipt:
        """Proof that the entry ``index`` stands in the ledger; seals a checkpoint when none covers it yet.

        It is given also while a witness is away: the next checkpoint brings that one up to date, and tells.
        Raises :class:`UsageError` when there is no such entry.
        """
        try:
            return read_receipt(self._address, index)
        except UsageError:
            with suppress(WitnessFailed):
                self.checkpoint()
        return read_receipt(self._address, index)

    def rotate_key(self, *, actor: str) -> Appended:
        """Replace the seal key: the old one signs the new one, and both seal the ledger as it is.

        The old private key is overwritten. Other processes take up the new one from the same file.
        Raises :class:`UsageError` for a ledger that was opened without a key file.
        """
        if self._key_file is None:
            raise UsageError("A seal key that is not in a file cannot be replaced")
        with self._publishing:
            with self._lock:
                with self._writing():
                    made, before = self._rotated(self._key_file, actor)
                with self._store.transaction():
                    self._take_key()
                    after = self._sealed()
            with suppress(WitnessFailed):  # which ``after`` tells of as well
                self._published(before)
            self._published(after)
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

    def _commit(self, batch: Sequence[Proposal]) -> list[Appended]:
        with self._lock, self._writing():
            return self._add(batch)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            with self._store.transaction():
                yield
        except BaseException:
            self._edge = None  # what it holds was perhaps not committed
            raise

    def _add(self, batch: Sequence[Proposal]) -> list[Appended]:
        """Append in the present transaction."""
        edge = self._present_edge()
        appended, entries, nodes = [], [], []
        for proposal in batch:
            event = proposal.event(self._ids.new(), instant(self._clock.now()))
            leaf = proposal.parts.leaf(event.id, event.recorded_at)
            digest = merkle.leaf_hash(leaf)
            appended.append(Appended(edge.size, digest, event))
            entries.append((edge.size, event.type.value, leaf))
            nodes += edge.append(digest)
        self._store.append(entries, nodes)
        return appended

    def _present_edge(self) -> merkle.Frontier:
        """The tree's right edge, read anew when another process has appended."""
        size = self._store.size()
        if self._edge is None or self._edge.size != size:
            edge: merkle.Frontier | None = None
            with suppress(KeyError):
                edge = merkle.Frontier(self._store, size)
            if edge is None:
                raise IntegrityError("The stored tree of the ledger is incomplete", hint=_VERIFY)
            self._edge = edge
        return self._edge

    def _rotated(self, key_file: Path, actor: str) -> tuple[Appended, str]:
        """A new key, its event, and the note by which the old one names it, in the present transaction."""
        self._take_key()
        following = _next_file(key_file)
        following.unlink(missing_ok=True)  # of a rotation that was not recorded
        new = SealKey.create(following).public
        note = self._sealed(next_key_line(new))
        record: dict[str, JSON] = {
            "old_public_key": self._key.public.hex(),
            "new_public_key": new.hex(),
            "note": note,
        }
        return self._add([Proposal(EventType.KEY_ROTATED, actor, record)])[0], note

    def _sealed(self, *extensions: str) -> str:
        """Seal and keep the present tree, in the present transaction; the signed note."""
        history = self._take_key()
        edge = self._present_edge()
        if self._beside is not None:
            self._check_continues(self._beside.latest(), history)
        made = Checkpoint(self._store.about("origin"), edge.size, edge.root_hash())
        note = made.sealed(self._key, *extensions)
        self._store.add_checkpoint(edge.size, note)
        return note

    def _check_continues(self, latest: str | None, history: KeyHistory) -> None:
        """Never seal a second history: what was sealed last must be a beginning of the present tree."""
        known: SignedNote | None = None
        with suppress(IntegrityError):
            known = SignedNote.parsed(latest) if latest is not None else None
        if known is None or known.seal_of(history.at(known.checkpoint.tree_size)) is not Seal.HOLDS:
            return  # no statement of ours; verification tells of it
        size, present = known.checkpoint.tree_size, b""
        with suppress(KeyError):
            present = merkle.root_hash(self._store, size) if size <= self._present_edge().size else b""
        if present != known.checkpoint.root_hash:
            raise IntegrityError("The ledger does not continue its last checkpoint", hint=_VERIFY)

    def _published(self, note: str) -> Checkpoint:
        checkpoint = SignedNote.parsed(note).checkpoint
        failed: list[MedcairnError] = []
        # By a connection of its own: a witness may be slow, and the other one is the writer's meanwhile.
        with closing(open_store(self._address, read_only=True)) as store:
            hashes = partial(leaf_hashes, store)
            if self._beside is not None:
                self._beside.publish(note, checkpoint.tree_size, hashes)
            for witness in self._witnesses:
                try:
                    witness.publish(note, checkpoint.tree_size, hashes)
                except MedcairnError as failure:
                    failed.append(failure)
        if failed:
            raise _witness_failed(failed)
        return checkpoint

    def _take_key(self) -> KeyHistory:
        """Make sure that the key in hand is the one that seals now: another process may have replaced it.

        A rotation that was recorded when the process died is completed here.
        """
        history = key_history(self._store)
        if self._key.public == history.current:
            return history
        files = [] if self._key_file is None else [self._key_file, _next_file(self._key_file)]
        for file in files:
            if file.is_file() and (key := SealKey.open(file)).public == history.current:
                if file != self._key_file and self._key_file is not None:
                    file.replace(self._key_file)
                    sync_folder(file.parent)
                self._key = key
                return history
        raise IntegrityError("The seal key is not the one that this ledger is sealed with")


def _witness_failed(failures: Sequence[MedcairnError]) -> WitnessFailed:
    first = failures[0].fields
    return WitnessFailed(
        "The checkpoint is sealed, but not every witness took it",
        hint="What was done is kept; the next checkpoint brings the witness up to date",
        witnesses=len(failures),
        **{"why": Label(failures[0].code), **{key: first[key] for key in ("witness", "why") if key in first}},
    )


def _next_file(key_file: Path) -> Path:
    return key_file.with_name(key_file.name + ".next")


_VERIFY = "medcairn audit verify"

__all__ = ["Ledger", "WitnessFailed"]
