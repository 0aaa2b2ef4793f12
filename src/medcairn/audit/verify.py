"""Verification of a ledger by itself: what was changed, and where.

What this finds: an edited, deleted or reordered entry, a tree that was rewritten against a checkpoint, a
tail cut to before a known checkpoint, a checkpoint or key that is not the ledger's, time that runs
backwards. What it cannot find: a tail cut after the last checkpoint that anybody holds, and a forgery by
someone who has the seal key, the database and every copy of the checkpoints. Keep copies elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from medcairn.audit import merkle
from medcairn.audit.events import Event
from medcairn.audit.ledger import read_event, witness_file
from medcairn.audit.seals import Checkpoint
from medcairn.audit.stores.sqlite import SqliteStore
from medcairn.core.canonical import JSON
from medcairn.core.errors import IntegrityError

CLOCK_TOLERANCE = timedelta(seconds=5)
"""A clock that is stepped by its time service goes back by fractions of a second; more is a finding."""


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it was: ``what`` in constant words, ``where`` an entry, file or id of ours."""

    what: str
    where: str

    def as_json(self) -> dict[str, JSON]:
        return {"what": self.what, "where": self.where}


@dataclass(frozen=True)
class LedgerCheck:
    """The outcome: the tree's size and root, how many checkpoints were checked, and what was found."""

    tree_size: int
    root_hash: bytes
    checkpoints: int
    findings: tuple[Finding, ...]


class _MemoryNodes:
    """The tree recomputed from the leaves alone; nothing stored is believed."""

    def __init__(self) -> None:
        self._nodes: dict[tuple[int, int], bytes] = {}
        self.size = 0

    def node(self, level: int, index: int) -> bytes:
        return self._nodes[level, index]

    def append(self, leaf: bytes) -> None:
        completed = list(merkle.completed_nodes(self, self.size, leaf))
        self._nodes[0, self.size] = leaf
        for level, index, digest in completed:
            self._nodes[level, index] = digest
        self.size += 1

    def items(self) -> dict[tuple[int, int], bytes]:
        return {key: value for key, value in self._nodes.items() if key[0] > 0}


def verify_ledger(path: Path, *, public_key: bytes | None = None) -> LedgerCheck:
    """Check the ledger in ``path`` against itself and its checkpoints.

    ``public_key``: the key that the reader knows from elsewhere; without it the ledger's own statement of
    its key is used, and a ledger that was replaced as a whole is not detected.
    """
    store = SqliteStore(path, read_only=True)
    try:
        return _verify(store, path, public_key)
    except IntegrityError as failure:
        place = failure.fields.get("entry")
        where = f"entry {place}" if place is not None else path.name
        return LedgerCheck(0, merkle.EMPTY_ROOT, 0, (Finding(failure.message, where),))
    finally:
        store.close()


def _verify(store: SqliteStore, path: Path, public_key: bytes | None) -> LedgerCheck:
    tree = _MemoryNodes()
    findings = list(_check_entries(store, tree))
    findings += _check_nodes(store, tree)
    stated = bytes.fromhex(store.about("public_key"))
    if public_key is not None and public_key != stated:
        findings.append(Finding("The ledger names another seal key than the one given", "about"))
    findings += _check_first_entry(store, public_key or stated)
    notes = [(f"checkpoint in {path.name}", note) for note in store.checkpoints()]
    notes += [(f"checkpoint in {witness_file(path).name}", note) for note in _witnessed(path)]
    for where, note in notes:
        findings += _check_checkpoint(tree, note, where, public_key or stated)
    root = merkle.root_hash(tree, tree.size)
    return LedgerCheck(tree.size, root, len(notes), tuple(dict.fromkeys(findings)))


def _check_entries(store: SqliteStore, tree: _MemoryNodes) -> Iterator[Finding]:
    latest: datetime | None = None
    expected = 0
    for position, kind, leaf, digest in store.entries():
        if position != expected:
            yield Finding("An entry is missing", f"entry {expected}")
        expected = position + 1
        if merkle.leaf_hash(leaf) != digest:
            yield Finding("An entry was edited", f"entry {position}")
        tree.append(merkle.leaf_hash(leaf))
        event: Event | None = None
        try:
            event = read_event(leaf, position)
        except IntegrityError as failure:
            yield Finding(failure.message, f"entry {position}")
        if event is not None:
            if event.type.value != kind:
                yield Finding("An entry is filed under another type", f"entry {position}")
            moment = datetime.fromisoformat(event.recorded_at)
            if latest is not None and moment < latest - CLOCK_TOLERANCE:
                yield Finding(
                    "Time runs backwards: a back-dated entry or a clock set back", f"entry {position}"
                )
            latest = moment


def _check_nodes(store: SqliteStore, tree: _MemoryNodes) -> Iterator[Finding]:
    recomputed = tree.items()
    stored = {(level, index): digest for level, index, digest in store.nodes()}
    for level, index in sorted(recomputed.keys() | stored.keys()):
        if recomputed.get((level, index)) != stored.get((level, index)):
            first, last = index << level, ((index + 1) << level) - 1
            yield Finding("The stored tree does not follow from the entries", f"entries {first} to {last}")
            return


def _check_first_entry(store: SqliteStore, public_key: bytes) -> Iterator[Finding]:
    for position, leaf in store.leaves():
        if read_event(leaf, position).record.get("public_key") != public_key.hex():
            yield Finding("The first entry names another seal key", "entry 0")
        return
    yield Finding("The ledger has no entries", "entry 0")


def _check_checkpoint(tree: _MemoryNodes, note: str, where: str, public_key: bytes) -> Iterator[Finding]:
    try:
        checkpoint = Checkpoint.opened(note, public_key)
    except IntegrityError as failure:
        yield Finding(failure.message, where)
        return
    if checkpoint.tree_size > tree.size:
        what = "The ledger was cut: a checkpoint knows more entries than there are"
        yield Finding(what, f"entries {tree.size} to {checkpoint.tree_size - 1}")
    elif merkle.root_hash(tree, checkpoint.tree_size) != checkpoint.root_hash:
        what = "The entries were rewritten after a checkpoint sealed them"
        yield Finding(what, f"entries 0 to {checkpoint.tree_size - 1}")


def _witnessed(ledger: Path) -> list[str]:
    path = witness_file(ledger)
    if not path.is_file():
        return []
    return _notes(path.read_text(encoding="utf-8", errors="replace"))


def _notes(text: str) -> list[str]:
    """Signed notes that follow each other: each ends with its signature line."""
    notes: list[str] = []
    lines: list[str] = []
    for line in text.split("\n"):
        if not lines and not line:
            continue
        lines.append(line)
        if line.startswith("— "):
            notes.append("\n".join(lines) + "\n")
            lines = []
    if lines:
        notes.append("\n".join(lines))
    return notes


__all__ = ["CLOCK_TOLERANCE", "Finding", "LedgerCheck", "verify_ledger"]
