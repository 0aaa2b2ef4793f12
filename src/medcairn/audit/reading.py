"""Reading a ledger beside its writers: events, who seals it, receipts and proofs. Needs no key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from pathlib import Path

from medcairn.audit import merkle
from medcairn.audit.events import Event, EventType, StoredEvent
from medcairn.audit.keys import KeyHistory, Rotation
from medcairn.audit.receipts import ConsistencyProof, Receipt
from medcairn.audit.seals import SignedNote
from medcairn.audit.stores import LedgerAddress, Store, open_store
from medcairn.audit.witness import FolderWitness
from medcairn.core.canonical import JSON
from medcairn.core.errors import IntegrityError, UsageError

_VERIFY = "medcairn audit verify"


def key_history(store: Store) -> KeyHistory:
    """The seal keys of a ledger by its own account. Raises :class:`IntegrityError` when it gives none."""
    stated = b""
    with suppress(ValueError):
        stated = bytes.fromhex(store.about("public_key"))
    records = [
        read_event(leaf, position).record for position, leaf in store.leaves([EventType.KEY_ROTATED.value])
    ]
    if len(stated) != 32:
        raise IntegrityError("The ledger's own description is incomplete")
    return KeyHistory.of(stated, [rotation for record in records if (rotation := rotation_in(record))])


def rotation_in(record: Mapping[str, JSON]) -> Rotation | None:
    """The rotation in the record of a ``key.rotated`` event; None when there is none to read."""
    with suppress(IntegrityError):
        return Rotation.of(SignedNote.parsed(str(record.get("note"))))
    return None


def read_events(ledger: LedgerAddress, *types: EventType) -> Iterator[StoredEvent]:
    """Events of the ledger, in order, read beside any writer; only those of ``types`` when given."""
    store = open_store(ledger, read_only=True)
    try:
        for position, leaf in store.leaves([kind.value for kind in types]):
            yield StoredEvent(position, read_event(leaf, position))
    finally:
        store.close()


def read_receipt(ledger: LedgerAddress, index: int) -> Receipt:
    """Proof that the entry ``index`` stands in the ledger, by the smallest checkpoint that seals it.

    Raises :class:`UsageError` when there is no such entry or no checkpoint seals it yet.
    """
    with closing(open_store(ledger, read_only=True)) as store, store.snapshot():
        note = store.checkpoint_above(index) if index >= 0 else None
        leaf: bytes | None = None
        with suppress(KeyError):
            leaf = store.leaf(index)
        if note is None or leaf is None:
            raise UsageError("No checkpoint seals this entry", hint="Seal one, or check the entry's number")
        size = SignedNote.parsed(note).checkpoint.tree_size
        with suppress(KeyError):
            proof = merkle.inclusion_proof(store, index, size)
            return Receipt(index, read_event(leaf, index).id, merkle.leaf_hash(leaf), tuple(proof), note)
    raise IntegrityError("The stored tree of the ledger is incomplete", hint=_VERIFY)


def read_consistency(ledger: LedgerAddress, since: str) -> ConsistencyProof:
    """Proof that the ledger's latest checkpoint continues the signed note ``since``.

    Raises :class:`UsageError` when the ledger has no checkpoint as large. A proof of another history is made
    as well as one can, and does not hold.
    """
    first = SignedNote.parsed(since).checkpoint.tree_size
    with closing(open_store(ledger, read_only=True)) as store, store.snapshot():
        notes = store.checkpoints()
        second = SignedNote.parsed(notes[-1]).checkpoint.tree_size if notes else 0
        if not 0 < first <= second:
            raise UsageError("The ledger has no checkpoint that could continue this one")
        with suppress(KeyError):
            proof = merkle.consistency_proof(store, first, second)
            return ConsistencyProof(since, notes[-1], tuple(proof))
    raise IntegrityError("The stored tree of the ledger is incomplete", hint=_VERIFY)


def witness_file(ledger: Path) -> Path:
    """The text file beside a ledger that collects its checkpoints; copy it to where others can see it."""
    return FolderWitness.beside(ledger).checkpoints


def read_event(leaf: bytes, position: int) -> Event:
    """The event of a leaf. Raises :class:`IntegrityError` that names the entry."""
    event: Event | None = None
    try:
        event = Event.from_leaf(leaf)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        event = None
    if event is None:
        raise IntegrityError("An entry of the ledger cannot be read", entry=position)
    return event


__all__ = [
    "key_history",
    "read_consistency",
    "read_event",
    "read_events",
    "read_receipt",
    "rotation_in",
    "witness_file",
]
